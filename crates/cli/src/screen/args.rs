//! The options of the screen.

use clap::{Args as ClapArgs, ValueEnum};

/// How the screen shows messages.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "At a terminal")]
pub(crate) struct ScreenArgs {
    /// The time before each message: of day, since the opening in seconds, or none
    #[arg(long, value_name = "KIND", default_value = "absolute")]
    pub(crate) time: TimeKind,
    /// Write lines only, and redraw nothing: for screen readers and terminals that can do no more;
    /// so it is with TERM=dumb
    #[arg(long)]
    pub(crate) plain: bool,
}

/// The time before each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeKind {
    Absolute,
    Relative,
    None,
}
