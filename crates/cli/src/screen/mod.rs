//! A person at a terminal as the two sides of a [session](crate::session): a line editor as its
//! input, and records of what happens, above the prompt, as its output.
//!
//! The screen has a thread with a runtime of its own, so that a flood of messages holds back no
//! key. Two more threads read keys and write what is drawn. Events are taken while less than
//! [`run`]'s bound waits to be drawn, so that a slow terminal slows the peer, and memory is
//! bounded.

mod args;
mod background;
mod canvas;
mod clock;
mod command;
mod draw;
mod edit;
mod filter;
mod held;
mod info;
mod input;
mod prompt;
mod run;
mod state;
mod surface;
mod terminal;
mod user;
mod writer;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use tokio::sync::oneshot;

pub(crate) use self::args::ScreenArgs;
pub(crate) use self::info::ConnectionFacts;
pub(crate) use self::terminal::restore;

use self::terminal::Output;
use crate::base::signals::Interrupter;
use crate::config::absolute_folder;
use crate::session::{Action, Event, FrameSwitch, QueueReceiver, QueueSender, Weigh};

/// An event, and the connection that it is of if there are several.
#[derive(Debug)]
pub(crate) struct LabelledEvent {
    /// Such as `#2`; empty if there is one connection only.
    pub(crate) label: String,
    pub(crate) event: Event,
}

impl Weigh for LabelledEvent {
    fn weight(&self) -> usize {
        self.event.weight()
    }
}

/// Where events come from.
pub(crate) enum Feed {
    /// The session of one connection.
    One(QueueReceiver<Event>),
    /// The sessions of several connections.
    Many(QueueReceiver<LabelledEvent>),
    /// Nothing is drawn: standard output is not a terminal, and takes the messages.
    None,
}

/// What reads the user's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputKind {
    /// The line editor.
    Keys,
    /// The terminal's own editing, for terminals that can't move the cursor.
    Lines,
    /// Another part of the program: standard input is not a terminal.
    None,
}

/// How the screen begins.
pub(crate) struct ScreenSettings {
    pub(crate) args: ScreenArgs,
    /// The profile whose saved messages are offered too.
    pub(crate) profile: Option<String>,
    /// The first lines that are shown.
    pub(crate) greeting: String,
    /// What `/info` shows.
    pub(crate) facts: ConnectionFacts,
    /// Whether lines are sent as binary messages.
    pub(crate) sends_binary: bool,
    pub(crate) interrupter: Interrupter,
    /// Whether frames are shown; `None` if they can't be.
    pub(crate) frames: Option<FrameSwitch>,
}

/// The sides of a session that are at a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TerminalSides {
    pub(crate) is_input: bool,
    pub(crate) is_output: bool,
}

impl TerminalSides {
    /// Returns whether standard input and standard output are terminals.
    pub(crate) fn of_process() -> Self {
        Self { is_input: io::stdin().is_terminal(), is_output: io::stdout().is_terminal() }
    }
}

/// Starts the screen, within a runtime. With `actions` it reads standard input. What is returned is
/// ready when all is drawn, and the terminal has its former mode.
pub(crate) fn start(
    settings: ScreenSettings,
    actions: Option<QueueSender<Action>>,
    feed: Feed,
) -> oneshot::Receiver<io::Result<()>> {
    let output = if matches!(feed, Feed::None) { Output::Stderr } else { Output::Stdout };
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let kind = match &actions {
        None => InputKind::None,
        Some(_) if settings.args.plain || is_dumb || !output.is_terminal() => InputKind::Lines,
        Some(_) if !io::stdin().is_terminal() => InputKind::Lines,
        Some(_) if cfg!(unix) => InputKind::Keys,
        Some(_) => InputKind::Lines,
    };
    run::start(settings, kind, output, actions, feed)
}

/// Returns the file of the history: `fdx/history` in the folder for the state of programs, by the
/// XDG Base Directory Specification.
fn history_file() -> Option<PathBuf> {
    let folder = absolute_folder("XDG_STATE_HOME");
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?;
    Some(folder.join("fdx/history"))
}
