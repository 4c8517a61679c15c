//! The opening handshake (RFC 6455 §4).

mod authority;
pub mod client;
mod extension;
mod grammar;
mod headers;
pub mod http1;
mod key;
pub mod server;

pub use extension::{
    Extension, ExtensionError, ExtensionFault, MAX_EXTENSIONS, MAX_PARAMS, NotToken, Param,
    parse_extensions,
};
pub use grammar::{is_token, list, list_contains};
pub use headers::HeaderSource;
pub use key::{AcceptValue, InvalidKey, SecKey};
