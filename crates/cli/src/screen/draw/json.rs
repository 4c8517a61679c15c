//! JSON laid out for reading. The layout works on the text itself, so that numbers, escapes, the
//! order of keys and repeated keys stay as they are.

use super::style::{Span, StyledLine, Tone, push_escaped, span, text_width};

/// The deepest nesting that is laid out.
const MAX_DEPTH: usize = 100;

/// Returns the lines of an object or array, each at most `width` columns if that is possible;
/// `None` if the text is not JSON, or is another value.
pub(crate) fn layout(text: &str, width: usize) -> Option<Vec<StyledLine>> {
    let first = text.trim_start_matches([' ', '\t', '\n', '\r']).chars().next()?;
    if !matches!(first, '{' | '[') {
        return None;
    }
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return None;
    }
    let mut layout = Layout { lines: vec![Vec::new()], width };
    layout.value(&value, 0, 0);
    Some(layout.lines)
}

/// A value, with the text of what it is made of.
enum Value<'a> {
    String(&'a str),
    /// A number, `true`, `false` or `null`.
    Literal(&'a str),
    Array(Vec<Value<'a>>),
    Object(Vec<(&'a str, Value<'a>)>),
}

impl Value<'_> {
    /// Returns the width on one line; `None` if it is more than `max`.
    fn flat_width(&self, max: usize) -> Option<usize> {
        let width = match self {
            Self::String(text) | Self::Literal(text) => text_width(text),
            Self::Array(values) => {
                let mut width = 2;
                for value in values {
                    width += value.flat_width(max.checked_sub(width)?)? + 2;
                }
                width - if values.is_empty() { 0 } else { 2 }
            }
            Self::Object(members) => {
                let mut width = 2;
                for (key, value) in members {
                    width += text_width(key) + 2;
                    width += value.flat_width(max.checked_sub(width)?)? + 2;
                }
                width - if members.is_empty() { 0 } else { 2 }
            }
        };
        (width <= max).then_some(width)
    }
}

/// A parser by RFC 8259.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.space();
        match self.peek()? {
            _ if depth > MAX_DEPTH => None,
            b'"' => self.string().map(Value::String),
            b'[' => self.array(depth),
            b'{' => self.object(depth),
            b'-' | b'0'..=b'9' => self.number().map(Value::Literal),
            _ => {
                let rest = &self.text[self.at..];
                let word = ["true", "false", "null"].into_iter().find(|w| rest.starts_with(w))?;
                self.at += word.len();
                Some(Value::Literal(&rest[..word.len()]))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut values = Vec::new();
        self.space();
        if self.take(b']') {
            return Some(Value::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Some(Value::Array(values));
            }
            self.take(b',').then_some(())?;
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value<'a>> {
        self.at += 1;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.take(b':').then_some(())?;
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Some(Value::Object(members));
            }
            self.take(b',').then_some(())?;
        }
    }

    /// Returns a string with its quotes and escapes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b'"').then_some(())?;
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(&self.text[start..self.at]),
                b'\\' => {
                    let digits = match self.peek()? {
                        b'u' => 4,
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
                        _ => return None,
                    };
                    self.at += 1;
                    for _ in 0..digits {
                        self.peek().filter(u8::is_ascii_hexdigit)?;
                        self.at += 1;
                    }
                }
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

struct Layout {
    lines: Vec<StyledLine>,
    width: usize,
}

impl Layout {
    fn push(&mut self, span: Span) {
        if let Some(line) = self.lines.last_mut() {
            line.push(span);
        }
    }

    fn push_escaped(&mut self, tone: Tone, text: &str) {
        if let Some(line) = self.lines.last_mut() {
            push_escaped(line, tone, text);
        }
    }

    fn new_line(&mut self, depth: usize) {
        self.lines.push(vec![span(Tone::Plain, "  ".repeat(depth))]);
    }

    /// Adds a value to the last line, of which `used` columns are taken.
    fn value(&mut self, value: &Value<'_>, depth: usize, used: usize) {
        // A comma may follow.
        let is_flat = value.flat_width(self.width.saturating_sub(used + 1)).is_some();
        match value {
            Value::String(text) => self.push_escaped(Tone::String, text),
            Value::Literal(text) => self.push(span(Tone::Literal, *text)),
            Value::Array(values) => {
                let members = values.iter().map(|value| (None, value));
                self.group(("[", "]"), members, depth, is_flat);
            }
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (Some(*key), value));
                self.group(("{", "}"), members, depth, is_flat);
            }
        }
    }

    fn group<'v>(
        &mut self,
        (open, close): (&'static str, &'static str),
        members: impl Iterator<Item = (Option<&'v str>, &'v Value<'v>)>,
        depth: usize,
        is_flat: bool,
    ) {
        self.push(span(Tone::Plain, open));
        let mut count = 0;
        for (key, value) in members {
            if count > 0 {
                self.push(span(Tone::Plain, if is_flat { ", " } else { "," }));
            }
            count += 1;
            if !is_flat {
                self.new_line(depth + 1);
            }
            let mut used = 2 * (depth + 1);
            if let Some(key) = key {
                self.push_escaped(Tone::Key, key);
                self.push(span(Tone::Plain, ": "));
                used += text_width(key) + 2;
            }
            // What is inside of something flat is flat.
            self.value(value, depth + 1, if is_flat { 0 } else { used });
        }
        if !is_flat && count > 0 {
            self.new_line(depth);
        }
        self.push(span(Tone::Plain, close));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid_out(text: &str, width: usize) -> Option<Vec<String>> {
        let lines = layout(text, width)?;
        let join = |line: &StyledLine| line.iter().map(|span| span.text.as_str()).collect();
        Some(lines.iter().map(join).collect())
    }

    #[test]
    fn json_is_laid_out_by_its_width() {
        let text = r#"{"type":"price","list":[1,2,3],"of":{"a":null,"b":[]},"e":{}}"#;
        assert_eq!(
            laid_out(text, 80).unwrap(),
            [r#"{"type": "price", "list": [1, 2, 3], "of": {"a": null, "b": []}, "e": {}}"#]
        );
        assert_eq!(
            laid_out(text, 24).unwrap(),
            [
                "{",
                r#"  "type": "price","#,
                r#"  "list": [1, 2, 3],"#,
                r#"  "of": {"#,
                r#"    "a": null,"#,
                r#"    "b": []"#,
                "  },",
                r#"  "e": {}"#,
                "}"
            ]
        );
    }

    #[test]
    fn json_keeps_its_text() {
        for text in [
            r#"{"n": 12345678901234567890.10, "n": 1E+5, "z": -0, "a": "\u00e4\"\/"}"#,
            r#"["ü世", true, false, null, 1e-7]"#,
            "{}",
            "[]",
        ] {
            assert_eq!(laid_out(text, 200).unwrap(), [text]);
        }
    }

    #[test]
    fn json_is_not_laid_out_if_it_is_not_json() {
        for text in [
            "",
            "1",
            "\"a\"",
            "null",
            "hello",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "[01]",
            "[1] x",
            "[1.]",
            "[.5]",
            "[+1]",
            "[\"\n\"]",
            "[\"\\x\"]",
            "[\"\\u12g4\"]",
            "[nul]",
            "[--1]",
            "{\"a\":1,}",
            "[1e]",
            "['a']",
            "\u{a0}[1]",
        ] {
            assert_eq!(laid_out(text, 80), None, "{text}");
        }
        assert!(laid_out(&("[".repeat(101) + &"]".repeat(101)), 80).is_some());
        assert!(laid_out(&("[".repeat(102) + &"]".repeat(102)), 80).is_none());
        assert!(laid_out(&"[".repeat(1 << 20), 80).is_none());
    }

    #[test]
    fn json_agrees_with_a_parser() {
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            let mut text = String::from("[");
            for _ in 0..8 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let pieces = [
                    "[", "]", "{", "}", "\"a\"", ":", ",", "1", "-", "0", ".5", "e3", "true", " ",
                    "\"\\n\"", "null",
                ];
                text.push_str(pieces[(seed >> 20) as usize % pieces.len()]);
            }
            text.push(']');
            let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            let lines = laid_out(&text, 10);
            assert_eq!(lines.is_some(), is_json, "{text}");
            if let Some(lines) = lines {
                let same = |text: &str| text.replace([' ', '\n'], "");
                assert_eq!(same(&lines.join("\n")), same(&text));
            }
        }
    }

    #[test]
    fn json_shows_what_would_steer_the_terminal() {
        assert_eq!(laid_out("[\"\u{202e}\u{9b}\"]", 80).unwrap(), ["[\"\\u{202e}\\u{9b}\"]"]);
    }
}
