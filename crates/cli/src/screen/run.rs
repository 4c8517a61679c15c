//! The loop of the screen: keys, events, and what is drawn.

use std::io;
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::input::{self, Typed};
use super::state::State;
use super::terminal::{self, Output};
use super::{Feed, InputKind, LabelledEvent, ScreenSettings, writer};
use crate::session::{Action, QueueSender};

/// The bytes that wait to be drawn beyond which no event is taken.
const MAX_WAITING: usize = 16 << 10;

/// The time after which an Escape that nothing follows is a key.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(50);

/// The actions that wait while the session is busy.
const MAX_ACTIONS: usize = 64;

/// Starts the thread of the screen.
pub(super) fn start(
    settings: ScreenSettings,
    kind: InputKind,
    output: Output,
    actions: Option<QueueSender<Action>>,
    feed: Feed,
) -> oneshot::Receiver<io::Result<()>> {
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.and_then(|runtime| {
            let result = runtime.block_on(run(settings, kind, output, actions, feed));
            // A file that is being read must not delay the end.
            runtime.shutdown_background();
            result
        });
        // After a signal no task waits for it.
        let _ = done.send(result);
    });
    written
}

async fn run(
    settings: ScreenSettings,
    kind: InputKind,
    output: Output,
    actions: Option<QueueSender<Action>>,
    mut feed: Feed,
) -> io::Result<()> {
    #[cfg(unix)]
    let _raw = match kind {
        InputKind::Keys => Some(terminal::RawMode::enter(output)?),
        InputKind::Lines | InputKind::None => None,
    };
    let mut typed = match kind {
        InputKind::Keys => Some(input::read_keys()),
        InputKind::Lines => Some(input::read_lines()),
        InputKind::None => None,
    };
    let (forward, wanted) = mpsc::channel(MAX_ACTIONS);
    let session_gone = actions.clone();
    if let Some(actions) = actions {
        tokio::spawn(forward_actions(wanted, actions));
    }
    let (background, mut results) = mpsc::channel(1);
    let draws = !matches!(feed, Feed::None);
    let mut state = State::new(settings, (kind, output), draws, forward, background);
    let (frames, written) = writer::start(output);
    let mut changes = terminal::Changes::new(kind == InputKind::Keys);
    let mut escape_due = None;
    loop {
        state.draw_resumed(MAX_WAITING);
        let takes_events = state.canvas.waiting() < MAX_WAITING && !state.is_resuming();
        tokio::select! {
            biased;
            // Reserved before it is drawn, so that it shows the newest state.
            permit = frames.reserve(), if state.canvas.is_dirty() => match permit {
                Ok(permit) => permit.send(state.frame()),
                Err(_) => break,
            },
            next = next_typed(&mut typed) => {
                if matches!(next, Typed::End) {
                    typed = None;
                }
                escape_due = state.typed(next).then(|| Instant::now() + ESCAPE_TIMEOUT);
            }
            () = due(escape_due) => {
                escape_due = None;
                state.flush_escape();
            }
            () = changes.next() => state.canvas.terminal_changed(),
            Some(result) = results.recv() => state.background(result),
            event = next_event(&mut feed, session_gone.as_ref()), if takes_events => match event {
                Some(event) => state.event(event),
                None => break,
            },
        }
    }
    let is_discarded = match &feed {
        Feed::One(events) => events.is_discarded(),
        Feed::Many(events) => events.is_discarded(),
        Feed::None => false,
    };
    // The writer may have failed; `written` says so.
    let _ = frames.send(state.last_frame(!is_discarded)).await;
    drop(frames);
    drop(feed);
    written.await.unwrap_or_else(|_| Err(io::Error::other("the thread that writes has failed")))
}

/// Passes actions on to the session, one after the other, as it takes them.
async fn forward_actions(mut wanted: mpsc::Receiver<Action>, actions: QueueSender<Action>) {
    while let Some(action) = wanted.recv().await {
        if actions.send(action).await.is_err() {
            return;
        }
    }
}

async fn next_typed(typed: &mut Option<mpsc::Receiver<Typed>>) -> Typed {
    match typed {
        Some(typed) => typed.recv().await.unwrap_or(Typed::End),
        None => std::future::pending().await,
    }
}

async fn due(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Returns the next event; `None` at the end of the session.
async fn next_event(
    feed: &mut Feed,
    session: Option<&QueueSender<Action>>,
) -> Option<LabelledEvent> {
    match feed {
        Feed::One(events) => {
            let event = events.recv().await?;
            Some(LabelledEvent { label: String::new(), event })
        }
        Feed::Many(events) => events.recv().await,
        Feed::None => match session {
            Some(session) => {
                session.gone().await;
                None
            }
            None => None,
        },
    }
}
