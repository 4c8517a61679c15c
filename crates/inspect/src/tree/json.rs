//! JSON (RFC 8259), read as far as it goes.

use super::{Reader, Tree, TreeValue};

/// A reader of JSON.
///
/// `serde_json` keeps neither where a value is nor the order of keys, and of text that is cut it
/// keeps nothing.
#[derive(Debug)]
pub(crate) struct Json<'a, 'r> {
    reader: &'r mut Reader<'a>,
}

impl<'a, 'r> Json<'a, 'r> {
    pub(crate) fn new(reader: &'r mut Reader<'a>) -> Self {
        Self { reader }
    }

    /// Reads a value that ends the bytes. What was read before a problem is returned all the same.
    pub(crate) fn document(mut self) -> Option<Tree> {
        let tree = self.value();
        self.skip_space();
        if !self.reader.is_empty() {
            self.reader.fail("more follows the value");
        }
        tree
    }

    /// Reads a value.
    pub(crate) fn value(&mut self) -> Option<Tree> {
        self.skip_space();
        self.reader.node(|reader| {
            let mut json = Json { reader };
            match json.reader.peek() {
                Some(b'{') => Some(json.object()),
                Some(b'[') => Some(json.array()),
                Some(b'"') => Some(TreeValue::Text(json.text())),
                Some(b'-' | b'0'..=b'9') => json.number(),
                Some(b't') => json.word("true", TreeValue::Bool(true)),
                Some(b'f') => json.word("false", TreeValue::Bool(false)),
                Some(b'n') => json.word("null", TreeValue::Null),
                Some(_) => json.fail("a value is expected"),
                None => json.fail("ends before a value"),
            }
        })
    }

    fn fail<T>(&mut self, what: &str) -> Option<T> {
        self.reader.fail(what);
        None
    }

    fn skip_space(&mut self) {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let spaces = self.reader.rest().iter().take_while(|byte| is_space(byte)).count();
        self.reader.skip(spaces);
    }

    fn word(&mut self, word: &str, value: TreeValue) -> Option<TreeValue> {
        if self.reader.rest().starts_with(word.as_bytes()) {
            self.reader.skip(word.len());
            return Some(value);
        }
        self.fail("a value is expected")
    }

    /// Reads what is between brackets: items that `item` reads, with commas. It ends behind the
    /// closing bracket, or at a problem.
    fn items(&mut self, close: u8, mut item: impl FnMut(&mut Self) -> bool) {
        self.reader.skip(1);
        self.skip_space();
        if self.reader.peek() == Some(close) {
            self.reader.skip(1);
            return;
        }
        while item(self) && !self.reader.has_problem() {
            self.skip_space();
            match self.reader.peek() {
                Some(b',') => self.reader.skip(1),
                Some(byte) if byte == close => {
                    self.reader.skip(1);
                    return;
                }
                Some(_) => {
                    let what = format!("a comma or {:?} is expected", char::from(close));
                    self.reader.fail(what);
                }
                None => self.reader.fail(format!("ends before {:?}", char::from(close))),
            }
        }
    }

    fn array(&mut self) -> TreeValue {
        let mut items = Vec::new();
        self.items(b']', |json| {
            let item = json.value();
            let is_there = item.is_some();
            items.extend(item);
            is_there
        });
        TreeValue::List(items)
    }

    fn object(&mut self) -> TreeValue {
        let mut entries = Vec::new();
        self.items(b'}', |json| {
            let entry = json.entry();
            let is_there = entry.is_some();
            entries.extend(entry);
            is_there
        });
        TreeValue::Map(entries)
    }

    fn entry(&mut self) -> Option<(Tree, Tree)> {
        self.skip_space();
        if self.reader.peek() != Some(b'"') {
            return self.fail("a key is expected");
        }
        let key = self.value()?;
        self.skip_space();
        if self.reader.peek() != Some(b':') {
            return self.fail("a colon is expected");
        }
        self.reader.skip(1);
        let value = self.value()?;
        Some((key, value))
    }

    fn number(&mut self) -> Option<TreeValue> {
        let rest = self.reader.rest();
        let digits = |from: usize| {
            rest[from.min(rest.len())..].iter().take_while(|byte| byte.is_ascii_digit()).count()
        };
        let mut len = usize::from(rest.first() == Some(&b'-'));
        let whole = digits(len);
        let has_zero = whole > 1 && rest.get(len) == Some(&b'0');
        len += whole;
        let mut is_valid = whole > 0 && !has_zero;
        let mut is_integer = true;
        if rest.get(len) == Some(&b'.') {
            let fraction = digits(len + 1);
            (is_valid, is_integer) = (is_valid && fraction > 0, false);
            len += 1 + fraction;
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(rest.get(len + 1), Some(b'+' | b'-')));
            let exponent = digits(len + 1 + sign);
            (is_valid, is_integer) = (is_valid && exponent > 0, false);
            len += 1 + sign + exponent;
        }
        let text = std::str::from_utf8(&rest[..len.min(rest.len())]).unwrap_or_default();
        if !is_valid {
            return self.fail("a number is not valid");
        }
        self.reader.skip(len);
        let integer = if is_integer { text.parse().ok().map(TreeValue::Integer) } else { None };
        integer.or_else(|| text.parse().ok().map(TreeValue::Float))
    }

    /// Reads a text. Bytes that are not UTF-8 and halves of surrogate pairs are replaced.
    fn text(&mut self) -> String {
        self.reader.skip(1);
        let mut text = String::new();
        loop {
            let rest = self.reader.rest();
            let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            let len = rest.iter().position(is_special).unwrap_or(rest.len());
            text.push_str(&String::from_utf8_lossy(&rest[..len]));
            self.reader.skip(len);
            match self.reader.peek() {
                Some(b'"') => {
                    self.reader.skip(1);
                    return text;
                }
                Some(b'\\') => match self.escape() {
                    Some(char) => text.push(char),
                    None => return text,
                },
                Some(_) => {
                    self.reader.fail("a control character is within a text");
                    return text;
                }
                None => {
                    self.reader.fail("ends within a text");
                    return text;
                }
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let rest = self.reader.rest();
        let char = match rest.get(1) {
            Some(b'u') => return self.unicode_escape(),
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            _ => return self.fail("an escape is not valid"),
        };
        self.reader.skip(2);
        Some(char)
    }

    fn unicode_escape(&mut self) -> Option<char> {
        let unit = |bytes: &[u8]| -> Option<u32> {
            let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let rest = self.reader.rest();
        let Some(first) = unit(rest) else { return self.fail("an escape is not valid") };
        self.reader.skip(6);
        if let 0xd800..0xdc00 = first
            && let Some(second @ 0xdc00..0xe000) = unit(&rest[6..])
        {
            self.reader.skip(6);
            return char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        }
        Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_DEPTH;
    use super::*;

    fn parse(text: &[u8]) -> (Option<Tree>, Option<(usize, String)>) {
        let mut reader = Reader::new(text, 0);
        let tree = Json::new(&mut reader).document();
        (tree, reader.into_problem().map(|problem| (problem.at, problem.what)))
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it() {
        for text in [
            "null",
            " [true , false,{}, [] ] ",
            r#"{"a":{"b":[1,-2,0,1.5,-0.25,1e3,1E-2,12345678901234567]},"c":"d"}"#,
            r#""\"\\\/\b\f\n\r\t\u00fc\ud83d\ude00 ü""#,
        ] {
            let (tree, problem) = parse(text.as_bytes());
            assert_eq!(problem, None, "{text}");
            let expected: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(tree.unwrap().to_json(), expected, "{text}");
        }
        let (tree, _) = parse(b"170141183460469231731687303715884105727");
        assert_eq!(tree.unwrap().value, TreeValue::Integer(i128::MAX));
        let (tree, _) = parse(b"{\"b\":1,\"a\":\"x\"}");
        let tree = tree.unwrap();
        let TreeValue::Map(entries) = &tree.value else { panic!("{tree:?}") };
        assert_eq!((entries[0].0.as_text(), entries[1].1.span.clone()), (Some("b"), 11..14));
    }

    #[test]
    fn json_with_a_problem_is_read_up_to_it() {
        for (text, at, what, kept) in [
            (&b"{\"a\":[1,2"[..], 9, "ends before ']'", "{\"a\":[1,2]}"),
            (b"{\"a\":1,\"b\":\"xy", 14, "ends within a text", "{\"a\":1,\"b\":\"xy\"}"),
            (b"[1 2]", 3, "a comma or ']' is expected", "[1]"),
            (b"[1,]", 3, "a value is expected", "[1]"),
            (b"[01]", 1, "a number is not valid", "[]"),
            (b"[1.]", 1, "a number is not valid", "[]"),
            (b"[\"\\x\"]", 2, "an escape is not valid", "[\"\"]"),
            (b"[\"\x01\"]", 2, "a control character is within a text", "[\"\"]"),
            (b"{1:2}", 1, "a key is expected", "{}"),
            (b"{\"a\" 2}", 5, "a colon is expected", "{}"),
            (b"1 1", 2, "more follows the value", "1"),
            (b"[tru", 1, "a value is expected", "[]"),
        ] {
            let (tree, problem) = parse(text);
            assert_eq!(problem, Some((at, what.to_owned())), "{}", text.escape_ascii());
            assert_eq!(tree.unwrap().to_json().to_string(), kept);
        }
        assert_eq!(parse(b" ").0, None);
        let lone = parse(br#"["\ud83d","\ud83dx"]"#).0.unwrap();
        assert_eq!(lone.to_json().to_string(), "[\"\u{fffd}\",\"\u{fffd}x\"]");
    }

    #[test]
    fn json_of_many_levels_or_values_stops() {
        let (tree, problem) = parse(&b"[".repeat(1_000_000));
        assert_eq!(problem.unwrap().0, MAX_DEPTH);
        assert!(tree.is_some());
        let (tree, problem) =
            parse(&b"[".iter().chain(&b"1,".repeat(20_000)).copied().collect::<Vec<_>>());
        assert_eq!(problem.unwrap().1, "more than 10000 values");
        assert_eq!(tree.unwrap().items().len(), 9_999);
    }
}
