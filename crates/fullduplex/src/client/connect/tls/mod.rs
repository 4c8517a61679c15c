//! TLS for clients, with rustls.

pub(crate) mod client_cert;
mod config;
pub(crate) mod explain;
mod handshake;
mod key_log;
mod lazy;
mod roots;
mod settings;
mod verifier;

#[cfg(feature = "http3")]
pub(crate) use config::LoadedTls;
#[cfg(feature = "http3")]
pub(crate) use lazy::LazyPair;
pub(crate) use lazy::LazyTls;
pub use roots::RootCertificates;
pub use settings::ClientTls;
#[cfg(feature = "http3")]
pub(crate) use verifier::RecordingVerifier;
