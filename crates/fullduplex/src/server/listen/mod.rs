//! The listeners of a server.

pub(crate) mod bind;
pub(crate) mod listener;
#[cfg(unix)]
pub(crate) mod systemd;
#[cfg(unix)]
pub(crate) mod unix;

pub use crate::transport::memory::{MemoryConnector, MemoryListener, memory};
pub use bind::{BACKLOG, bind};
pub use listener::Listener;
#[cfg(unix)]
pub use systemd::{ActivatedListener, ActivatedSocket, listeners_from_systemd};
#[cfg(unix)]
pub use unix::{UnixSocketFile, bind_unix};
