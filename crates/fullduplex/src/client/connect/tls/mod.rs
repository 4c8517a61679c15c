//! TLS by rustls.

pub(crate) mod explain;
mod handshake;
mod lazy;
mod settings;
mod verifier;

pub(crate) use lazy::LazyTls;
pub use settings::{ClientTls, RootCertificates};
