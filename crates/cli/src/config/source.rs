//! Files of TOML, and where in them something is wrong.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::config_file;
use crate::base::escape::printable;
use crate::base::files::read_config;

/// The text of a file of TOML.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
}

impl<'a> Source<'a> {
    /// Parses the text.
    ///
    /// # Errors
    /// Fails with the file and the line.
    pub(crate) fn table(self) -> Result<DeTable<'a>, String> {
        let table = DeTable::parse(self.text);
        table
            .map(Spanned::into_inner)
            .map_err(|error| self.at(error.span().map_or(0, |span| span.start), error.message()))
    }

    /// Returns what is wrong at an offset of the text, with the file and the line.
    pub(crate) fn at(self, offset: usize, why: impl Display) -> String {
        let line = 1 + self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        printable(&format!("{}, line {line}: {why}", self.file.display()))
    }

    /// Returns a path of the file: one that is relative begins at its folder, `~/` at the home
    /// folder.
    pub(super) fn path(self, path: &str) -> PathBuf {
        match path.strip_prefix("~/").zip(std::env::home_dir()) {
            Some((rest, home)) => home.join(rest),
            None => self.file.parent().unwrap_or(Path::new("")).join(path),
        }
    }
}

/// The configuration file, if there is one.
pub(crate) struct ConfigFile {
    path: PathBuf,
    text: String,
}

impl ConfigFile {
    /// Reads the configuration file. Returns `None` if it does not exist.
    ///
    /// # Errors
    /// Fails with the file.
    pub(crate) fn load() -> Result<Option<Self>, String> {
        let Some(path) = config_file() else { return Ok(None) };
        match read_config(&path) {
            Ok(text) => Ok(Some(Self { path, text })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    pub(crate) fn source(&self) -> Source<'_> {
        Source { file: &self.path, text: &self.text }
    }
}

/// The sections of the configuration file.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub(super) messages: DeTable<'a>,
    pub(super) profiles: DeTable<'a>,
}

impl<'a> Sections<'a> {
    /// Parses the file.
    ///
    /// # Errors
    /// Fails with the file and the line, also of a section that is not known.
    pub(super) fn parse(source: Source<'a>) -> Result<Self, String> {
        let mut sections = Self::default();
        for (key, value) in source.table()? {
            let name: &str = key.get_ref();
            match (name, value.into_inner()) {
                ("message", DeValue::Table(named)) => sections.messages = named,
                ("profile", DeValue::Table(named)) => sections.profiles = named,
                _ => {
                    let known = "sections are [message.NAME] and [profile.NAME]";
                    let why = format!("{name} is not known; {known}");
                    return Err(source.at(key.span().start, why));
                }
            }
        }
        Ok(sections)
    }

    /// Returns the names of the profiles, safe to print.
    pub(super) fn profile_names(&self) -> Vec<String> {
        self.profiles.keys().map(|name| printable(name.get_ref())).collect()
    }
}
