//! Paths to values of a tree.

use std::fmt;

use super::{Tree, TreeValue};

/// A path to values of a tree, such as `a.b[0].*.c`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Segment>);

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// The value of a key.
    Key(String),
    /// An item of a list, from 0 on.
    Index(usize),
    /// Each item or value.
    Any,
}

impl Path {
    /// Returns whether a value on the path passes the test. Each value of the tree is looked at
    /// once at most.
    pub(crate) fn any<'t>(&self, tree: &'t Tree, test: &mut dyn FnMut(&'t Tree) -> bool) -> bool {
        any(&self.0, tree, test)
    }
}

fn any<'t>(path: &[Segment], tree: &'t Tree, test: &mut dyn FnMut(&'t Tree) -> bool) -> bool {
    let Some((segment, path)) = path.split_first() else { return test(tree) };
    match (segment, &tree.value) {
        (Segment::Key(key), TreeValue::Map(entries)) => {
            entries.iter().any(|(name, value)| name.is_named(key) && any(path, value, test))
        }
        (Segment::Index(index), TreeValue::List(items)) => {
            items.get(*index).is_some_and(|item| any(path, item, test))
        }
        (Segment::Any, TreeValue::Map(entries)) => {
            entries.iter().any(|(_, value)| any(path, value, test))
        }
        (Segment::Any, TreeValue::List(items)) => items.iter().any(|item| any(path, item, test)),
        _ => false,
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, ".{}", serde_json::Value::from(key.as_str()))?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Any => f.write_str(".*")?,
            }
        }
        Ok(())
    }
}

/// Returns whether a key needs no quotation marks.
pub(crate) fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(is_plain_char)
}

pub(crate) fn is_plain_char(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '_' | '-' | '$' | '@')
}
