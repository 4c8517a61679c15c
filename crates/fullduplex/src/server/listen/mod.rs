//! The listeners of a server.

pub(crate) mod bind;
pub(crate) mod listener;
#[cfg(unix)]
pub(crate) mod systemd;
#[cfg(unix)]
pub(crate) mod unix;
