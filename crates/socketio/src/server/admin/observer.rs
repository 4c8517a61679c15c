//! What the server notes for the Admin UI: within bounds, and only while a UI is connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::sync::{Notify, mpsc};

use crate::args::Args;
use crate::id::SocketId;
use crate::server::change::Change;
use crate::server::event::Event;

/// How many notes may wait to be sent to the UI.
const QUEUE: usize = 1024;
/// How many changes, and how many events, the UI is sent each second.
const PER_SECOND: u32 = 500;
/// The longest arguments of an event that are shown, in bytes.
const MAX_ARGS: usize = 4096;

/// A note for the task that tells the UI.
pub(super) enum Note {
    Change(Change),
    /// An event of a client. Arguments that are too long are left out.
    Event {
        namespace: Arc<str>,
        id: SocketId,
        name: Arc<str>,
        args: Option<Args>,
    },
}

/// Where the server notes what happens.
pub(in crate::server) struct Observer {
    notes: mpsc::Sender<Note>,
    /// The namespace of the UI, whose own events are not shown.
    namespace: Arc<str>,
    /// Whether sockets and events are shown at all.
    sends_all: bool,
    is_watched: AtomicBool,
    /// How many more changes are noted in this second.
    changes: AtomicU32,
    /// How many more events are noted in this second.
    events: AtomicU32,
    /// Whether a change was left out, so that the UI has to be told all sockets again.
    is_incomplete: AtomicBool,
    /// Wakes the task when a UI has connected.
    pub(super) arrived: Arc<Notify>,
}

impl Observer {
    pub(super) fn new(namespace: Arc<str>, sends_all: bool) -> (Self, mpsc::Receiver<Note>) {
        let (notes, receiver) = mpsc::channel(QUEUE);
        let observer = Self {
            notes,
            namespace,
            sends_all,
            is_watched: AtomicBool::new(false),
            changes: AtomicU32::new(PER_SECOND),
            events: AtomicU32::new(PER_SECOND),
            is_incomplete: AtomicBool::new(false),
            arrived: Arc::default(),
        };
        (observer, receiver)
    }

    /// Whether a UI is connected that is shown sockets and events.
    pub(in crate::server) fn is_watched(&self) -> bool {
        self.is_watched.load(Ordering::Relaxed)
    }

    /// Notes that a UI has connected.
    pub(super) fn watch(&self) {
        self.is_watched.store(self.sends_all, Ordering::SeqCst);
        self.arrived.notify_one();
    }

    /// Notes nothing more if no UI is connected.
    pub(super) fn unwatch_if(&self, is_unwatched: impl Fn() -> bool) {
        if is_unwatched() {
            self.is_watched.store(false, Ordering::SeqCst);
            // One may have connected between the two.
            if !is_unwatched() {
                self.is_watched.store(self.sends_all, Ordering::SeqCst);
            }
        }
    }

    /// Begins another second.
    pub(super) fn refill(&self) {
        self.changes.store(PER_SECOND, Ordering::Relaxed);
        self.events.store(PER_SECOND, Ordering::Relaxed);
    }

    /// Returns whether changes were left out since the last call.
    pub(super) fn take_incomplete(&self) -> bool {
        self.is_incomplete.swap(false, Ordering::Relaxed)
    }

    /// Notes a change. May be called under a lock.
    pub(in crate::server) fn observe_change(&self, change: impl FnOnce() -> Change) {
        if self.is_watched()
            && !(take(&self.changes) && self.notes.try_send(Note::Change(change())).is_ok())
        {
            self.is_incomplete.store(true, Ordering::Relaxed);
        }
    }

    /// Notes an event of a client.
    pub(in crate::server) fn observe_event(
        &self,
        namespace: &Arc<str>,
        id: SocketId,
        event: &Event,
    ) {
        if self.is_watched() && *namespace != self.namespace && take(&self.events) {
            let args = Some(&event.args).filter(|args| args.size() <= MAX_ARGS).cloned();
            let (namespace, name) = (namespace.clone(), event.name.clone());
            // An event that does not fit is not shown.
            let _ = self.notes.try_send(Note::Event { namespace, id, name, args });
        }
    }
}

/// Takes one of what is left.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::reason::DisconnectReason;

    fn change() -> Change {
        let reason = DisconnectReason::TransportClose;
        Change::Disconnected { namespace: "/".into(), id: SocketId::random(), reason }
    }

    #[test]
    fn observer_notes_nothing_unless_a_ui_is_connected() {
        let (observer, mut notes) = Observer::new("/admin".into(), true);
        observer.observe_change(|| panic!("nobody looks"));
        observer.watch();
        observer.observe_change(change);
        assert!(notes.try_recv().is_ok());
        observer.unwatch_if(|| true);
        observer.observe_change(|| panic!("nobody looks"));
        assert!(!observer.take_incomplete());
        let (numbers_only, _notes) = Observer::new("/admin".into(), false);
        numbers_only.watch();
        numbers_only.observe_change(|| panic!("numbers only"));
    }

    #[test]
    fn observer_notes_so_much_a_second_and_says_that_changes_are_missing() {
        let (observer, mut notes) = Observer::new("/admin".into(), true);
        observer.watch();
        let event = |args: &str| Event {
            name: "event".into(),
            args: Args::json(args.to_owned().into(), 0),
            ack_id: None,
        };
        let id = SocketId::random();
        for _ in 0..2 * PER_SECOND {
            observer.observe_event(&"/".into(), id, &event("[1]"));
        }
        assert!(!observer.take_incomplete(), "events may be missing");
        for _ in 0..2 * PER_SECOND {
            observer.observe_change(change);
        }
        assert!(observer.take_incomplete() && !observer.take_incomplete());
        assert_eq!(notes.len(), 2 * PER_SECOND as usize);
        while notes.try_recv().is_ok() {}
        observer.refill();
        observer.observe_event(&"/".into(), id, &event(&format!("[\"{}\"]", "a".repeat(MAX_ARGS))));
        let args = notes.try_recv().map(|note| matches!(note, Note::Event { args: None, .. }));
        assert!(args.expect("a note"), "arguments that are too long are left out");
        observer.observe_event(&"/admin".into(), id, &event("[]"));
        assert!(notes.is_empty(), "what the UI sends is not shown");
    }
}
