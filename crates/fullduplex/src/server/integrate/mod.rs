//! WebSockets in servers of hyper and in front of tower services.

#[cfg(feature = "tower")]
pub(crate) mod layer;
#[cfg(feature = "hyper")]
pub(crate) mod rejection;
#[cfg(feature = "hyper")]
pub(crate) mod upgrade;
