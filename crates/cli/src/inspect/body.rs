//! Where the body of a message of HTTP/1.1 ends (RFC 9112 §6).

use super::head::Head;

/// The longest line of a chunk's size, and the longest trailer section, in bytes.
const MAX_LINES: usize = 64 << 10;

/// The rest of a body.
#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// This many bytes.
    Length(u64),
    Chunked(Chunk),
    /// All until the connection ends.
    UntilEnd,
}

/// The place within a chunked body (RFC 9112 §7.1).
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk {
    place: Place,
    /// The size of the chunk, or what is left of its data.
    size: u64,
    /// The bytes of the line, or of the trailer section.
    line: usize,
    has_digits: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Place {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    TrailerStart,
    Trailer,
}

/// What was found of a body.
#[derive(Debug, PartialEq)]
pub(super) enum BodyStep {
    /// More bytes belong to it.
    More,
    /// The rest of the input is behind its end.
    Ended,
    /// Not valid: nothing is known about where the body ends.
    Invalid,
}

impl Body {
    /// Returns the body of a request; `None` if where it ends is not said.
    pub(super) fn of_request(head: &Head) -> Option<Self> {
        Self::framed(head).map(|body| body.unwrap_or(Self::Length(0)))
    }

    /// Returns the body of a response that may have one.
    pub(super) fn of_response(head: &Head) -> Option<Self> {
        Self::framed(head).map(|body| body.unwrap_or(Self::UntilEnd))
    }

    #[allow(clippy::option_option, reason = "a head that says nothing is not one that is wrong")]
    fn framed(head: &Head) -> Option<Option<Self>> {
        if head.values("transfer-encoding").next().is_some() {
            let is_chunked = head.has_element("transfer-encoding", "chunked");
            return Some(is_chunked.then(|| Self::Chunked(Chunk::default())));
        }
        let mut lengths = head.values("content-length");
        let Some(length) = lengths.next() else { return Some(None) };
        let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        let number = length.parse().ok().filter(|_| is_number && lengths.all(|l| l == length));
        number.map(|length| Some(Self::Length(length)))
    }

    /// Takes what belongs to the body from the beginning of the input.
    pub(super) fn push(&mut self, input: &mut &[u8]) -> BodyStep {
        match self {
            Self::UntilEnd => {
                *input = &[];
                BodyStep::More
            }
            Self::Length(left) => {
                *left -= skip(input, *left);
                if *left == 0 { BodyStep::Ended } else { BodyStep::More }
            }
            Self::Chunked(chunk) => chunk.push(input),
        }
    }
}

impl Chunk {
    fn push(&mut self, input: &mut &[u8]) -> BodyStep {
        loop {
            if self.place == Place::Data {
                self.size -= skip(input, self.size);
                if self.size > 0 {
                    return BodyStep::More;
                }
                self.next(Place::DataEnd);
            }
            let Some((byte, rest)) = input.split_first() else { return BodyStep::More };
            *input = rest;
            self.line += 1;
            match self.take(*byte) {
                Some(true) => return BodyStep::Ended,
                Some(false) if self.line <= MAX_LINES => {}
                _ => return BodyStep::Invalid,
            }
        }
    }

    fn next(&mut self, place: Place) {
        *self = Self { place, size: self.size, line: 0, has_digits: false };
    }

    /// Takes a byte that is not data, and returns whether it is the last; `None` if it is wrong.
    fn take(&mut self, byte: u8) -> Option<bool> {
        match (self.place, byte) {
            (Place::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16)?;
                self.size = self.size.checked_mul(16)?.checked_add(digit.into())?;
                self.has_digits = true;
            }
            (Place::Size | Place::Extension, b'\n') if self.has_digits => {
                self.next(if self.size == 0 { Place::TrailerStart } else { Place::Data });
            }
            (Place::Size, b';' | b' ' | b'\t' | b'\r') if self.has_digits => {
                self.place = Place::Extension;
            }
            (Place::DataEnd, b'\n') => self.next(Place::Size),
            (Place::TrailerStart, b'\n') => return Some(true),
            (Place::Trailer, b'\n') => self.place = Place::TrailerStart,
            (Place::DataEnd | Place::TrailerStart, b'\r')
            | (Place::Extension | Place::Trailer, _) => {}
            (Place::TrailerStart, _) => self.place = Place::Trailer,
            (Place::Size | Place::DataEnd | Place::Data, _) => return None,
        }
        Some(false)
    }
}

/// Skips up to this many bytes, and returns how many there were.
fn skip(input: &mut &[u8], len: u64) -> u64 {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(input.len());
    *input = &input[len..];
    len as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &str) -> Head {
        Head::parse(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").into_bytes()).unwrap()
    }

    #[test]
    fn body_has_a_length_or_chunks_or_ends_with_the_connection() {
        let of = |fields: &str| Body::of_response(&head(fields));
        assert_eq!(of("Content-Length: 5\r\n"), Some(Body::Length(5)));
        assert_eq!(of("Content-Length: 5\r\nContent-Length: 6\r\n"), None);
        assert_eq!(of("Content-Length: +5\r\n"), None);
        assert_eq!(of(""), Some(Body::UntilEnd));
        assert_eq!(
            of("transfer-encoding: gzip, Chunked\r\n"),
            Some(Body::Chunked(Chunk::default()))
        );
        assert_eq!(Body::of_request(&head("")), Some(Body::Length(0)));
    }

    #[test]
    fn chunked_body_ends_behind_its_trailer_wherever_it_is_cut() {
        let whole = b"5;a=b\r\nhello\r\nA \r\n0123456789\r\n0\r\nX: y\r\n\r\nnext";
        for cut in 0..whole.len() {
            let mut body = Body::Chunked(Chunk::default());
            let mut step = BodyStep::More;
            let mut left = 0;
            for mut piece in [&whole[..cut], &whole[cut..]] {
                if step == BodyStep::More {
                    step = body.push(&mut piece);
                }
                left += piece.len();
            }
            assert_eq!((step, left), (BodyStep::Ended, 4), "{cut}");
        }
        for wrong in ["\r\n", "x\r\n", "2\r\nabc", "fffffffffffffffff\r\n"] {
            let mut body = Body::Chunked(Chunk::default());
            assert_eq!(body.push(&mut wrong.as_bytes()), BodyStep::Invalid, "{wrong:?}");
        }
    }
}
