//! Acting on what passes: what the options and the page hold, change, delay and cut.

mod args;
mod control;
mod cut;
mod pace;
mod rules;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fullduplex::Role;
use fullduplex_inspect::ConversationFrame;
use fullduplex_inspect::edit::{Decision, NewFrame};
use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::redaction::Redaction;
use fullduplex_inspect::store::{Handling, Retention, Row, Socket, StoreConfig};
use tokio::sync::{oneshot, watch};

pub(super) use self::args::ActArgs;
pub(super) use self::control::Action;
pub(super) use self::control::{Held, Outcome, SocketControl};
pub(super) use self::cut::CutKind;
use self::cut::CutSignal;
pub(super) use self::pace::Pace;
pub(super) use self::rules::Rules;
use super::event::Event;
use super::rows::SocketRows;

/// The memory for the handshakes of WebSockets, to which a filter may refer.
const MAX_MEMORY: usize = 16 << 20;

/// What all WebSockets are subject to, and the control of each.
pub(super) struct Acting {
    rules: Rules,
    page: Mutex<PageRules>,
    /// Whether a rule looks at the frames of all WebSockets.
    is_watching: AtomicBool,
    sockets: Mutex<HashMap<u64, Arc<SocketControl>>>,
    /// For filters, which may refer to the handshake.
    rows: Mutex<SocketRows>,
    last_held: AtomicU64,
    /// What pages do not show of what is held.
    pub(super) redaction: Option<Redaction>,
    /// Counts what a page shows of this.
    changes: watch::Sender<u64>,
}

/// The rules that the page sets.
#[derive(Default)]
struct PageRules {
    breakpoint: Option<Filter>,
    is_paused: bool,
}

/// What a page shows of [`Acting`].
pub(super) struct ActingState {
    pub(super) is_paused: bool,
    pub(super) breakpoint: Option<String>,
    /// The connections whose WebSockets are paused.
    pub(super) paused: Vec<u64>,
    /// The connections, with what is held on them.
    pub(super) held: Vec<(u64, Held)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Acting {
    /// Returns what acts by these rules, or as a page says; `None` if nothing ever does.
    pub(super) fn new(
        rules: Rules,
        has_page: bool,
        redaction: Option<Redaction>,
    ) -> Option<Arc<Self>> {
        if rules.is_empty() && !has_page {
            return None;
        }
        let page = PageRules { breakpoint: rules.breakpoint.clone(), is_paused: rules.is_paused };
        let config = StoreConfig::default().max_memory(MAX_MEMORY);
        let acting = Self {
            rules,
            page: Mutex::new(page),
            is_watching: AtomicBool::new(false),
            sockets: Mutex::default(),
            rows: Mutex::new(SocketRows::new(config)),
            last_held: AtomicU64::new(0),
            redaction,
            changes: watch::Sender::new(0),
        };
        acting.update(&lock(&acting.page));
        Some(Arc::new(acting))
    }

    /// Returns the control of a connection, which is not listed yet.
    pub(super) fn control(&self, number: u64) -> Arc<SocketControl> {
        Arc::new(SocketControl::new(number, CutSignal::new(self.rules.cut_after)))
    }

    /// Lists the WebSocket that was opened on a connection.
    pub(super) fn open(&self, control: &Arc<SocketControl>, opening: &RecordedOpening) {
        let number = control.number;
        lock(&self.rows).take(number, Duration::ZERO, &Event::Opened(opening));
        lock(&self.sockets).insert(number, control.clone());
        control.cut.open();
    }

    /// Counts a WebSocket that was refused: its number is one of those that filters know.
    pub(super) fn refuse(&self, number: u64, opening: &RecordedOpening) {
        lock(&self.rows).take(number, Duration::ZERO, &Event::Refused(opening));
    }

    /// Ends what was opened on a connection.
    pub(super) fn close(&self, control: &SocketControl) {
        for sender in [Role::Client, Role::Server] {
            control.end(sender);
        }
        lock(&self.rows).forget(control.number);
        if lock(&self.sockets).remove(&control.number).is_some() {
            self.changed();
        }
    }

    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.rules.delay, self.rules.rate)
    }

    /// Returns whether a rule looks at the frames of a WebSocket.
    pub(super) fn is_watching(&self, control: &SocketControl) -> bool {
        // A rule that is set at the same time holds for the next frame.
        self.is_watching.load(Ordering::Relaxed) || control.is_paused()
    }

    fn update(&self, page: &PageRules) {
        let watches = self.rules.is_watching() || page.is_paused || page.breakpoint.is_some();
        self.is_watching.store(watches, Ordering::Relaxed);
    }

    /// Decides about a control frame, or the message that is complete with a frame.
    pub(super) fn decide(
        &self,
        control: &SocketControl,
        at: Duration,
        shown: &ConversationFrame,
        payload: &[u8],
    ) -> Decision {
        let mut rows = lock(&self.rows);
        let (handling, retention) = (Handling::Passed, Retention::Kept);
        let event = Event::Frame { shown, is_answer: false, handling, retention };
        let Some(row) = rows.take(control.number, at, &event) else { return Decision::Pass };
        let socket = rows.store.socket(row.socket);
        if self.rules.drops(&row, socket) {
            Decision::Drop
        } else if self.holds(control, &row, socket) {
            Decision::Hold
        } else {
            self.rules.replace(&row, socket, shown, payload)
        }
    }

    fn holds(&self, control: &SocketControl, row: &Row, socket: Option<&Socket>) -> bool {
        let page = lock(&self.page);
        let is_paused = page.is_paused || control.is_paused();
        is_paused || page.breakpoint.as_ref().is_some_and(|filter| filter.matches(row, socket))
    }

    /// Returns a number for what is held.
    pub(super) fn next_held(&self) -> u64 {
        self.last_held.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Tells pages that something has changed.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Returns what changes with what a page shows.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn all(&self) -> Vec<Arc<SocketControl>> {
        lock(&self.sockets).values().cloned().collect()
    }

    fn socket(&self, number: u64) -> Result<Arc<SocketControl>, String> {
        let socket = lock(&self.sockets).get(&number).cloned();
        socket.ok_or_else(|| "the WebSocket has ended".into())
    }

    /// Returns what a page shows. It has at most `max` of what is held.
    pub(super) fn state(&self, max: usize) -> ActingState {
        let (is_paused, breakpoint) = {
            let page = lock(&self.page);
            (page.is_paused, page.breakpoint.as_ref().map(ToString::to_string))
        };
        let all = self.all();
        let paused = all.iter().filter(|socket| socket.is_paused()).map(|socket| socket.number);
        let mut held: Vec<(u64, u64, Arc<SocketControl>, Role)> = Vec::new();
        for socket in &all {
            for sender in [Role::Client, Role::Server] {
                let number = socket.held_number(sender);
                held.extend(number.map(|held| (held, socket.number, socket.clone(), sender)));
            }
        }
        held.sort_unstable_by_key(|(held, ..)| *held);
        let held = held.into_iter().take(max);
        let held =
            held.filter_map(|(_, number, socket, sender)| Some((number, socket.held(sender)?)));
        ActingState { is_paused, breakpoint, paused: paused.collect(), held: held.collect() }
    }

    /// Returns what is held with this number.
    pub(super) fn held(&self, number: u64) -> Result<Held, String> {
        let (socket, sender) = self.holder(number)?;
        socket.held(sender).ok_or_else(gone)
    }

    fn holder(&self, number: u64) -> Result<(Arc<SocketControl>, Role), String> {
        let both = |socket: Arc<SocketControl>| {
            [Role::Client, Role::Server].map(move |sender| (socket.clone(), sender))
        };
        let mut all = self.all().into_iter().flat_map(both);
        all.find(|(socket, sender)| socket.held_number(*sender) == Some(number)).ok_or_else(gone)
    }

    /// Pauses the WebSocket of a connection, or all, or lets them go on.
    pub(super) fn pause(&self, number: Option<u64>, is_paused: bool) -> Outcome {
        if let Some(number) = number {
            self.socket(number)?.set_paused(is_paused);
        } else {
            let mut page = lock(&self.page);
            page.is_paused = is_paused;
            self.update(&page);
            drop(page);
            if !is_paused {
                self.all().iter().for_each(|socket| socket.set_paused(false));
            }
        }
        self.review();
        Ok(())
    }

    /// Sets the breakpoint: what matches is held.
    pub(super) fn set_breakpoint(&self, filter: Option<Filter>) {
        let mut page = lock(&self.page);
        page.breakpoint = filter;
        self.update(&page);
        drop(page);
        self.review();
    }

    /// Lets what is held be decided again.
    fn review(&self) {
        for socket in self.all() {
            for sender in [Role::Client, Role::Server] {
                if socket.held_number(sender).is_some() {
                    // A direction that has ended holds nothing any more.
                    let _ = socket.command(sender, Action::Review);
                }
            }
        }
        self.changed();
    }

    /// Sends a frame on the WebSocket of a connection, as if `sender` had sent it.
    pub(super) fn inject(
        &self,
        number: u64,
        sender: Role,
        new: NewFrame,
    ) -> Result<oneshot::Receiver<Outcome>, String> {
        self.socket(number)?.command(sender, Action::Inject(new))
    }

    /// Decides about what is held.
    pub(super) fn release(
        &self,
        held: u64,
        decision: Decision,
    ) -> Result<oneshot::Receiver<Outcome>, String> {
        let (socket, sender) = self.holder(held)?;
        socket.command(sender, Action::Release(held, decision))
    }

    /// Cuts a connection.
    pub(super) fn cut(&self, number: u64, kind: CutKind) -> Outcome {
        self.socket(number)?.cut.cut(kind);
        Ok(())
    }
}

fn gone() -> String {
    "it is not held any more".into()
}
