//! The options of `fdx serve` in a file: TOML, its keys the long names of the options.
//!
//! The file's options are appended to the command line, and parsed by the same rules. An option of
//! the command line overrides the file's, and those of the file that conflict with it, as
//! `--any-origin` does with `origin`.

use std::any::TypeId;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use clap::error::{Error, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const SERVE: &str = "serve";

/// Parses the command line `args` again with the options of the file that it does not override
/// appended. `text` is the content of the file.
///
/// # Errors
/// Fails with the file's name, the line and the option.
pub(crate) fn with_file(
    mut command: Command,
    args: impl Iterator<Item = OsString>,
    file: &Path,
    text: &str,
) -> Result<ArgMatches, Error> {
    command.build();
    let args: Vec<OsString> = args.collect();
    let matches = command.clone().try_get_matches_from(&args)?;
    let usage = |why: String| Error::raw(ErrorKind::ValueValidation, why + "\n");
    let path = file.display();
    let options = ConfigFile { command: &command, text }.options(|id| {
        let serve = matches.subcommand_matches(SERVE);
        serve.is_some_and(|serve| serve.value_source(id) == Some(ValueSource::CommandLine))
    });
    let options = options.map_err(|(line, why)| usage(format!("{path}, line {line}: {why}")))?;
    let merged = command.clone().try_get_matches_from(args.into_iter().chain(options));
    // Each option is valid, and so is the command line: the combination is not.
    merged.map_err(|error| {
        let message = error.to_string();
        let message = message.split("\n\n").next().unwrap_or_default();
        usage(format!("{path}: {}", message.strip_prefix("error: ").unwrap_or(message)))
    })
}

/// A line number of the file, and what is wrong there.
type ConfigError = (usize, String);

/// A file of options, for a command that has them.
struct ConfigFile<'a> {
    command: &'a Command,
    text: &'a str,
}

impl ConfigFile<'_> {
    /// Returns the file's options as words of a command line, without the ones that it overrides.
    fn options(&self, is_overridden: impl Fn(&str) -> bool) -> Result<Vec<OsString>, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (self.line(at), error.message().to_owned())
        })?;
        let mut options = Vec::new();
        for (key, value) in table.get_ref() {
            let line = self.line(key.span().start);
            let name: &str = key.get_ref();
            let arg = self.arg(name).map_err(|why| (line, why))?;
            let mut words = Vec::new();
            for (value, at) in values(arg, value) {
                let line = self.line(at);
                let option =
                    option(arg, name, value).map_err(|why| (line, format!("{name}: {why}")))?;
                if let Some(option) = option {
                    self.check(name, &option).map_err(|why| (line, why))?;
                    words.push(option.into());
                }
            }
            let id = arg.get_id().as_str();
            if !is_overridden(id) && !self.conflicting(arg).any(&is_overridden) {
                options.extend(words);
            }
        }
        Ok(options)
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn arg(&self, name: &str) -> Result<&Arg, String> {
        let all = || {
            let serve = self.command.find_subcommand(SERVE);
            let all = serve.into_iter().flat_map(Command::get_arguments);
            all.filter(|arg| !matches!(arg.get_id().as_str(), "config" | "help" | "version"))
        };
        all().find(|arg| arg.get_long() == Some(name)).ok_or_else(|| {
            let names: Vec<_> = all().filter_map(Arg::get_long).collect();
            format!("{name} is not an option; the options are {}", names.join(", "))
        })
    }

    /// Returns the options that conflict with this one.
    fn conflicting<'c>(&'c self, arg: &'c Arg) -> impl Iterator<Item = &'c str> {
        let serve = self.command.find_subcommand(SERVE);
        let all = serve.into_iter().flat_map(Command::get_arguments);
        let conflicts_with = move |a: &Arg, b: &Arg| {
            let conflicts = serve.map(|serve| serve.get_arg_conflicts_with(a));
            conflicts.is_some_and(|all| all.iter().any(|other| other.get_id() == b.get_id()))
        };
        all.filter(move |other| conflicts_with(arg, other) || conflicts_with(other, arg))
            .map(|other| other.get_id().as_str())
    }

    /// Checks an option without the others; what it requires is checked with all of them.
    fn check(&self, name: &str, option: &str) -> Result<(), String> {
        let words = [self.command.get_name(), SERVE, option];
        match self.command.clone().try_get_matches_from(words) {
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                let why = first.rsplit_once("': ").map_or(first, |(_, why)| why);
                Err(format!("{name}: {why}"))
            }
            _ => Ok(()),
        }
    }
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

/// Returns the option as a word of the command line; `None` for `false`.
fn option(arg: &Arg, name: &str, value: &DeValue<'_>) -> Result<Option<String>, String> {
    let kind = arg.get_value_parser().type_id();
    let is_number = [TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<usize>()]
        .iter()
        .any(|number| kind == *number)
        || kind == TypeId::of::<std::time::Duration>();
    let is_switch = !arg.get_action().takes_values();
    let may_be_bare = is_switch || arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    match value {
        DeValue::Boolean(true) if may_be_bare => Ok(Some(format!("--{name}"))),
        DeValue::Boolean(false) if may_be_bare => Ok(None),
        DeValue::String(text) if !is_switch && !is_number => Ok(Some(format!("--{name}={text}"))),
        DeValue::Integer(number) if is_number && number.radix() == 10 => {
            Ok(Some(format!("--{name}={number}")))
        }
        DeValue::Float(number) if is_number => Ok(Some(format!("--{name}={number}"))),
        other => {
            let mut expected = String::new();
            let _ = match (is_switch, is_number, may_be_bare) {
                (true, ..) => write!(expected, "true or false"),
                (_, true, _) => write!(expected, "a number"),
                (_, _, true) => write!(expected, "a string, true or false"),
                _ if matches!(arg.get_action(), ArgAction::Append) => {
                    write!(expected, "a string, or an array of strings")
                }
                _ => write!(expected, "a string"),
            };
            Err(format!("expected {expected}, not {}", other.type_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn read(text: &str, given: &str) -> Result<Vec<OsString>, ConfigError> {
        let mut command = crate::Cli::command();
        command.build();
        ConfigFile { command: &command, text }.options(|id| id == given)
    }

    #[test]
    fn config_file_has_the_options_of_the_command_line() {
        let text = "listen = ['127.0.0.1:0', 'unix:/s']\nh2 = true\nlog = false\ndrain = 2.5\n\
                    workers = 1_0\ndeflate = true\norigin = 'https://a.example'\n";
        let mut options = read(text, "").unwrap();
        options.sort();
        let expected = [
            "--deflate",
            "--drain=2.5",
            "--h2",
            "--listen=127.0.0.1:0",
            "--listen=unix:/s",
            "--origin=https://a.example",
            "--workers=10",
        ];
        assert_eq!(options, expected);
        let options = read("listen = ['[::]:80']\nworkers = 1\n", "listen").unwrap();
        assert_eq!(options, ["--workers=1"]);
    }

    #[test]
    fn config_file_faults_are_named_with_their_line() {
        for (text, line, names) in [
            ("h4 = true", 1, "h4 is not an option; the options are listen"),
            ("config = 'x'", 1, "config is not an option"),
            ("\n\nh2 = 'yes'", 3, "h2: expected true or false, not string"),
            ("drain = '1'", 1, "drain: expected a number"),
            ("drain = 1e9", 1, "drain: a number of seconds"),
            ("listen = [\n'[::]:1',\n'x',\n]", 3, "listen: an address and a port"),
            ("listen = [1]", 1, "listen: expected a string, or an array of strings"),
            ("root = ['a']", 1, "root: expected a string, not array"),
            ("max-connections = -1", 1, "max-connections: "),
            ("deflate = 'fast'", 1, "deflate: \"fast\" is not one of"),
            ("h2 = true\nh2 = true", 2, "duplicate key"),
            ("[h2]", 1, "h2: expected true or false, not table"),
        ] {
            let (at, why) = read(text, "").unwrap_err();
            assert!(at == line && why.contains(names), "{text}: {at}: {why}");
        }
        // One option of a pair that requires each other is valid.
        assert_eq!(read("tls-cert = 'a'", "").unwrap(), ["--tls-cert=a"]);
    }
}
