//! WebSockets in servers that hyper runs, and in front of tower services.

#[cfg(feature = "tower")]
pub(crate) mod layer;
#[cfg(feature = "hyper")]
pub(crate) mod rejection;
#[cfg(feature = "hyper")]
pub(crate) mod upgrade;
