//! The search for the end of a head.

use super::{HeadError, HeadLimits};
use crate::handshake::grammar::is_tchar;

/// The first bytes of an HTTP/2 connection (RFC 9113 §3.4), up to where they stop being valid
/// HTTP/1.x.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// The first bytes of every HTTP/1.x response (RFC 9112 §4).
const STATUS_LINE: &[u8] = b"HTTP/1.";

/// The types of TLS records that begin a connection: alert and handshake (RFC 8446 §5.1).
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;

/// A search for the end of a head in a growing buffer.
///
/// The finder remembers its position, so each byte is read once, however small the pieces are in
/// which they arrive. It buffers nothing. Limits apply while the head is still incomplete.
///
/// Pass [`find`](Self::find) the whole buffer each time: the bytes of the last call, followed by
/// new ones. Use a new finder for each head.
///
/// Lines end with CRLF or bare LF (RFC 9112 §2.2).
#[derive(Clone, Debug)]
pub struct HeadFinder {
    role: Role,
    limits: HeadLimits,
    /// The number of bytes read so far.
    scanned: usize,
    line_start: usize,
    /// The number of complete lines, including the start line.
    lines: usize,
    /// Whether the first bytes are those of HTTP/1.x.
    is_http1: bool,
    /// The number of bytes read, counting repetitions.
    #[cfg(test)]
    work: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

impl HeadFinder {
    /// Creates a finder for the head of a request, which a server receives.
    pub const fn request(limits: HeadLimits) -> Self {
        Self::new(Role::Request, limits)
    }

    /// Creates a finder for the head of a response, which a client receives.
    pub const fn response(limits: HeadLimits) -> Self {
        Self::new(Role::Response, limits)
    }

    /// Returns the length of the head, including its empty line, once the head is complete.
    /// `None` means that more bytes are needed.
    ///
    /// # Errors
    /// If the bytes are not HTTP/1.x, or exceed the limits. An error is returned as soon as it is
    /// certain, and does not depend on how the bytes were split. The finder is then of no further
    /// use.
    pub fn find(&mut self, buffer: &[u8]) -> Result<Option<usize>, HeadError> {
        let limit = self.limits.max_head_bytes;
        let window = &buffer[..buffer.len().min(limit)];
        if !self.is_http1 && !self.sniff(window)? {
            return if window.len() == limit { Err(self.too_large()) } else { Ok(None) };
        }
        while let Some(line_end) = self.next_line_end(window) {
            let line = &window[self.line_start..line_end];
            self.line_start = self.scanned;
            if self.lines > 0 && matches!(line, [] | [b'\r']) {
                return Ok(Some(self.scanned));
            }
            self.count_line()?;
        }
        // Once the limit is reached without an end, further bytes can't change that.
        if window.len() == limit { Err(self.too_large()) } else { Ok(None) }
    }

    const fn new(role: Role, limits: HeadLimits) -> Self {
        Self {
            role,
            limits,
            scanned: 0,
            line_start: 0,
            lines: 0,
            is_http1: false,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Moves past the next LF and returns its position.
    fn next_line_end(&mut self, window: &[u8]) -> Option<usize> {
        let unread = window.get(self.scanned..)?;
        let found = unread.iter().position(|&byte| byte == b'\n');
        let step = found.map_or(unread.len(), |at| at + 1);
        self.scanned += step;
        #[cfg(test)]
        {
            self.work += step;
        }
        found.map(|_| self.scanned - 1)
    }

    fn count_line(&mut self) -> Result<(), HeadError> {
        self.lines += 1;
        let max_fields = self.limits.max_fields;
        if self.lines - 1 > max_fields {
            return Err(HeadError::TooManyFields { max_fields });
        }
        Ok(())
    }

    /// Examines the first bytes. Returns `false` while they could still be HTTP/1.x or another
    /// protocol.
    fn sniff(&mut self, window: &[u8]) -> Result<bool, HeadError> {
        if self.role == Role::Request {
            self.skip_empty_lines(window);
        }
        let start = &window[self.scanned..];
        #[cfg(test)]
        {
            self.work += start.len().min(PREFACE.len());
        }
        self.is_http1 = match self.role {
            Role::Request => sniff_request(start)?,
            Role::Response => sniff_response(start)?,
        };
        Ok(self.is_http1)
    }

    /// Skips empty lines before a request, which a server SHOULD ignore (RFC 9112 §2.2).
    fn skip_empty_lines(&mut self, window: &[u8]) {
        while let Some(rest) = window.get(self.scanned..) {
            let step = match rest {
                [b'\n', ..] => 1,
                [b'\r', b'\n', ..] => 2,
                _ => return,
            };
            self.scanned += step;
            self.line_start = self.scanned;
            #[cfg(test)]
            {
                self.work += step;
            }
        }
    }

    fn too_large(&self) -> HeadError {
        HeadError::TooLarge { max_head_bytes: self.limits.max_head_bytes }
    }
}

fn sniff_request(start: &[u8]) -> Result<bool, HeadError> {
    match start {
        [] | [b'\r'] => Ok(false),
        [TLS_HANDSHAKE, ..] => Err(HeadError::LooksLikeTls),
        _ if start.starts_with(PREFACE) => Err(HeadError::LooksLikeHttp2),
        _ if PREFACE.starts_with(start) => Ok(false),
        // A method is a token (RFC 9112 §3.1).
        [first, ..] if is_tchar(*first) => Ok(true),
        _ => Err(HeadError::NotHttp),
    }
}

fn sniff_response(start: &[u8]) -> Result<bool, HeadError> {
    match start {
        [TLS_ALERT | TLS_HANDSHAKE, ..] => Err(HeadError::LooksLikeTls),
        // An HTTP/2 server begins with SETTINGS: a short length, type 4 (RFC 9113 §3.4, §4.1).
        [0, 0, _, 4, ..] => Err(HeadError::LooksLikeHttp2),
        [] | [0] | [0, 0] | [0, 0, _] => Ok(false),
        _ if start.starts_with(STATUS_LINE) => Ok(true),
        _ if STATUS_LINE.starts_with(start) => Ok(false),
        _ if start.starts_with(b"HTTP/2") => Err(HeadError::LooksLikeHttp2),
        _ => Err(HeadError::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    type FindResult = Result<Option<usize>, HeadError>;

    const REQUEST: &[u8] =
        b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n\x81\x01x\n\n";

    fn request() -> HeadFinder {
        HeadFinder::request(HeadLimits::default())
    }

    fn response() -> HeadFinder {
        HeadFinder::response(HeadLimits::default())
    }

    /// Returns the first result other than "more bytes needed" if the bytes arrive one by one.
    fn drip(mut finder: HeadFinder, bytes: &[u8]) -> (usize, FindResult, HeadFinder) {
        for end in 0..=bytes.len() {
            let found = finder.find(&bytes[..end]);
            if found != Ok(None) {
                return (end, found, finder);
            }
        }
        (bytes.len(), Ok(None), finder)
    }

    #[test]
    fn head_end_is_found_before_further_bytes() {
        let end = REQUEST.len() - 5;
        assert_eq!(request().find(REQUEST), Ok(Some(end)));
        assert_eq!(request().find(&REQUEST[..end - 1]), Ok(None));
        assert_eq!(request().find(b""), Ok(None));
    }

    #[test]
    fn head_lines_may_end_with_bare_line_feeds() {
        // RFC 9112 §2.2.
        for head in ["GET / HTTP/1.1\n\n", "GET / HTTP/1.1\nA: b\r\n\n", "GET / HTTP/1.1\r\n\r\n"] {
            assert_eq!(request().find(head.as_bytes()), Ok(Some(head.len())), "{head:?}");
        }
        let bare_cr = b"GET / HTTP/1.1\r\nA: b\r\r\n\r\r\n";
        assert_eq!(request().find(bare_cr), Ok(None), "CR CR LF is not an empty line");
    }

    #[test]
    fn head_after_empty_lines_is_found() {
        let head = b"\r\n\n\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(request().find(head), Ok(Some(head.len())));
        assert_eq!(drip(request(), head).1, Ok(Some(head.len())));
        assert_eq!(response().find(b"\r\nHTTP/1.1 101\r\n\r\n"), Err(HeadError::NotHttp));
    }

    #[test]
    fn head_is_found_at_every_cut() {
        for cut in 0..=REQUEST.len() {
            let mut finder = request();
            let first = finder.find(&REQUEST[..cut]).unwrap();
            let found = first.or(finder.find(REQUEST).unwrap());
            assert_eq!(found, Some(REQUEST.len() - 5), "cut at {cut}");
        }
        assert_eq!(drip(request(), REQUEST).0, REQUEST.len() - 5);
    }

    #[test]
    fn head_of_another_protocol_is_rejected_at_once() {
        let table: &[(HeadFinder, &[u8], usize, HeadError)] = &[
            (request(), b"\x16\x03\x01\x02\x00", 1, HeadError::LooksLikeTls),
            (request(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 12, HeadError::LooksLikeHttp2),
            (request(), b"\x00\x01", 1, HeadError::NotHttp),
            (request(), b"{\"a\":1}", 1, HeadError::NotHttp),
            (request(), b"\r\n\rGET", 4, HeadError::NotHttp),
            (response(), b"\x15\x03\x03\x00\x02\x02\x46", 1, HeadError::LooksLikeTls),
            (response(), b"\x00\x00\x12\x04\x00\x00\x00", 4, HeadError::LooksLikeHttp2),
            (response(), b"\x00\x00\x12\x05", 4, HeadError::NotHttp),
            (response(), b"HTTP/2 200\r\n", 6, HeadError::LooksLikeHttp2),
            (response(), b"HTTP/3 200\r\n", 6, HeadError::NotHttp),
            (response(), b"SSH-2.0-x\r\n", 1, HeadError::NotHttp),
            (response(), b"http/1.1 101\r\n", 1, HeadError::NotHttp),
        ];
        for (finder, bytes, certain_at, error) in table {
            let (end, found, _) = drip(finder.clone(), bytes);
            assert_eq!((end, found), (*certain_at, Err(*error)), "{bytes:?}");
            assert_eq!(finder.clone().find(bytes), Err(*error));
        }
        // A method may begin as the preface does.
        let post = b"PRI * HTTP/1.1\r\n\r\n";
        assert_eq!(drip(request(), post).1, Ok(Some(post.len())));
    }

    #[test]
    fn limits_on_head_bytes_are_exact() {
        let end = REQUEST.len() - 5;
        let exact = HeadLimits::default().max_head_bytes(end);
        assert_eq!(HeadFinder::request(exact).find(REQUEST), Ok(Some(end)));
        let short = exact.max_head_bytes(end - 1);
        let too_large = Err(HeadError::TooLarge { max_head_bytes: end - 1 });
        assert_eq!(HeadFinder::request(short).find(REQUEST), too_large);
        assert_eq!(drip(HeadFinder::request(short), REQUEST).0, end - 1);
        let tiny = exact.max_head_bytes(2);
        let too_large = Err(HeadError::TooLarge { max_head_bytes: 2 });
        assert_eq!(HeadFinder::response(tiny).find(b"HTTP"), too_large);
    }

    #[test]
    fn limits_on_fields_cut_two_thousand_of_them() {
        let head = String::from("GET / HTTP/1.1\r\n") + &"A:\r\n".repeat(2000) + "\r\n";
        let (end, found, _) = drip(request(), head.as_bytes());
        assert_eq!(found, Err(HeadError::TooManyFields { max_fields: 100 }));
        assert_eq!(end, 16 + 4 * 101);
        let raised = HeadLimits::default().max_fields(2000);
        assert_eq!(HeadFinder::request(raised).find(head.as_bytes()), Ok(Some(head.len())));
    }

    #[test]
    fn head_that_drips_is_scanned_once() {
        let mut head = Vec::from(*b"GET / HTTP/1.1\r\nA: ");
        head.resize(1 << 20, b'a');
        let (end, found, finder) = drip(request(), &head);
        assert_eq!(found, Err(HeadError::TooLarge { max_head_bytes: 16 * 1024 }));
        assert_eq!(end, 16 * 1024);
        assert!(finder.work <= end + 16, "{} bytes read", finder.work);

        let unlimited = HeadLimits::default().max_head_bytes(usize::MAX);
        head.extend(b"\r\n\r\n");
        let (end, found, finder) = drip(HeadFinder::request(unlimited), &head);
        assert_eq!((end, found), (head.len(), Ok(Some(head.len()))));
        assert!(finder.work <= end + 16, "{} bytes read", finder.work);

        let empty_lines = [b'\n'; 1 << 14];
        let (_, found, finder) = drip(HeadFinder::request(unlimited), &empty_lines);
        assert_eq!((found, finder.work), (Ok(None), 1 << 14));
    }

    proptest! {
        #[test]
        fn head_does_not_depend_on_the_pieces(
            bytes in "(\r?\n){0,2}[GPRI *\r\nA:\u{16}/.H12]{0,80}(\r?\n\r?\n)?",
            max_head_bytes in 0_usize..90,
            max_fields in 0_usize..6,
            is_request in any::<bool>(),
        ) {
            let limits = HeadLimits { max_head_bytes, max_fields };
            let role = if is_request { Role::Request } else { Role::Response };
            let whole = HeadFinder::new(role, limits).find(bytes.as_bytes());
            let (_, dripped, _) = drip(HeadFinder::new(role, limits), bytes.as_bytes());
            prop_assert_eq!(whole, dripped);
        }
    }
}
