//! The configuration file, `fdx/config.toml` in the folder for the configuration of programs by the
//! XDG Base Directory Specification, and the options of commands in files of TOML.

mod messages;
mod options;
mod profile;
mod secrets;
mod source;

use std::path::PathBuf;

pub(crate) use self::messages::{SavedMessage, SavedMessages};
pub(crate) use self::options::{FileOption, OptionReader, combination_error, is_overridden};
pub(crate) use self::profile::{Expansion, NamedProfile, profile_names, with_profile};
pub(crate) use self::source::{ConfigFile, Source};

/// Why a file does not complete the command line.
#[derive(Debug)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    File(String),
    /// What is in the file is not valid, or not with the command line.
    Usage(clap::Error),
}

impl ConfigError {
    /// Returns the error of a file or a command line that is not valid.
    pub(crate) fn usage(why: &str) -> Self {
        Self::Usage(clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{why}\n")))
    }
}

impl From<clap::Error> for ConfigError {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

/// Returns where the configuration file is, or would be.
pub(crate) fn config_file() -> Option<PathBuf> {
    let folder = absolute_folder("XDG_CONFIG_HOME");
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("fdx/config.toml"))
}

/// Returns the folder that a variable names; relative ones do not count.
pub(crate) fn absolute_folder(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|folder| folder.is_absolute())
}
