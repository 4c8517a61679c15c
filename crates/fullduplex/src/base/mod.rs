//! The foundations of all other modules: errors, addresses, deadlines, memory.

#[cfg(feature = "client")]
pub(crate) mod at_step;
#[cfg(feature = "client")]
pub(crate) mod basic_auth;
pub(crate) mod buffers;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod cidr;
pub(crate) mod compression;
pub(crate) mod coop;
#[cfg(all(feature = "_tls", any(feature = "client", feature = "server")))]
pub(crate) mod crypto;
pub(crate) mod deadline;
pub(crate) mod error;
pub(crate) mod foreign_errors;
pub(crate) mod guard;
pub(crate) mod handshake_limits;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
pub(crate) mod header_fields;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod histogram;
pub(crate) mod message_memory;
#[cfg(feature = "_tls")]
pub(crate) mod pem;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod protected_headers;
pub(crate) mod registry;
pub(crate) mod rng;
pub(crate) mod setters;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) mod span;
pub(crate) mod sync;
#[cfg(feature = "_tls")]
pub(crate) mod tls_text;
#[cfg(feature = "client")]
pub(crate) mod uri;
#[cfg(all(feature = "_tls", feature = "server"))]
pub(crate) mod x509_name;
