//! An event that a client has sent.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::args::{Args, ArgsError};

/// An event that a client has sent.
#[derive(Clone)]
pub struct Event {
    pub(super) name: Arc<str>,
    pub(super) args: Args,
    pub(super) ack_id: Option<u64>,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Event {
    /// The name of the event.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deserializes the arguments, as [`Args::get`] does.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.args.get()
    }

    /// Whether the client asks for an acknowledgement.
    pub fn wants_ack(&self) -> bool {
        self.ack_id.is_some()
    }
}
