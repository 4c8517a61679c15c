//! Heads of HTTP/1.1 that come in pieces, and what their first lines say.

use super::head::{Head, MAX_HEAD, end_of_head};

/// What was taken of a head.
pub(super) enum TakenHead {
    Part(Vec<u8>),
    Whole(Vec<u8>),
    TooLong(Vec<u8>),
}

/// Takes the rest of a head from the beginning of the input. Empty lines before it belong to it.
pub(super) fn take_head(mut head: Vec<u8>, input: &mut &[u8]) -> TakenHead {
    let known = head.len();
    let room = (MAX_HEAD - known).min(input.len());
    head.extend_from_slice(&input[..room]);
    let empty = head.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let end = end_of_head(&head[empty..], known.saturating_sub(empty)).map(|end| empty + end);
    let taken = end.unwrap_or(head.len()) - known;
    *input = &input[taken..];
    match end {
        Some(end) => {
            head.truncate(end);
            TakenHead::Whole(head)
        }
        None if head.len() == MAX_HEAD => TakenHead::TooLong(head),
        None => TakenHead::Part(head),
    }
}

/// Returns whether a head may begin so: in TLS, for example, other bytes come first.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take(16).all(|byte| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~'))
}

pub(super) fn is_http1_request(start_line: &str) -> bool {
    let mut words = start_line.rsplitn(2, ' ');
    words.next().is_some_and(|version| version.starts_with("HTTP/1."))
        && words.next().is_some_and(|rest| rest.contains(' '))
}

pub(super) fn status(head: &Head) -> Option<u16> {
    let line = head.start_line();
    let rest = line.strip_prefix("HTTP/1.")?;
    rest.split(' ').nth(1)?.parse().ok().filter(|status| (100..1000).contains(status))
}
