//! The head of a request or a response of HTTP/1.1 (RFC 9112 §2), as it came.

use std::ops::Range;

/// The longest head that is taken apart, in bytes.
pub(super) const MAX_HEAD: usize = 64 << 10;

/// The name of the first line in a [`Change`].
pub(super) const START_LINE: &str = "start_line";

/// A head. Its bytes are kept as they came.
#[derive(Clone, Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    start_line: Range<usize>,
    fields: Vec<Field>,
}

/// A field: where its name and its value are.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: Range<usize>,
    value: Range<usize>,
}

/// A field that the relay changed or removed, or the first line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    pub(super) name: String,
    /// The value as it came.
    pub(super) before: String,
}

/// Returns where the head at the beginning of `bytes` ends: behind its empty line. The first
/// `known` bytes are known to have no end.
pub(super) fn end_of_head(bytes: &[u8], known: usize) -> Option<usize> {
    let from = known.saturating_sub(3);
    let rest = bytes.get(from..)?;
    let ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| from + at);
    ends.into_iter().find_map(|at| match bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

impl Head {
    /// Takes a head apart; `None` if it is not one of HTTP/1.x.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        // Empty lines before it are ignored (RFC 9112 §2.2).
        let mut lines = lines(&bytes).skip_while(Range::is_empty);
        let start_line = lines.next()?;
        let mut fields: Vec<Field> = Vec::new();
        for line in lines {
            if line.is_empty() {
                break;
            }
            match bytes[line.start] {
                // A value that goes on (RFC 9112 §5.2).
                b' ' | b'\t' => fields.last_mut()?.value.end = line.end,
                _ => {
                    let colon = bytes[line.clone()].iter().position(|byte| *byte == b':')?;
                    let name = line.start..line.start + colon;
                    let value = trimmed(&bytes, name.end + 1..line.end);
                    fields.push(Field { name, value });
                }
            }
        }
        Some(Self { bytes, start_line, fields })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn start_line(&self) -> String {
        String::from_utf8_lossy(&self.bytes[self.start_line.clone()]).into_owned()
    }

    /// Returns the names and values, in their order. Bytes that are not UTF-8 are replaced.
    pub(super) fn fields(&self) -> impl Iterator<Item = (String, String)> {
        let text =
            |range: &Range<usize>| String::from_utf8_lossy(&self.bytes[range.clone()]).into_owned();
        self.fields.iter().map(move |field| (text(&field.name), text(&field.value)))
    }

    /// Returns a head with other words in its start line, and with other values.
    pub(super) fn mapped(
        &self,
        start_line: impl Fn(&str) -> String,
        value: impl Fn(&str, &str) -> String,
    ) -> Self {
        let fields = self.fields().map(|(name, text)| {
            let text = value(&name, &text);
            (name, text)
        });
        Self::made(&start_line(&self.start_line()), fields)
    }

    /// Returns a head that never had these bytes, such as one of HTTP/2.
    pub(super) fn made(start_line: &str, fields: impl Iterator<Item = (String, String)>) -> Self {
        let mut bytes = Vec::new();
        let mut push = |text: &str, end: &str| {
            let start = bytes.len();
            bytes.extend_from_slice(text.as_bytes());
            let range = start..bytes.len();
            bytes.extend_from_slice(end.as_bytes());
            range
        };
        let start_line = push(start_line, "\r\n");
        let fields = fields
            .map(|(name, text)| Field { name: push(&name, ": "), value: push(&text, "\r\n") })
            .collect();
        push("", "\r\n");
        Self { bytes, start_line, fields }
    }

    /// Returns the values of the fields of this name.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.fields().filter(move |(each, _)| each.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// Returns whether a list of this name has an element, compared without case.
    pub(super) fn has_element(&self, name: &str, element: &str) -> bool {
        self.values(name)
            .any(|value| value.split(',').any(|each| each.trim().eq_ignore_ascii_case(element)))
    }

    /// Replaces the value of each field of this name, and returns what was changed.
    pub(super) fn replace(&mut self, name: &str, value: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        // From behind, so that the places of those before stay.
        for at in (0..self.fields.len()).rev() {
            let Field { name: own, value: place } = self.fields[at].clone();
            let (own, before) = (&self.bytes[own], &self.bytes[place.clone()]);
            if !own.eq_ignore_ascii_case(name.as_bytes()) || before == value.as_bytes() {
                continue;
            }
            changes.push(Change {
                name: String::from_utf8_lossy(own).into_owned(),
                before: String::from_utf8_lossy(before).into_owned(),
            });
            self.splice(place, value);
        }
        changes
    }

    /// Removes each field of this name, and returns what was removed.
    pub(super) fn remove(&mut self, name: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        for at in (0..self.fields.len()).rev() {
            let Field { name: own, value } = self.fields[at].clone();
            let text = |range| String::from_utf8_lossy(&self.bytes[range]).into_owned();
            let change = Change { name: text(own.clone()), before: text(value.clone()) };
            if !change.name.eq_ignore_ascii_case(name) {
                continue;
            }
            changes.push(change);
            let end = self.bytes[value.end..].iter().position(|byte| *byte == b'\n');
            let end = end.map_or(self.bytes.len(), |end| value.end + end + 1);
            self.splice(own.start..end, "");
        }
        changes
    }

    /// Adds a field behind the others.
    pub(super) fn append(&mut self, name: &str, value: &str) {
        let last = self.fields.last().map_or(self.start_line.end, |field| field.value.end);
        let end = self.bytes[last..].iter().position(|byte| *byte == b'\n');
        let end = end.map_or(self.bytes.len(), |end| last + end + 1);
        self.splice(end..end, &format!("{name}: {value}\r\n"));
    }

    /// Replaces the first line, and returns what it was.
    pub(super) fn replace_start_line(&mut self, line: &str) -> Change {
        let change = Change { name: START_LINE.into(), before: self.start_line() };
        self.splice(self.start_line.clone(), line);
        change
    }

    fn splice(&mut self, place: Range<usize>, text: &str) {
        self.bytes.splice(place, text.bytes());
        let bytes = std::mem::take(&mut self.bytes);
        if let Some(head) = Self::parse(bytes) {
            *self = head;
        }
    }
}

/// Returns where the lines are, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let begun = start;
        start += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        begun..begun + line.len()
    })
}

/// Returns a range without the spaces and tabs at its ends.
fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let slice = &bytes[range.clone()];
    match (slice.iter().position(is_text), slice.iter().rposition(is_text)) {
        (Some(first), Some(last)) => range.start + first..range.start + last + 1,
        _ => range.end..range.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHOST:  a:1 \r\nUPGRADE: WebSocket\r\n\
        Connection: keep-alive, Upgrade\nX-Odd:  two  spaces\r\n folded\r\n\r\nrest";

    #[test]
    fn head_ends_behind_its_empty_line() {
        let end = end_of_head(REQUEST, 0).unwrap();
        assert_eq!(&REQUEST[end..], b"rest");
        for known in 0..end {
            assert_eq!(end_of_head(&REQUEST[..known], 0), None);
            assert_eq!(end_of_head(REQUEST, known), Some(end), "{known}");
        }
        assert_eq!(end_of_head(b"a\n\nb", 0), Some(3));
    }

    #[test]
    fn head_loses_and_gains_fields() {
        let text = "GET http://a/ HTTP/1.1\r\nProxy-Connection: a\r\n b\r\nHost: a\r\n\r\n";
        let mut head = Head::parse(text.into()).unwrap();
        let removed = head.remove("proxy-connection");
        assert_eq!(removed, [Change { name: "Proxy-Connection".into(), before: "a\r\n b".into() }]);
        assert_eq!(head.remove("proxy-connection"), []);
        head.append("Connection", "close");
        let was = head.replace_start_line("GET / HTTP/1.1");
        assert_eq!((&*was.name, &*was.before), (START_LINE, "GET http://a/ HTTP/1.1"));
        let expected = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(head.bytes()), expected);
        assert!(head.has_element("connection", "close"));
    }

    #[test]
    fn head_keeps_all_bytes_but_the_value_that_is_replaced() {
        let end = end_of_head(REQUEST, 0).unwrap();
        let mut head = Head::parse(REQUEST[..end].to_vec()).unwrap();
        assert_eq!(head.start_line(), "GET /x HTTP/1.1");
        assert!(head.has_element("connection", "upgrade"));
        assert_eq!(head.values("x-odd").collect::<Vec<_>>(), ["two  spaces\r\n folded"]);
        let changes = head.replace("Host", "target.example");
        assert_eq!(changes, [Change { name: "HOST".into(), before: "a:1".into() }]);
        let text = String::from_utf8_lossy(head.bytes()).into_owned();
        let expected = String::from_utf8_lossy(&REQUEST[..end]).replace("a:1", "target.example");
        assert_eq!(text, expected);
        assert_eq!(head.replace("host", "target.example"), []);
        let mapped =
            head.mapped(str::to_lowercase, |name, value| format!("{name}={}", value.len()));
        assert_eq!(mapped.start_line(), "get /x http/1.1");
        assert_eq!(mapped.values("host").collect::<Vec<_>>(), ["HOST=14"]);
        assert_eq!(Head::parse(mapped.bytes().to_vec()).unwrap().fields, mapped.fields);
        for text in ["GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/1.1\r\n folded\r\n\r\n"] {
            assert!(Head::parse(text.into()).is_none(), "{text}");
        }
    }
}
