//! Where the server listens.

pub(crate) mod bind;
#[allow(clippy::module_inception, reason = "it is the file of `Listener`")]
pub(crate) mod listen;
#[cfg(unix)]
pub(crate) mod systemd;
#[cfg(unix)]
pub(crate) mod unix;
