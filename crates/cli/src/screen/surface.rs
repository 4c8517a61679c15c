//! The part of the terminal that is drawn again and again: the prompt, below all records.
//!
//! Records are written above the prompt and then belong to the terminal, which scrolls them.

use std::fmt::Write as _;

use super::draw::style::{Style, text_width};
use super::prompt::PromptView;

/// What is drawn of the prompt.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    /// The widths of the rows that are drawn.
    rows: Vec<usize>,
    /// The row and the column of the cursor among them.
    cursor: (usize, usize),
}

impl Surface {
    /// Returns what writes `records`, lines with their newlines, in the place of the prompt, and
    /// the prompt below them.
    pub(crate) fn frame(&mut self, records: &str, prompt: &PromptView, style: Style) -> String {
        let mut out = self.erase();
        for line in records.split_inclusive('\n') {
            out.push_str(line.trim_end_matches('\n'));
            out.push_str("\r\n");
        }
        for (index, row) in prompt.rows.iter().enumerate() {
            if index > 0 {
                out.push_str("\r\n");
            }
            out.push_str(&style.render(row));
        }
        out.push('\r');
        let below = prompt.rows.len() - 1 - prompt.cursor_row;
        if below > 0 {
            let _ = write!(out, "\x1b[{below}A");
        }
        if prompt.cursor_column > 0 {
            let _ = write!(out, "\x1b[{}C", prompt.cursor_column);
        }
        let width = |row: &Vec<_>| {
            row.iter().map(|span: &super::draw::style::Span| text_width(&span.text)).sum()
        };
        self.rows = prompt.rows.iter().map(width).collect();
        self.cursor = (prompt.cursor_row, prompt.cursor_column);
        out
    }

    /// Returns what erases the prompt, and forgets it.
    pub(crate) fn erase(&mut self) -> String {
        let mut out = String::from("\r");
        if self.cursor.0 > 0 {
            let _ = write!(out, "\x1b[{}A", self.cursor.0);
        }
        out.push_str("\x1b[J");
        *self = Self::default();
        out
    }

    /// Takes note of a new width, by which terminals break rows that have become too long.
    pub(crate) fn resize(&mut self, columns: usize) {
        let rows_of = |width: usize| width.div_ceil(columns.max(1)).max(1);
        let above: usize = self.rows.iter().take(self.cursor.0).map(|width| rows_of(*width)).sum();
        self.cursor.0 = above + self.cursor.1 / columns.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::draw::style::{Tone, span};
    use super::*;

    const STYLE: Style = Style { has_colour: false, has_unicode: true };

    fn prompt(rows: &[&str], cursor_row: usize, cursor_column: usize) -> PromptView {
        let rows = rows.iter().map(|row| vec![span(Tone::Plain, *row)]).collect();
        PromptView { rows, cursor_row, cursor_column }
    }

    #[test]
    fn surface_keeps_the_prompt_below_the_records() {
        let mut terminal = vt100::Parser::new(6.try_into().unwrap(), 20.try_into().unwrap(), 0);
        let mut surface = Surface::default();
        let draw = |terminal: &mut vt100::Parser, frame: String| {
            terminal.process(frame.as_bytes());
            (terminal.screen().contents(), terminal.screen().cursor_position())
        };
        let frame = surface.frame("", &prompt(&["> typ"], 0, 3), STYLE);
        assert_eq!(draw(&mut terminal, frame), ("> typ".into(), (0, 3)));
        let frame = surface.frame("one\ntwo\n", &prompt(&["> typing", "more"], 1, 2), STYLE);
        assert_eq!(draw(&mut terminal, frame), ("one\ntwo\n> typing\nmore".into(), (3, 2)));
        let frame = surface.frame("3\n4\n5\n", &prompt(&["> x", "y"], 0, 1), STYLE);
        assert_eq!(draw(&mut terminal, frame), ("two\n3\n4\n5\n> x\ny".into(), (4, 1)));
        let frame = surface.frame("", &prompt(&["> "], 0, 2), STYLE);
        assert_eq!(draw(&mut terminal, frame), ("two\n3\n4\n5\n> ".into(), (4, 2)));
        let frame = surface.erase();
        assert_eq!(draw(&mut terminal, frame), ("two\n3\n4\n5".into(), (4, 0)));
    }

    #[test]
    fn surface_knows_rows_that_a_narrower_terminal_breaks() {
        let mut surface = Surface::default();
        surface.frame("", &prompt(&["0123456789", "01234567"], 1, 7), STYLE);
        surface.resize(5);
        assert_eq!(surface.cursor.0, 3);
    }
}
