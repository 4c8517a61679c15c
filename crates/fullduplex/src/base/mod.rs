//! The foundations of all other modules: errors, addresses, deadlines, memory. Clients in a
//! browser need few of them.

#[cfg(all(feature = "client", not(target_family = "wasm")))]
pub(crate) mod at_step;
#[cfg(all(feature = "client", not(target_family = "wasm")))]
pub(crate) mod basic_auth;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod buffers;
#[cfg(all(any(feature = "client", feature = "server"), not(target_family = "wasm")))]
pub(crate) mod cidr;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod compression;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod coop;
#[cfg(all(
    feature = "_tls",
    any(feature = "client", feature = "server"),
    not(target_family = "wasm")
))]
pub(crate) mod crypto;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod deadline;
pub(crate) mod error;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod foreign_errors;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod guard;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod handshake_limits;
#[cfg(all(
    any(feature = "http2", feature = "http3", feature = "hyper"),
    not(target_family = "wasm")
))]
pub(crate) mod header_fields;
#[cfg(all(any(feature = "client", feature = "server"), not(target_family = "wasm")))]
pub(crate) mod histogram;
#[cfg(feature = "client")]
pub(crate) mod invalid_url;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod message_memory;
#[cfg(all(feature = "_tls", not(target_family = "wasm")))]
pub(crate) mod pem;
#[cfg(all(any(feature = "client", feature = "server"), not(target_family = "wasm")))]
pub(crate) mod protected_headers;
#[cfg(feature = "client")]
pub(crate) mod random;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod registry;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod rng;
pub(crate) mod setters;
#[cfg(all(any(feature = "client", feature = "server"), not(target_family = "wasm")))]
pub(crate) mod span;
pub(crate) mod stats;
#[cfg(feature = "client")]
pub(crate) mod subprotocols;
pub(crate) mod sync;
#[cfg(all(feature = "_tls", not(target_family = "wasm")))]
pub(crate) mod tls_text;
pub(crate) mod try_send_error;
#[cfg(all(feature = "client", not(target_family = "wasm")))]
pub(crate) mod uri;
#[cfg(all(feature = "_tls", feature = "server", not(target_family = "wasm")))]
pub(crate) mod x509_name;
