//! The line editor: keys, the line, its history.

mod editor;
mod history;
mod keys;
mod line;

pub(crate) use self::editor::{EditResult, Editor};
pub(crate) use self::history::History;
pub(crate) use self::keys::{Key, KeyDecoder};
pub(crate) use self::line::Unit;
