//! The Basic authentication scheme (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Returns the value of an `Authorization` field for a user and password (RFC 7617 §2).
pub(crate) fn basic_auth(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
