//! Options that are valid one by one, but make no client.

use std::fmt;
use std::path::Path;

use fullduplex::{Error, ErrorKind};

use super::{ConnectOutcome, with_option_names};
use crate::base::escape::printable;

/// The error of building a client from the options of the command line.
#[derive(Debug)]
pub(crate) enum SetupError {
    /// The options contradict each other, or one is not valid.
    Usage(String),
    /// A file is missing, or can't be used.
    File(String),
}

impl SetupError {
    pub(super) fn of_file(option: &str, path: &Path, why: impl fmt::Display) -> Self {
        Self::File(format!("{option}: {}: {why}", path.display()))
    }

    /// Returns the exit code for it.
    pub(crate) fn outcome(&self) -> ConnectOutcome {
        match self {
            Self::Usage(_) => ConnectOutcome::Usage,
            Self::File(_) => ConnectOutcome::LocalIo,
        }
    }
}

impl From<Error> for SetupError {
    fn from(error: Error) -> Self {
        let text = with_option_names(&error);
        // Errors of the TLS settings are errors of their files.
        if error.kind() == ErrorKind::Tls { Self::File(text) } else { Self::Usage(text) }
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(text) | Self::File(text)) = self;
        f.write_str(&printable(text))
    }
}
