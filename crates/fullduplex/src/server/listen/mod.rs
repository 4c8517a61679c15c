//! Where the server listens.

pub(crate) mod bind;
pub(crate) mod listen;
#[cfg(unix)]
pub(crate) mod systemd;
#[cfg(unix)]
pub(crate) mod unix;
