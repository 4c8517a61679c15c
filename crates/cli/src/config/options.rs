//! Options of a command in a table of TOML, whose keys are the long names of the options.
//!
//! They become words of a command line, and are parsed by the same rules.

use std::any::TypeId;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Error};
use fullduplex::client::HttpVersion;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::Source;
use crate::base::secrets;

/// A reader of the options of a command.
pub(crate) struct OptionReader<'a, 's> {
    /// The definition of the command, which is built.
    pub(crate) command: &'a Command,
    pub(crate) source: Source<'s>,
    /// What stands before each key, such as `profile.feed.`.
    pub(crate) section: &'s str,
    /// Options that a file can't set.
    pub(crate) excluded: &'s [&'s str],
    /// Keys that are not options, for the text of errors.
    pub(crate) more_keys: &'s [&'s str],
}

/// An option of a file.
pub(crate) struct FileOption<'a> {
    pub(crate) arg: &'a Arg,
    /// The values; `None` is the option without one.
    pub(crate) values: Vec<Option<OsString>>,
}

impl FileOption<'_> {
    /// Returns the words of a command line.
    pub(crate) fn words(&self) -> impl Iterator<Item = OsString> {
        self.values.iter().map(|value| word(self.arg, value.as_deref()))
    }

    /// Makes relative paths begin at the folder of the file.
    pub(super) fn resolve_paths(&mut self, source: Source<'_>) {
        let is_path = self.arg.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let names = self.arg.get_value_names().unwrap_or_default();
        let may_be_file = names.iter().any(|name| name.ends_with("@FILE"));
        for value in self.values.iter_mut().flatten() {
            let Some(text) = value.to_str() else { continue };
            match text.strip_prefix('@') {
                _ if is_path => *value = source.path(text).into(),
                Some(file) if may_be_file && !file.is_empty() && !file.starts_with('@') => {
                    let mut resolved = OsString::from("@");
                    resolved.push(source.path(file));
                    *value = resolved;
                }
                _ => {}
            }
        }
    }
}

impl<'a> OptionReader<'a, '_> {
    /// Returns the options of a table.
    ///
    /// # Errors
    /// Fails with the file, the line and the key.
    pub(crate) fn read(&self, table: &DeTable<'_>) -> Result<Vec<FileOption<'a>>, String> {
        let is_option = |name: &str| !self.more_keys.contains(&name);
        let options = table.iter().filter(|(key, _)| is_option(key.get_ref()));
        options.map(|(key, value)| self.option(key, value)).collect()
    }

    fn option(
        &self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<FileOption<'a>, String> {
        let name: &str = key.get_ref();
        let at_key = |why: String| self.source.at(key.span().start, why);
        let arg = self.arg(name).map_err(at_key)?;
        let mut read = Vec::new();
        for (value, at) in values(arg, value) {
            let named =
                |why: String| self.source.at(at, format_args!("{}{name}: {why}", self.section));
            let value = ValueKind::of(arg).value(arg, value).map_err(named)?;
            let value = match value {
                Given::Off => continue,
                Given::Bare => None,
                Given::Value(text) => Some(OsString::from(text)),
            };
            self.check(arg, &word(arg, value.as_deref())).map_err(named)?;
            read.push(value);
        }
        Ok(FileOption { arg, values: read })
    }

    fn arg(&self, name: &str) -> Result<&'a Arg, String> {
        let is_excluded =
            |id: &str| matches!(id, "help" | "version") || self.excluded.contains(&id);
        let all = || self.command.get_arguments().filter(|arg| !is_excluded(arg.get_id().as_str()));
        all().find(|arg| arg.get_long() == Some(name)).ok_or_else(|| {
            let names = self.more_keys.iter().map(ToString::to_string);
            let options = all().filter_map(Arg::get_long).map(str::to_owned);
            let names: Vec<String> = names.chain(options).collect();
            let section = self.section;
            format!("{section}{name} is not an option; the options are {}", names.join(", "))
        })
    }

    /// Checks an option without the others; what it requires is checked with all of them.
    fn check(&self, arg: &Arg, word: &OsStr) -> Result<(), String> {
        let words = [OsStr::new(self.command.get_name()), word];
        match self.command.clone().try_get_matches_from(words) {
            Err(error) if error.kind() == ErrorKind::InvalidValue => {
                let names = arg.get_possible_values();
                let names: Vec<_> = names.iter().map(PossibleValue::get_name).collect();
                Err(format!("one of {}", names.join(", ")))
            }
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                let text = secrets::usage_error(&error);
                let first = text.lines().next().unwrap_or_default();
                Err(first.rsplit_once("': ").map_or(first, |(_, why)| why).to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Returns whether the command line gives this option of the command, or one that conflicts.
pub(crate) fn is_overridden(command: &Command, arg: &Arg, given: &ArgMatches) -> bool {
    let conflicts = |a: &Arg, b: &Arg| {
        command.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id())
    };
    let mut others = command.get_arguments().filter(|other| {
        other.get_id() == arg.get_id() || conflicts(arg, other) || conflicts(other, arg)
    });
    others.any(|other| is_given(given, other.get_id().as_str()))
}

/// Returns whether an option stands on the command line.
pub(super) fn is_given(given: &ArgMatches, id: &str) -> bool {
    // It is an error to ask for an option that the command does not have.
    given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine)
}

/// Returns what is wrong with a command line, in a line and without values.
pub(crate) fn combination_error(error: &Error) -> String {
    let text = secrets::usage_error(error);
    let first = text.split("\n\n").next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

fn word(arg: &Arg, value: Option<&OsStr>) -> OsString {
    let mut word = OsString::from(format!("--{}", arg.get_long().unwrap_or_default()));
    if let Some(value) = value {
        word.push("=");
        word.push(value);
    }
    word
}

/// Returns the values of an option with their offsets: one, or the elements of an array.
fn values<'a, 'i>(arg: &Arg, value: &'a Spanned<DeValue<'i>>) -> Vec<(&'a DeValue<'i>, usize)> {
    match value.get_ref() {
        DeValue::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            values.iter().map(|value| (value.get_ref(), value.span().start)).collect()
        }
        one => vec![(one, value.span().start)],
    }
}

/// What an option's value in TOML means.
enum Given {
    Off,
    Bare,
    Value(String),
}

/// What values an option has in TOML.
#[derive(Clone, Copy)]
enum ValueKind {
    Switch,
    Number,
    /// A number of seconds, or a string with a unit.
    Time,
    Text,
    NumberOrText,
    /// A string, or only that the option is there.
    OptionalText,
}

impl ValueKind {
    fn of(arg: &Arg) -> Self {
        let kind = arg.get_value_parser().type_id();
        let is_one_of = |types: &[TypeId]| types.iter().any(|one| kind == *one);
        match () {
            () if !arg.get_action().takes_values() => Self::Switch,
            () if is_one_of(&[TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<usize>()]) => {
                Self::Number
            }
            () if is_one_of(&[TypeId::of::<Duration>(), TypeId::of::<f64>()]) => Self::Time,
            () if is_one_of(&[TypeId::of::<HttpVersion>()]) => Self::NumberOrText,
            () if arg.get_num_args().is_some_and(|range| range.min_values() == 0) => {
                Self::OptionalText
            }
            () => Self::Text,
        }
    }

    fn value(self, arg: &Arg, value: &DeValue<'_>) -> Result<Given, String> {
        let has_text = matches!(self, Self::Text | Self::NumberOrText | Self::OptionalText);
        let has_integer = matches!(self, Self::Number | Self::Time | Self::NumberOrText);
        let may_be_bare = matches!(self, Self::Switch | Self::OptionalText);
        let text = match value {
            DeValue::Boolean(true) if may_be_bare => return Ok(Given::Bare),
            DeValue::Boolean(false) if may_be_bare => return Ok(Given::Off),
            DeValue::String(text) if has_text => Some((**text).to_owned()),
            DeValue::String(text) if matches!(self, Self::Time) && text.parse::<f64>().is_err() => {
                Some((**text).to_owned())
            }
            DeValue::Integer(number) if has_integer && number.radix() == 10 => {
                Some(number.to_string())
            }
            DeValue::Float(number) if matches!(self, Self::Number | Self::Time) => {
                Some(number.to_string())
            }
            _ => None,
        };
        text.map(Given::Value).ok_or_else(|| {
            let is_list = matches!(arg.get_action(), ArgAction::Append);
            let expected = match self {
                Self::Switch => "true or false",
                Self::Number => "a number",
                Self::Time => "a number, or a string with a unit, such as '30s'",
                Self::OptionalText => "a string, true or false",
                Self::NumberOrText => "a number or a string",
                Self::Text if is_list => "a string, or an array of strings",
                Self::Text => "a string",
            };
            format!("expected {expected}, not {}", value.type_str())
        })
    }
}
