//! The line that is being edited.

use std::sync::Arc;

use unicode_width::UnicodeWidthChar as _;

/// The longest paste that is shown in full, in bytes and in lines.
const MAX_SHOWN_PASTE: (usize, usize) = (1_000, 4);

/// A part of the line that the cursor passes in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Char(char),
    /// A long text that was pasted. It is shown by its size.
    Paste(Arc<str>),
}

impl Unit {
    fn is_zero_width(&self) -> bool {
        matches!(self, Self::Char(c) if c.width() == Some(0))
    }

    fn is_of_word(&self) -> bool {
        match self {
            Self::Char(c) => c.is_alphanumeric() || *c == '_' || self.is_zero_width(),
            Self::Paste(_) => true,
        }
    }
}

/// A line, and the cursor in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    units: Vec<Unit>,
    cursor: usize,
}

impl Line {
    /// Returns a line of this text, with the cursor at its end.
    pub(crate) fn of(text: &str) -> Self {
        let mut line = Self::default();
        line.insert_text(text);
        line
    }

    /// Returns the text of the line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for unit in &self.units {
            match unit {
                Unit::Char(c) => text.push(*c),
                Unit::Paste(paste) => text.push_str(paste),
            }
        }
        text
    }

    /// Returns the text up to the cursor, without what was pasted.
    pub(crate) fn typed_before_cursor(&self) -> Option<String> {
        let typed = self.units[..self.cursor].iter().map(|unit| match unit {
            Unit::Char(c) => Some(*c),
            Unit::Paste(_) => None,
        });
        typed.collect()
    }

    pub(crate) fn units(&self) -> &[Unit] {
        &self.units
    }

    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(crate) fn insert(&mut self, c: char) {
        self.units.insert(self.cursor, Unit::Char(c));
        self.cursor += 1;
    }

    /// Inserts a text, as one unit if it is long.
    pub(crate) fn insert_text(&mut self, text: &str) {
        let (max_bytes, max_lines) = MAX_SHOWN_PASTE;
        let is_long = text.len() > max_bytes || text.split('\n').nth(max_lines).is_some();
        if is_long {
            self.insert_units(vec![Unit::Paste(text.into())]);
        } else {
            self.insert_units(text.chars().map(Unit::Char).collect());
        }
    }

    /// Inserts units, such as those that were killed.
    pub(crate) fn insert_units(&mut self, units: Vec<Unit>) {
        let len = units.len();
        self.units.splice(self.cursor..self.cursor, units);
        self.cursor += len;
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.after();
    }

    pub(crate) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.units.len();
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        self.cursor = self.word_after();
    }

    pub(crate) fn backspace(&mut self) {
        self.kill_from(self.before());
    }

    pub(crate) fn delete(&mut self) {
        let after = self.after();
        self.units.drain(self.cursor..after);
    }

    /// Removes what is between `start` and the cursor, and returns it.
    fn kill_from(&mut self, start: usize) -> Vec<Unit> {
        let killed = self.units.drain(start..self.cursor).collect();
        self.cursor = start;
        killed
    }

    pub(crate) fn kill_to_start(&mut self) -> Vec<Unit> {
        self.kill_from(0)
    }

    pub(crate) fn kill_to_end(&mut self) -> Vec<Unit> {
        self.units.split_off(self.cursor)
    }

    /// Removes what stands between the last space and the cursor.
    pub(crate) fn kill_back_to_space(&mut self) -> Vec<Unit> {
        let is_space = |unit: &Unit| matches!(unit, Unit::Char(c) if c.is_whitespace());
        let before = &self.units[..self.cursor];
        let word = before.iter().rposition(|unit| !is_space(unit)).map_or(0, |at| at + 1);
        let start = before[..word].iter().rposition(is_space).map_or(0, |at| at + 1);
        self.kill_from(start)
    }

    pub(crate) fn kill_word_before(&mut self) -> Vec<Unit> {
        self.kill_from(self.word_before())
    }

    pub(crate) fn kill_word_after(&mut self) -> Vec<Unit> {
        let after = self.word_after();
        self.units.drain(self.cursor..after).collect()
    }

    /// Exchanges the characters around the cursor.
    pub(crate) fn transpose(&mut self) {
        if self.cursor == self.units.len() && self.cursor > 1 {
            self.cursor -= 1;
        }
        if self.cursor > 0 && self.cursor < self.units.len() {
            self.units.swap(self.cursor - 1, self.cursor);
            self.cursor += 1;
        }
    }

    /// Returns the position of the unit before the cursor, and of the marks that combine with it.
    fn before(&self) -> usize {
        let before = &self.units[..self.cursor];
        before.iter().rposition(|unit| !unit.is_zero_width()).unwrap_or(0)
    }

    fn after(&self) -> usize {
        let rest = self.units[self.cursor..].iter();
        let more = rest.skip(1).position(|unit| !unit.is_zero_width());
        more.map_or(self.units.len(), |more| self.cursor + 1 + more)
    }

    fn word_before(&self) -> usize {
        let before = &self.units[..self.cursor];
        let end = before.iter().rposition(Unit::is_of_word).map_or(0, |at| at + 1);
        before[..end].iter().rposition(|unit| !unit.is_of_word()).map_or(0, |at| at + 1)
    }

    fn word_after(&self) -> usize {
        let len = self.units.len();
        let next = |from: usize, of_word: bool| {
            let mut rest = self.units[from..].iter();
            rest.position(|unit| unit.is_of_word() == of_word).map_or(len, |at| from + at)
        };
        next(next(self.cursor, true), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_moves_by_character_and_word() {
        let mut line = Line::of("one e\u{301}, two");
        line.word_left();
        assert_eq!(line.typed_before_cursor().unwrap(), "one e\u{301}, ");
        line.left();
        line.left();
        line.left();
        // The accent and its letter are one.
        assert_eq!(line.typed_before_cursor().unwrap(), "one ");
        line.right();
        assert_eq!(line.typed_before_cursor().unwrap(), "one e\u{301}");
        line.word_right();
        assert_eq!(line.cursor(), line.units().len());
        line.right();
        line.home();
        line.left();
        line.backspace();
        line.delete();
        assert_eq!((line.text().as_str(), line.cursor()), ("ne e\u{301}, two", 0));
        line.word_right();
        assert_eq!(line.typed_before_cursor().unwrap(), "ne");
    }

    #[test]
    fn line_kills_and_yanks() {
        let mut line = Line::of("alpha beta-gamma ");
        let killed = line.kill_back_to_space();
        assert_eq!(line.text(), "alpha ");
        line.insert_units(killed);
        assert_eq!(line.text(), "alpha beta-gamma ");
        line.kill_word_before();
        assert_eq!(line.text(), "alpha beta-");
        line.home();
        let end = line.kill_to_end();
        assert!(line.is_empty());
        line.insert_units(end);
        line.word_left();
        line.kill_word_after();
        assert_eq!(line.text(), "alpha -");
        line.kill_to_start();
        assert_eq!(line.text(), "-");
        let mut line = Line::of("ab");
        line.transpose();
        assert_eq!(line.text(), "ba");
    }

    #[test]
    fn line_keeps_a_long_paste_as_one_unit() {
        let text = "{\n \"a\": 1\n}\n".repeat(10_000);
        let mut line = Line::of("x ");
        line.insert_text(&text);
        line.insert('y');
        assert_eq!(line.units().len(), 4);
        assert_eq!(line.text(), format!("x {text}y"));
        assert_eq!(line.typed_before_cursor(), None);
        line.backspace();
        line.backspace();
        assert_eq!(line.text(), "x ");
        line.insert_text("a\nb");
        assert_eq!(line.units().len(), 5);
        assert_eq!(line.text(), "x a\nb");
    }
}
