//! The line editor: what the keys do, with the keys of Emacs, as in shells.

use std::mem;

use super::history::History;
use super::keys::Key;
use super::line::{Line, Unit};

/// What a key has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EditResult {
    /// The line may have changed.
    Edited,
    /// The key has no effect.
    Ignored,
    /// A line was entered.
    Entered(String),
    /// Ctrl-C, where the terminal does not make a signal of it.
    Interrupt,
    /// Ctrl-D in an empty line.
    EndOfInput,
    /// Ctrl-L.
    ClearScreen,
    /// More than one word fits here.
    Candidates(Vec<String>),
    /// A paste was too long and is dropped.
    PasteTooLong,
}

/// A search in the history, by Ctrl-R.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) query: String,
    /// The entry that was found.
    found: Option<usize>,
    /// Whether no entry, or no other one, has the query.
    pub(crate) has_failed: bool,
    /// The line before the search.
    before: Line,
}

/// The line, the history, and what was killed.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Line,
    killed: Vec<Unit>,
    history: History,
    /// The entry of the history that is shown, and the line that was edited before.
    shown: Option<(usize, Line)>,
    search: Option<Search>,
}

impl Editor {
    pub(crate) fn new(history: History) -> Self {
        Self { history, ..Self::default() }
    }

    pub(crate) fn line(&self) -> &Line {
        &self.line
    }

    pub(crate) fn search(&self) -> Option<&Search> {
        self.search.as_ref()
    }

    /// Handles a key. `complete` returns the whole words that the text up to the cursor may become.
    pub(crate) fn key(&mut self, key: Key, complete: impl Fn(&str) -> Vec<String>) -> EditResult {
        if self.search.is_some() {
            match self.search_key(key) {
                None => return EditResult::Edited,
                Some(key) => return self.key(key, complete),
            }
        }
        match key {
            Key::Enter => return self.enter(),
            Key::Tab => return self.complete(complete),
            Key::Control('c') => return EditResult::Interrupt,
            Key::Control('l') => return EditResult::ClearScreen,
            Key::Control('d') if self.line.is_empty() => return EditResult::EndOfInput,
            Key::PasteTooLong => return EditResult::PasteTooLong,
            Key::Char(c) => self.line.insert(c),
            Key::Paste(text) => self.line.insert_text(&text),
            Key::AltEnter | Key::Control('j') => self.line.insert('\n'),
            Key::Backspace | Key::Control('h') => self.line.backspace(),
            Key::Delete | Key::Control('d') => self.line.delete(),
            Key::Left | Key::Control('b') => self.line.left(),
            Key::Right | Key::Control('f') => self.line.right(),
            Key::Home | Key::Control('a') => self.line.home(),
            Key::End | Key::Control('e') => self.line.end(),
            Key::WordLeft => self.line.word_left(),
            Key::WordRight => self.line.word_right(),
            Key::Up | Key::Control('p') => return self.older(),
            Key::Down | Key::Control('n') => return self.newer(),
            Key::Control('t') => self.line.transpose(),
            Key::Control('y') => self.line.insert_units(self.killed.clone()),
            Key::Control('r') => self.start_search(),
            key => return self.kill(&key),
        }
        EditResult::Edited
    }

    /// Removes a part of the line, if the key does that, and keeps it for Ctrl-Y.
    fn kill(&mut self, key: &Key) -> EditResult {
        let killed = match key {
            Key::Control('k') => self.line.kill_to_end(),
            Key::Control('u') => self.line.kill_to_start(),
            Key::Control('w') => self.line.kill_back_to_space(),
            Key::AltBackspace => self.line.kill_word_before(),
            Key::Alt('d') => self.line.kill_word_after(),
            _ => return EditResult::Ignored,
        };
        if !killed.is_empty() {
            self.killed = killed;
        }
        EditResult::Edited
    }

    fn enter(&mut self) -> EditResult {
        self.shown = None;
        let line = mem::take(&mut self.line).text();
        EditResult::Entered(line)
    }

    /// Adds a line to the history.
    ///
    /// # Errors
    /// Fails if the history's file can't be written.
    pub(crate) fn remember(&mut self, line: &str) -> std::io::Result<()> {
        self.history.add(line)
    }

    /// Puts a text into the line in place of what is there.
    fn show(&mut self, text: &str) {
        self.line = Line::of(text);
    }

    fn older(&mut self) -> EditResult {
        let entries = self.history.entries();
        let position = self.shown.as_ref().map_or(entries.len(), |(at, _)| *at);
        let Some(older) = position.checked_sub(1) else { return EditResult::Ignored };
        let line = Line::of(&entries[older]);
        let edited = mem::replace(&mut self.line, line);
        let draft = self.shown.take().map_or(edited, |(_, draft)| draft);
        self.shown = Some((older, draft));
        EditResult::Edited
    }

    fn newer(&mut self) -> EditResult {
        let Some((position, draft)) = self.shown.take() else { return EditResult::Ignored };
        match self.history.entries().get(position + 1) {
            Some(entry) => {
                self.line = Line::of(entry);
                self.shown = Some((position + 1, draft));
            }
            None => self.line = draft,
        }
        EditResult::Edited
    }

    fn start_search(&mut self) {
        let before = self.line.clone();
        let query = String::new();
        self.search = Some(Search { query, found: None, has_failed: false, before });
    }

    /// Handles a key during a search, and returns it if it ends the search and has its own effect.
    fn search_key(&mut self, key: Key) -> Option<Key> {
        let search = self.search.as_mut()?;
        match key {
            Key::Char(c) => search.query.push(c),
            Key::Paste(text) => search.query.push_str(&text),
            Key::Backspace | Key::Control('h') => {
                search.query.pop();
                search.found = None;
            }
            Key::Control('r') => {
                self.find(true);
                return None;
            }
            Key::Escape | Key::Control('g') => {
                let before = self.search.take().map(|search| search.before);
                self.line = before.unwrap_or_default();
                return None;
            }
            key => {
                self.search = None;
                return Some(key);
            }
        }
        self.find(false);
        None
    }

    /// Shows the newest entry with the query that is older than the one that was found, or, unless
    /// `is_other`, that one.
    fn find(&mut self, is_other: bool) {
        let Some(search) = &mut self.search else { return };
        if search.query.is_empty() {
            return;
        }
        let entries = self.history.entries();
        let end = search.found.map_or(entries.len(), |at| at + usize::from(!is_other));
        let found = entries[..end].iter().rposition(|entry| entry.contains(&search.query));
        search.has_failed = found.is_none();
        if let Some(at) = found {
            search.found = found;
            let entry = entries[at].clone();
            self.show(&entry);
        }
    }

    fn complete(&mut self, complete: impl Fn(&str) -> Vec<String>) -> EditResult {
        let Some(typed) = self.line.typed_before_cursor() else { return EditResult::Ignored };
        let candidates = complete(&typed);
        let Some(common) = common_prefix(&candidates) else { return EditResult::Ignored };
        if common.len() > typed.len() && common.starts_with(&typed) {
            let more = common[typed.len()..].chars().map(Unit::Char).collect();
            self.line.insert_units(more);
            return EditResult::Edited;
        }
        match candidates.len() {
            1 => EditResult::Ignored,
            _ => EditResult::Candidates(candidates),
        }
    }
}

/// Returns what all words begin with; `None` if there is no word.
fn common_prefix(words: &[String]) -> Option<&str> {
    let (first, rest) = words.split_first()?;
    let len = rest.iter().fold(first.len(), |len, word| {
        let same = first.char_indices().zip(word.chars()).find(|((_, a), b)| a != b);
        len.min(same.map_or(first.len().min(word.len()), |((at, _), _)| at))
    });
    Some(&first[..len])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, text: &str) {
        for c in text.chars() {
            editor.key(Key::Char(c), |_| Vec::new());
        }
    }

    fn key(editor: &mut Editor, key: Key) -> EditResult {
        editor.key(key, |_| Vec::new())
    }

    fn with_history(lines: &[&str]) -> Editor {
        let mut editor = Editor::default();
        for line in lines {
            editor.remember(line).unwrap();
        }
        editor
    }

    #[test]
    fn editor_returns_the_line() {
        let mut editor = Editor::default();
        typed(&mut editor, "hallo");
        key(&mut editor, Key::Home);
        key(&mut editor, Key::Right);
        key(&mut editor, Key::Delete);
        typed(&mut editor, "e");
        assert_eq!(key(&mut editor, Key::Enter), EditResult::Entered("hello".into()));
        assert!(editor.line().is_empty());
        assert_eq!(key(&mut editor, Key::Control('d')), EditResult::EndOfInput);
        typed(&mut editor, "a");
        assert_eq!(key(&mut editor, Key::Control('d')), EditResult::Edited);
        assert_eq!(key(&mut editor, Key::Control('c')), EditResult::Interrupt);
        key(&mut editor, Key::AltEnter);
        typed(&mut editor, "b");
        assert_eq!(key(&mut editor, Key::Enter), EditResult::Entered("a\nb".into()));
    }

    #[test]
    fn editor_yanks_what_was_killed() {
        let mut editor = Editor::default();
        typed(&mut editor, "one two");
        key(&mut editor, Key::Control('w'));
        key(&mut editor, Key::Control('u'));
        key(&mut editor, Key::Control('k'));
        key(&mut editor, Key::Control('y'));
        assert_eq!(editor.line().text(), "one ");
    }

    #[test]
    fn editor_shows_the_history() {
        let mut editor = with_history(&["one", "two"]);
        typed(&mut editor, "draft");
        key(&mut editor, Key::Up);
        assert_eq!(editor.line().text(), "two");
        key(&mut editor, Key::Up);
        assert_eq!(key(&mut editor, Key::Up), EditResult::Ignored);
        assert_eq!(editor.line().text(), "one");
        key(&mut editor, Key::Down);
        key(&mut editor, Key::Down);
        assert_eq!(editor.line().text(), "draft");
        assert_eq!(key(&mut editor, Key::Down), EditResult::Ignored);
    }

    #[test]
    fn editor_searches_the_history() {
        let mut editor = with_history(&["subscribe a", "ping", "subscribe b", "close"]);
        typed(&mut editor, "x");
        key(&mut editor, Key::Control('r'));
        typed(&mut editor, "sub");
        assert_eq!(editor.line().text(), "subscribe b");
        key(&mut editor, Key::Control('r'));
        assert_eq!(editor.line().text(), "subscribe a");
        key(&mut editor, Key::Control('r'));
        assert!(editor.search().unwrap().has_failed);
        // Another key takes what was found.
        key(&mut editor, Key::End);
        typed(&mut editor, "!");
        assert_eq!(key(&mut editor, Key::Enter), EditResult::Entered("subscribe a!".into()));
        typed(&mut editor, "draft");
        key(&mut editor, Key::Control('r'));
        typed(&mut editor, "pi");
        key(&mut editor, Key::Escape);
        assert_eq!(editor.line().text(), "draft");
    }

    #[test]
    fn editor_completes_words() {
        let words = |typed: &str| {
            let all = ["/ping ", "/pong ", "/pause"].map(String::from);
            all.into_iter().filter(|word| word.starts_with(typed)).collect::<Vec<_>>()
        };
        let mut editor = Editor::default();
        typed(&mut editor, "/p");
        let candidates = words("/p");
        assert_eq!(editor.key(Key::Tab, words), EditResult::Candidates(candidates));
        typed(&mut editor, "i");
        editor.key(Key::Tab, words);
        assert_eq!(editor.line().text(), "/ping ");
        assert_eq!(editor.key(Key::Tab, words), EditResult::Ignored);
        typed(&mut editor, "x");
        assert_eq!(editor.key(Key::Tab, words), EditResult::Ignored);
        let words = ["aü".to_owned(), "aö".to_owned()];
        assert_eq!(common_prefix(&words), Some("a"));
        assert_eq!(common_prefix(&["a".to_owned(), "ab".to_owned()]), Some("a"));
    }
}
