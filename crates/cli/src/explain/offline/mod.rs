//! The forms of `fdx explain` that connect to nothing: a close code, a text of a browser or a
//! library, heads from a file, frames in hexadecimal.

mod frames;
mod head;
mod heads;
mod hex;
mod hex_input;
mod known;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use crate::client::ConnectOutcome;
use crate::client::url::looks_like_url;

/// The most bytes of standard input that are read.
const MAX_INPUT: u64 = 8 << 20;

/// What is to be explained without connecting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OfflineForm {
    /// Frames in hexadecimal; without words, from standard input.
    Hex(Vec<String>),
    /// A request, a response or both, from standard input.
    Head,
    /// A close code.
    Code(u16),
    /// What a browser or a library says.
    Phrase(String),
}

impl OfflineForm {
    /// Returns the form that the words after `fdx explain`, and `--head`, ask for; `None` if they
    /// are a URL.
    pub(super) fn of(words: &[String], has_head: bool) -> Option<Self> {
        match words {
            [] if has_head => Some(Self::Head),
            [] => None,
            [first, rest @ ..] if first == "hex" => Some(Self::Hex(rest.to_vec())),
            [word] if is_url(word) => None,
            [one] => Some(match one.parse() {
                Ok(code) => Self::Code(code),
                Err(_) => Self::Phrase(one.clone()),
            }),
            words => Some(Self::Phrase(words.join(" "))),
        }
    }
}

/// Whether a word is meant as a URL or a host, rather than as a text to explain.
fn is_url(word: &str) -> bool {
    looks_like_url(word) && !word.contains(char::is_whitespace) && !word.contains("::ERR_")
}

/// Explains what is given, as lines or as JSON, and returns the exit code.
pub(super) fn run(form: &OfflineForm, as_json: bool) -> ExitCode {
    let outcome = match form {
        OfflineForm::Hex(words) => explain_hex(words, as_json),
        OfflineForm::Head => explain_head(as_json),
        OfflineForm::Code(code) => {
            let known = known::code(*code);
            print(known.lines(), &known.json, as_json).map(|()| ConnectOutcome::Clean)
        }
        OfflineForm::Phrase(text) => match known::phrase(text) {
            Some(known) => {
                print(known.lines(), &known.json, as_json).map(|()| ConnectOutcome::Clean)
            }
            None => Err((ConnectOutcome::Usage, known::unknown(text))),
        },
    };
    ExitCode::from(outcome.unwrap_or_else(|(outcome, why)| {
        report!("fdx explain: {why}");
        outcome
    }) as u8)
}

/// The exit code of a failure, and what failed.
type Failure = (ConnectOutcome, String);

fn explain_hex(words: &[String], as_json: bool) -> Result<ConnectOutcome, Failure> {
    let text = if words.is_empty() { read_input()? } else { words.join(" ") };
    let bytes = hex_input::parse(&text).map_err(|why| (ConnectOutcome::Usage, why))?;
    let dissection = frames::dissect(&bytes);
    print(hex::describe(&dissection), &hex::to_json(&dissection), as_json)?;
    let is_broken = dissection.frames.iter().any(|frame| frame.violation.is_some());
    Ok(if is_broken { ConnectOutcome::ProtocolViolation } else { ConnectOutcome::Clean })
}

fn explain_head(as_json: bool) -> Result<ConnectOutcome, Failure> {
    let exchange = heads::parse(&read_input()?).map_err(|why| (ConnectOutcome::Usage, why))?;
    let report = head::explain(&exchange);
    print(report.lines, &report.json, as_json)?;
    let is_refused = exchange.response.is_some() && !report.is_open;
    Ok(if is_refused { ConnectOutcome::Rejected } else { ConnectOutcome::Clean })
}

fn read_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes);
    read.map_err(|error| (ConnectOutcome::LocalIo, format!("standard input: {error}")))?;
    if bytes.len() as u64 > MAX_INPUT {
        return Err((ConnectOutcome::LocalIo, "standard input: it is longer than 8 MiB".into()));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print(lines: String, json: &Value, as_json: bool) -> Result<(), Failure> {
    let text = if as_json { format!("{json}\n") } else { lines };
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        // The reader has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.map_err(|error| (ConnectOutcome::LocalIo, format!("standard output: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offline_forms_are_told_from_urls() {
        let form = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            OfflineForm::of(&words, false)
        };
        for url in [
            "ws://a/",
            "WSS://a",
            "https://a/",
            "localhost:9001",
            ":9001",
            "chat.example",
            "ws+unix:/s",
            "@feed",
        ] {
            assert_eq!(form(&[url]), None, "{url}");
        }
        assert_eq!(form(&["1006"]), Some(OfflineForm::Code(1006)));
        assert_eq!(
            form(&["hex", "81", "00"]),
            Some(OfflineForm::Hex(vec!["81".into(), "00".into()]))
        );
        for text in [
            "net::ERR_FAILED",
            "net::ERR_CONNECTION_REFUSED",
            "ECONNREFUSED",
            "Invalid frame header",
        ] {
            assert_eq!(form(&[text]), Some(OfflineForm::Phrase(text.into())), "{text}");
        }
        assert_eq!(
            form(&["socket", "hang", "up"]),
            Some(OfflineForm::Phrase("socket hang up".into()))
        );
        assert_eq!(form(&[]), None);
        assert_eq!(OfflineForm::of(&[], true), Some(OfflineForm::Head));
    }
}
