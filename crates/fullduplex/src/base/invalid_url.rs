//! The error for a URL that can't be connected to.

use crate::base::error::{Error, ErrorKind};

/// Creates an error that shows the URL without its password.
pub(crate) fn invalid_url(url: &str, fault: &str) -> Error {
    let shown = match url.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}"),
        None => url.to_owned(),
    };
    Error::new(ErrorKind::Misuse, format!("{shown:?}: {fault}"))
}
