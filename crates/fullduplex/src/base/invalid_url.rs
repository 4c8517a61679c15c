//! The error for a URL that can't be connected to.

use crate::base::error::{Error, ErrorKind};

/// Creates an error that shows the URL without its password.
pub(crate) fn invalid_url(url: &str, fault: &str) -> Error {
    let shown = match url.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => url.to_owned(),
    };
    // The tables for escapes would make a page a tenth longer.
    #[cfg(target_family = "wasm")]
    let message = format!("\"{shown}\": {fault}");
    #[cfg(not(target_family = "wasm"))]
    let message = format!("{shown:?}: {fault}");
    Error::new(ErrorKind::Misuse, message)
}
