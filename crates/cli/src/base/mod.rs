//! What the commands share: parsers of option values, escapes for a terminal, signals,
//! standard error.

pub(crate) mod accept;
pub(crate) mod deflate;
pub(crate) mod escape;
pub(crate) mod files;
pub(crate) mod layout;
pub(crate) mod lines;
pub(crate) mod pem;
pub(crate) mod records;
pub(crate) mod redact;
pub(crate) mod secrets;
pub(crate) mod signals;
pub(crate) mod stderr;
pub(crate) mod values;
