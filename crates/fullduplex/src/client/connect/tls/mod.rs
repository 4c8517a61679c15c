//! TLS by rustls.

pub(crate) mod explain;
mod handshake;
mod settings;
mod verifier;

pub(crate) use handshake::LazyTls;
pub use settings::{ClientTls, RootCertificates};
