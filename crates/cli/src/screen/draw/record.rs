//! What happened on a connection, as lines: a mark of the direction, the time, the size, and the
//! content.

use super::style::{Span, Style, StyledLine, Tone, push_escaped, span, wrap, wrap_words};
use super::{hex, json};

/// The most of a message that is shown, unless all of it is asked for: bytes and lines of text, and
/// bytes of a binary message.
const MAX_TEXT: usize = 10_000;
const MAX_LINES: usize = 100;
const MAX_BINARY: usize = 256;

/// The longest text that is laid out as JSON, in bytes.
const MAX_JSON: usize = 1 << 20;

/// The content of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Content<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

/// Which end sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Received,
    Sent,
}

/// How records are drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) style: Style,
    /// The columns of a row; `None` if lines are not broken.
    pub(crate) width: Option<usize>,
    /// Whether long messages are shown in full.
    pub(crate) shows_all: bool,
}

impl View {
    /// Draws a message. `time` is the text of its time, if it is shown.
    pub(crate) fn message(
        &self,
        direction: Direction,
        time: &str,
        content: Content<'_>,
        out: &mut String,
    ) {
        let mut header = self.header(direction, time);
        let kind = if matches!(content, Content::Binary(_)) { "binary " } else { "" };
        header.push(span(Tone::Dim, format!("{kind}{} ", size(content.len()))));
        let (mut lines, is_cut) = self.content(content);
        // Lines of hexadecimal digits stand below each other.
        if lines.len() == 1 && (kind.is_empty() || content.len() == 0) {
            header.append(&mut lines[0]);
            lines.clear();
        }
        self.push(&header, out);
        for mut line in lines {
            line.insert(0, span(Tone::Plain, "  "));
            self.push(&line, out);
        }
        if is_cut {
            let more = self.style.mark("…", "...");
            let hint = "/show shows all, /save PATH writes it to a file";
            self.push(&[span(Tone::Dim, format!("  {more} it is longer: {hint}"))], out);
        }
    }

    /// Draws what is not a message: a Ping, a Pong or a Close. `words` may be a peer's.
    pub(crate) fn control(&self, direction: Direction, time: &str, words: &str, out: &mut String) {
        let mut line = self.header(direction, time);
        push_escaped(&mut line, Tone::Dim, words);
        let rows = self.width.map(|width| wrap_words(&line, width));
        self.push_rows(&rows.unwrap_or_else(|| vec![line]), out);
    }

    /// Draws a note of this program, of one or more lines.
    pub(crate) fn note(&self, note: &str, out: &mut String) {
        self.lines_of(note, Tone::Dim, self.style.mark("· ", "* "), out);
    }

    /// Draws an error, of one or more lines.
    pub(crate) fn error(&self, error: &str, out: &mut String) {
        self.lines_of(error, Tone::Error, "! ", out);
    }

    fn lines_of(&self, text: &str, tone: Tone, mark: &str, out: &mut String) {
        for (index, text) in text.lines().enumerate() {
            let mut line = vec![span(tone, if index == 0 { mark } else { "  " })];
            push_escaped(&mut line, tone, text);
            let rows = self.width.map(|width| wrap_words(&line, width));
            self.push_rows(&rows.unwrap_or_else(|| vec![line]), out);
        }
    }

    fn header(&self, direction: Direction, time: &str) -> StyledLine {
        let mark = match direction {
            Direction::Received => span(Tone::Received, self.style.mark("◂ ", "< ")),
            Direction::Sent => span(Tone::Sent, self.style.mark("▸ ", "> ")),
        };
        let mut line = vec![mark];
        if !time.is_empty() {
            line.push(span(Tone::Dim, format!("{time} ")));
        }
        line
    }

    fn push(&self, line: &[Span], out: &mut String) {
        let rows = match self.width {
            Some(width) => wrap(line, width),
            None => vec![line.to_vec()],
        };
        self.push_rows(&rows, out);
    }

    fn push_rows(&self, rows: &[StyledLine], out: &mut String) {
        for row in rows {
            out.push_str(&self.style.render(row));
            out.push('\n');
        }
    }

    /// Returns the lines of a content, and whether it is longer.
    fn content(&self, content: Content<'_>) -> (Vec<StyledLine>, bool) {
        let width = self.width.unwrap_or(80).saturating_sub(2);
        let (mut lines, is_cut) = match content {
            Content::Text("") | Content::Binary([]) => (vec![Vec::new()], false),
            Content::Text(text) => {
                let laid_out = (text.len() <= MAX_JSON || self.shows_all)
                    .then(|| json::layout(text, width.saturating_sub(30)))
                    .flatten();
                match laid_out {
                    Some(lines) => (lines, false),
                    None => self.text(text),
                }
            }
            Content::Binary(bytes) => {
                let len = if self.shows_all { bytes.len() } else { bytes.len().min(MAX_BINARY) };
                (hex::dump(&bytes[..len], width), len < bytes.len())
            }
        };
        let is_long = !self.shows_all && lines.len() > MAX_LINES;
        if is_long {
            lines.truncate(MAX_LINES);
        }
        (lines, is_cut || is_long)
    }

    fn text(&self, text: &str) -> (Vec<StyledLine>, bool) {
        let max = (0..=MAX_TEXT.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
        let shown = if self.shows_all { text } else { &text[..max.unwrap_or(0)] };
        let trimmed = shown.strip_suffix('\n').unwrap_or(shown);
        let lines = trimmed.split('\n').map(|part| {
            let mut line = Vec::new();
            push_escaped(&mut line, Tone::Plain, part);
            line
        });
        let max = if self.shows_all { usize::MAX } else { MAX_LINES + 1 };
        (lines.take(max).collect(), shown.len() < text.len())
    }
}

/// Returns a size for reading, such as `1.2 kB`.
pub(crate) fn size(bytes: usize) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut divisor = 1_000_u64;
    let bytes = bytes as u64;
    while bytes / divisor >= 1_000 && unit + 1 < UNITS.len() {
        unit += 1;
        divisor *= 1_000;
    }
    let tenths = bytes * 10 / divisor;
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(width: Option<usize>) -> View {
        let style = Style { has_colour: false, has_unicode: true };
        View { style, width, shows_all: false }
    }

    fn drawn(view: View, content: Content<'_>) -> String {
        let mut out = String::new();
        view.message(Direction::Received, "12:00:00.000", content, &mut out);
        out
    }

    #[test]
    fn record_of_a_short_text_is_a_line() {
        let view = view(Some(79));
        assert_eq!(drawn(view, Content::Text("hello")), "◂ 12:00:00.000 5 B hello\n");
        assert_eq!(drawn(view, Content::Text("")), "◂ 12:00:00.000 0 B \n");
        assert_eq!(drawn(view, Content::Text("{\"a\":1}")), "◂ 12:00:00.000 7 B {\"a\": 1}\n");
        let mut out = String::new();
        view.message(Direction::Sent, "", Content::Text("hi"), &mut out);
        assert_eq!(out, "▸ 2 B hi\n");
    }

    #[test]
    fn record_can_not_be_forged_by_a_peer() {
        let forged = format!("a\n◂ 12:00:00.000 1 B b\r\n{}! lost", " ".repeat(60));
        let drawn = drawn(view(Some(60)), Content::Text(&forged));
        for line in drawn.lines().skip(1) {
            assert!(line.starts_with("  "), "{drawn}");
        }
        assert!(drawn.contains("\\r"), "{drawn}");
    }

    #[test]
    fn record_of_lines_is_indented() {
        let expected = "◂ 12:00:00.000 5 B \n  a\n  b\n  \n";
        assert_eq!(drawn(view(Some(79)), Content::Text("a\nb\n\n")), expected);
    }

    #[test]
    fn record_of_a_binary_message_is_hexadecimal() {
        assert_eq!(
            drawn(view(Some(79)), Content::Binary(b"\x00hello")),
            "◂ 12:00:00.000 binary 6 B \n  \
             00000000  00 68 65 6c 6c 6f        |.hello|\n"
        );
    }

    #[test]
    fn record_of_a_long_message_is_cut_with_a_word() {
        for content in [
            Content::Text(&"x".repeat(100_000)),
            Content::Text(&"x\n".repeat(1_000)),
            Content::Text(&format!("[{}1]", "1000000,".repeat(10_000))),
            Content::Binary(&[7; 10_000]),
        ] {
            let cut = drawn(view(Some(79)), content);
            assert!(cut.lines().count() < 300 && cut.contains("/show"), "{cut}");
            let all = View { shows_all: true, ..view(Some(79)) };
            let all = drawn(all, content);
            assert!(all.len() > cut.len() && !all.contains("/show"));
        }
    }

    #[test]
    fn sizes_are_readable() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_250, "1.2 kB"),
            (999_999, "999.9 kB"),
            (16 << 20, "16.7 MB"),
            (3_000_000_000, "3.0 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn notes_show_each_line() {
        let mut out = String::new();
        view(None).note("one\ntwo\x1b", &mut out);
        view(None).error("bad", &mut out);
        view(None).control(Direction::Received, "", "Ping \u{202e}", &mut out);
        assert_eq!(out, "· one\n  two\\u{1b}\n! bad\n◂ Ping \\u{202e}\n");
    }
}
