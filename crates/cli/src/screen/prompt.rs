//! The prompt with the line that is being edited, as rows of a terminal.

use super::draw::size;
use super::draw::style::{Span, Style, StyledLine, Tone, char_width, span};
use super::edit::{Editor, Unit};
use crate::base::escape::printable;

/// The most rows that the line takes; of a longer one the part around the cursor is shown.
const MAX_ROWS: usize = 8;

/// The rows of the prompt, and where the cursor is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PromptView {
    pub(crate) rows: Vec<StyledLine>,
    pub(crate) cursor_row: usize,
    pub(crate) cursor_column: usize,
}

/// Returns the prompt's view. `status` stands before the prompt, such as what is held back.
pub(crate) fn view(
    editor: &Editor,
    status: &str,
    style: Style,
    (width, height): (usize, usize),
) -> PromptView {
    // The last column stays free: what terminals do after it differs.
    let mut rows = Rows::new(width.saturating_sub(1).max(1));
    if !status.is_empty() {
        rows.push(Tone::Dim, &format!("[{status}] "));
    }
    match editor.search() {
        Some(search) => {
            let word = if search.has_failed { "no line has" } else { "search" };
            rows.push(Tone::Dim, word);
            rows.push(Tone::Plain, &format!(" {}", printable(&search.query)));
            rows.push(Tone::Dim, ": ");
        }
        None => rows.push(Tone::Sent, style.mark("› ", "> ")),
    }
    let line = editor.line();
    let mut cursor = None;
    for (index, unit) in line.units().iter().enumerate() {
        if index == line.cursor() {
            cursor = Some(rows.position());
        }
        push_unit(&mut rows, unit, style);
    }
    let cursor = cursor.unwrap_or_else(|| rows.position());
    rows.into_view(cursor, MAX_ROWS.min((height / 2).max(1)))
}

fn push_unit(rows: &mut Rows, unit: &Unit, style: Style) {
    match unit {
        Unit::Char('\n') => rows.push(Tone::Dim, style.mark("↵", "\\n")),
        Unit::Char(c) => {
            let mut buffer = [0; 4];
            let text = c.encode_utf8(&mut buffer);
            let shown = if *c == '\t' { "\\t".into() } else { printable(text) };
            let is_shown = style.has_unicode || c.is_ascii();
            match (shown == *text, is_shown) {
                (true, true) => rows.push(Tone::Plain, &shown),
                (true, false) => rows.push(Tone::Dim, &c.escape_unicode().to_string()),
                (false, _) => rows.push(Tone::Dim, &shown),
            }
        }
        Unit::Paste(text) => {
            let lines = match text.lines().count() {
                1 => String::new(),
                lines => format!(", {lines} lines"),
            };
            rows.push(Tone::Received, &format!("[pasted {}{lines}]", size(text.len())));
        }
    }
}

/// Rows that are being filled.
struct Rows {
    filled: Vec<StyledLine>,
    column: usize,
    width: usize,
}

impl Rows {
    fn new(width: usize) -> Self {
        Self { filled: vec![Vec::new()], column: 0, width }
    }

    fn push(&mut self, tone: Tone, text: &str) {
        for c in text.chars() {
            let columns = char_width(c);
            if self.column + columns > self.width && self.column > 0 {
                self.filled.push(Vec::new());
                self.column = 0;
            }
            self.column += columns;
            let Some(row) = self.filled.last_mut() else { return };
            match row.last_mut() {
                Some(Span { tone: last, text }) if *last == tone => text.push(c),
                _ => row.push(span(tone, c)),
            }
        }
    }

    /// Returns the row and column of what is pushed next.
    fn position(&self) -> (usize, usize) {
        let is_full = self.column >= self.width;
        if is_full { (self.filled.len(), 0) } else { (self.filled.len() - 1, self.column) }
    }

    fn into_view(mut self, (row, column): (usize, usize), max: usize) -> PromptView {
        if row == self.filled.len() {
            self.filled.push(Vec::new());
        }
        // The cursor's row is the last one that is shown, unless the line's end is near.
        let first = (row + 1).saturating_sub(max);
        let last = self.filled.len().min(first + max);
        let rows = self.filled.drain(first..last).collect();
        PromptView { rows, cursor_row: row - first, cursor_column: column }
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit::Key;
    use super::*;

    const STYLE: Style = Style { has_colour: false, has_unicode: true };

    fn shown(editor: &Editor, style: Style, size: (usize, usize)) -> (Vec<String>, usize, usize) {
        let view = view(editor, "", style, size);
        let rows = view.rows.iter().map(|row| style.render(row)).collect();
        (rows, view.cursor_row, view.cursor_column)
    }

    fn editor(keys: impl IntoIterator<Item = Key>) -> Editor {
        let mut editor = Editor::default();
        for key in keys {
            editor.key(key, |_| Vec::new());
        }
        editor
    }

    #[test]
    fn prompt_shows_the_line_and_the_cursor() {
        let mut editor = editor("añ世".chars().map(Key::Char));
        assert_eq!(shown(&editor, STYLE, (80, 24)), (vec!["› añ世".into()], 0, 6));
        editor.key(Key::Left, |_| Vec::new());
        assert_eq!(shown(&editor, STYLE, (80, 24)).2, 4);
        let ascii = Style { has_unicode: false, ..STYLE };
        assert_eq!(shown(&editor, ascii, (80, 24)).0, ["> a\\u{f1}\\u{4e16}"]);
    }

    #[test]
    fn prompt_breaks_a_long_line() {
        let mut editor = editor("abcdefgh".chars().map(Key::Char));
        assert_eq!(
            shown(&editor, STYLE, (6, 24)),
            (vec!["› abc".into(), "defgh".into(), String::new()], 2, 0)
        );
        // Of a low terminal it takes a half.
        assert_eq!(shown(&editor, STYLE, (6, 4)).0, ["defgh", ""]);
        editor.key(Key::Home, |_| Vec::new());
        assert_eq!(shown(&editor, STYLE, (6, 4)), (vec!["› abc".into(), "defgh".into()], 0, 2));
    }

    #[test]
    fn prompt_shows_a_paste_by_its_size() {
        let text = "{\n}\n".repeat(25_000);
        let editor = editor([Key::Char('a'), Key::Paste(text), Key::Paste("b\n\t\x1bc".into())]);
        let expected = "› a[pasted 100.0 kB, 50000 lines]b↵\\t\\u{1b}c";
        assert_eq!(shown(&editor, STYLE, (80, 24)).0, [expected]);
    }

    #[test]
    fn prompt_shows_a_search_and_a_status() {
        let mut editor = editor([Key::Control('r'), Key::Char('x')]);
        assert_eq!(shown(&editor, STYLE, (80, 24)).0, ["no line has x: "]);
        editor.key(Key::Escape, |_| Vec::new());
        let view = view(&editor, "paused, 3", STYLE, (80, 24));
        assert_eq!(STYLE.render(&view.rows[0]), "[paused, 3] › ");
    }
}
