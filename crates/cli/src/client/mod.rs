//! The client's side of every command that connects: its options, its errors and its `--verbose`.

mod args;
mod errors;
mod outcome;
mod tls;
pub(crate) mod verbose;

pub(crate) use self::args::ClientArgs;
pub(crate) use self::errors::{report_connect_error, with_option_names};
pub(crate) use self::outcome::ConnectOutcome;
