//! The WebSockets that are open on a server, to tell all of them that it goes away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fullduplex_proto::CloseInfo;

use crate::base::registry::Registry;
use crate::connection::driver::Driven;
use crate::connection::stats::Traffic;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::carrying::Carried;
use crate::server::state::connection_limit::Slot;
use crate::server::state::lifecycle::Shared;
use crate::server::state::panics::{SUBSCRIBER, caught};
use crate::server::state::stats::End;
use crate::server::state::trace;
use crate::server::state::trace::Span;

/// The open WebSockets.
#[derive(Default)]
pub(crate) struct Members(Mutex<Registry<Weak<dyn Driven>>>);

impl Members {
    fn lock(&self) -> MutexGuard<'_, Registry<Weak<dyn Driven>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// What went over those that are open now.
    pub(crate) fn traffic(&self) -> Traffic {
        let mut all = Traffic::default();
        self.all().iter().for_each(|open| all.add(open.traffic()));
        all
    }

    /// All that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn Driven>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }
}

/// What a connection takes up of a server; its WebSockets hold it too.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) shared: Arc<Shared>,
    pub(crate) slot: Option<Slot>,
    /// What a WebSocket has of a connection that carries more than it. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    carried: Option<Box<Carried>>,
}

impl Place {
    pub(crate) fn new(shared: Arc<Shared>, slot: Slot) -> Self {
        Self {
            shared,
            slot: Some(slot),
            #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
            carried: None,
        }
    }

    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn carried(shared: Arc<Shared>, carried: Carried) -> Self {
        Self { shared, slot: None, carried: Some(Box::new(carried)) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Given back before anybody looks.
        self.slot = None;
        #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
        drop(self.carried.take());
        self.shared.note_left();
    }
}

/// That a WebSocket is one of a server's.
pub(crate) struct Membership {
    place: Arc<Place>,
    key: u32,
    span: Span,
}

impl Membership {
    pub(crate) fn new(place: Arc<Place>, driven: Weak<dyn Driven>, span: Span) -> Self {
        let key = place.shared.members.lock().insert(driven);
        Self { place, key, span }
    }

    /// A keepalive ping was answered.
    pub(crate) fn round_trip(&self, took: Duration) {
        self.place.shared.record.round_trip(took);
    }

    /// The server whose it is.
    pub(crate) fn server(&self) -> &Arc<Shared> {
        &self.place.shared
    }

    /// It is closed, in this manner.
    pub(crate) fn end(self, info: Option<&CloseInfo>, traffic: Traffic) {
        let Self { place, key, span } = self;
        let shared = place.shared.clone();
        drop(shared.members.lock().remove(key));
        // Its connection's place is free when others learn that it has ended.
        drop(place);
        shared.note_end(End::of(info), traffic);
        let _ = caught(&shared, SUBSCRIBER, move || trace::closed(&span, info, &traffic));
    }
}
