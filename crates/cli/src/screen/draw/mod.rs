//! Messages and notes as lines of a terminal.

mod hex;
mod json;
mod record;
pub(crate) mod style;

pub(crate) use self::record::{Content, Direction, View, size};
