//! Styled text, and how a terminal shows it.

use std::env;
use std::ffi::OsString;

use unicode_width::UnicodeWidthChar as _;

use crate::base::escape::{self, printable};

/// What a piece of text is; its colour follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    /// Times, sizes, escapes.
    Dim,
    Received,
    Sent,
    Error,
    /// A key of a JSON object.
    Key,
    /// A string of JSON.
    String,
    /// A number, `true`, `false` or `null` of JSON.
    Literal,
}

impl Tone {
    /// Returns the parameters of its SGR sequence.
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "2",
            Self::Received => "36",
            Self::Sent | Self::String => "32",
            Self::Error => "31",
            Self::Key => "34",
            Self::Literal => "33",
        }
    }
}

/// A piece of text of one tone, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// A line of spans.
pub(crate) type StyledLine = Vec<Span>;

/// Returns a span of this program's own text.
pub(crate) fn span(tone: Tone, text: impl Into<String>) -> Span {
    Span { tone, text: text.into() }
}

/// Adds a peer's text to a line; its escapes are dim. A tab becomes spaces.
pub(crate) fn push_escaped(line: &mut StyledLine, tone: Tone, text: &str) {
    let escaped = printable(text);
    if escaped.len() == text.len() && !text.contains('\t') {
        line.push(Span { tone, text: escaped });
        return;
    }
    let mut plain = String::new();
    let mut buffer = [0; 4];
    for (c, is_deceptive) in escape::chars(text) {
        match c {
            '\t' => plain.push_str("    "),
            c if is_deceptive => {
                line.push(Span { tone, text: std::mem::take(&mut plain) });
                line.push(Span { tone: Tone::Dim, text: printable(c.encode_utf8(&mut buffer)) });
            }
            c => plain.push(c),
        }
    }
    line.push(Span { tone, text: plain });
    line.retain(|span| !span.text.is_empty());
}

/// Returns the columns that a text takes.
pub(crate) fn text_width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Returns the columns that a character takes.
pub(crate) fn char_width(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) has_colour: bool,
    /// Whether marks other than ASCII can be shown.
    pub(crate) has_unicode: bool,
}

impl Style {
    /// Returns the style for a terminal, or for what is not one.
    pub(crate) fn of_environment(is_terminal: bool) -> Self {
        Self::of(is_terminal, |name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn of(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
        // The first of these that is set counts, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&variable);
        let locale = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        Self {
            has_colour: is_terminal && !is_dumb && variable("NO_COLOR").is_none(),
            has_unicode: is_utf8 || cfg!(windows),
        }
    }

    /// Returns the first of two marks if the terminal shows it, otherwise the second, of ASCII.
    pub(crate) fn mark(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.has_unicode { unicode } else { ascii }
    }

    /// Returns the line with its colours. Without UTF-8, what is not ASCII is escaped.
    pub(crate) fn render(self, line: &[Span]) -> String {
        let mut text = String::new();
        for span in line {
            let sgr = if self.has_colour { span.tone.sgr() } else { "" };
            if !sgr.is_empty() {
                text.push_str("\x1b[");
                text.push_str(sgr);
                text.push('m');
            }
            if self.has_unicode || span.text.is_ascii() {
                text.push_str(&span.text);
            } else {
                for c in span.text.chars() {
                    match c {
                        c if c.is_ascii() => text.push(c),
                        c => text.extend(c.escape_unicode()),
                    }
                }
            }
            if !sgr.is_empty() {
                text.push_str("\x1b[0m");
            }
        }
        text
    }
}

/// The spaces before each row of a line but its first.
const INDENT: &str = "  ";

/// Breaks a line into rows of at most `width` columns. Every row but the first is indented, so that
/// no text of a peer begins where this program's marks do.
pub(crate) fn wrap(line: &[Span], width: usize) -> Vec<StyledLine> {
    let mut rows = vec![Vec::new()];
    let mut column = 0;
    // A row takes one character, however narrow it is.
    let mut is_empty = true;
    for span in line {
        let mut piece = String::new();
        for c in span.text.chars() {
            let columns = char_width(c);
            if column + columns > width && !is_empty {
                push(&mut rows, span.tone, std::mem::take(&mut piece));
                rows.push(vec![Span { tone: Tone::Plain, text: INDENT.into() }]);
                column = INDENT.len();
                is_empty = true;
            }
            is_empty &= columns == 0;
            piece.push(c);
            column += columns;
        }
        push(&mut rows, span.tone, piece);
    }
    rows
}

/// Breaks a line of this program into rows of at most `width` columns, between words where that is
/// possible. Every row but the first is indented.
pub(crate) fn wrap_words(line: &[Span], width: usize) -> Vec<StyledLine> {
    let all: Vec<(Tone, char)> =
        line.iter().flat_map(|span| span.text.chars().map(|c| (span.tone, c))).collect();
    let mut rows = Vec::new();
    let mut rest = &*all;
    while !rest.is_empty() {
        let indent = if rows.is_empty() { "" } else { INDENT };
        let (row, after) = rest.split_at(row_end(rest, width.saturating_sub(indent.len())));
        let mut spans = vec![span(Tone::Plain, indent)];
        for (tone, c) in row {
            match spans.last_mut() {
                Some(last) if last.tone == *tone => last.text.push(*c),
                _ => spans.push(span(*tone, *c)),
            }
        }
        spans.retain(|span| !span.text.is_empty());
        rows.push(spans);
        // The space at which it is broken belongs to neither row.
        rest = match after {
            [(_, ' '), after @ ..] | after => after,
        };
    }
    rows
}

/// Returns how many characters fit into a row: up to a space if there is one, and at least one.
fn row_end(chars: &[(Tone, char)], width: usize) -> usize {
    let mut columns = 0;
    let fits = |(_, c): &(Tone, char)| {
        columns += char_width(*c);
        columns <= width
    };
    let fitting = chars.iter().copied().take_while(fits).count();
    if fitting == chars.len() || chars[fitting].1 == ' ' {
        return fitting.max(1);
    }
    // Not at the space that ends the mark.
    let space = chars[..fitting].iter().rposition(|(_, c)| *c == ' ').filter(|at| *at > 2);
    space.unwrap_or(fitting).max(1)
}

fn push(rows: &mut [StyledLine], tone: Tone, text: String) {
    if let Some(row) = rows.last_mut().filter(|_| !text.is_empty()) {
        row.push(Span { tone, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn style_follows_the_environment() {
        let style = |is_terminal, variables: &'static [(&str, &str)]| {
            let style = Style::of(is_terminal, |name| {
                let value = variables.iter().find(|(n, _)| *n == name);
                value.map(|(_, value)| OsString::from(*value))
            });
            (style.has_colour, style.has_unicode)
        };
        let utf8 = &[("TERM", "xterm"), ("LANG", "en_GB.UTF-8")];
        assert_eq!(style(true, utf8), (true, true));
        assert_eq!(style(false, utf8), (false, true));
        assert_eq!(style(true, &[("TERM", "dumb"), ("LC_ALL", "C.utf8")]), (false, true));
        assert!(!style(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]).0);
        let c = &[("TERM", "xterm"), ("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")];
        assert_eq!(style(true, c).1, cfg!(windows));
    }

    #[test]
    fn style_colours_and_escapes() {
        let line = [span(Tone::Sent, "▸ "), span(Tone::Plain, "ü")];
        let style = |has_colour, has_unicode| Style { has_colour, has_unicode };
        assert_eq!(style(false, true).render(&line), "▸ ü");
        assert_eq!(style(true, true).render(&line), "\x1b[32m▸ \x1b[0mü");
        assert_eq!(style(false, false).render(&line), "\\u{25b8} \\u{fc}");
    }

    #[test]
    fn spans_of_a_peer_show_what_would_steer_the_terminal() {
        let mut line = Vec::new();
        push_escaped(&mut line, Tone::Plain, "a\x1b[31m\tb\u{202e}");
        let expected = [
            span(Tone::Plain, "a"),
            span(Tone::Dim, "\\u{1b}"),
            span(Tone::Plain, "[31m    b"),
            span(Tone::Dim, "\\u{202e}"),
        ];
        assert_eq!(line, expected);
        let mut line = Vec::new();
        push_escaped(&mut line, Tone::Plain, "👩\u{200d}👧\u{200d}");
        let expected = [span(Tone::Plain, "👩\u{200d}👧"), span(Tone::Dim, "\\u{200d}")];
        assert_eq!(line, expected);
    }

    #[test]
    fn wrapped_words_are_whole_where_they_fit() {
        let text = |row: &StyledLine| row.iter().map(|span| span.text.clone()).collect::<String>();
        let rows = |line: &[Span], width| -> Vec<String> {
            wrap_words(line, width).iter().map(text).collect()
        };
        let line = [span(Tone::Error, "! "), span(Tone::Dim, "one two three fourteen")];
        assert_eq!(rows(&line, 9), ["! one two", "  three", "  fourtee", "  n"]);
        assert_eq!(rows(&line, 80), ["! one two three fourteen"]);
        assert_eq!(rows(&[span(Tone::Dim, "  abcdef")], 6), ["  abcd", "  ef"]);
        assert_eq!(rows(&[span(Tone::Dim, "世界 世")], 1).len(), 3);
        assert_eq!(wrap_words(&line, 9)[0], [span(Tone::Error, "! "), span(Tone::Dim, "one two")]);
    }

    #[test]
    fn wrapped_rows_are_indented_and_not_too_wide() {
        let line = [span(Tone::Plain, "> abc"), span(Tone::Key, "世界世界e\u{301}")];
        let rows = wrap(&line, 8);
        let text = |row: &StyledLine| row.iter().map(|span| span.text.clone()).collect::<String>();
        let rows: Vec<_> = rows.iter().map(text).collect();
        assert_eq!(rows, ["> abc世", "  界世界", "  e\u{301}"]);
        assert!(rows.iter().all(|row| text_width(row) <= 8));
        // A terminal of one column does not lead to an endless loop.
        assert_eq!(wrap(&[span(Tone::Plain, "世界")], 1).len(), 2);
    }
}
