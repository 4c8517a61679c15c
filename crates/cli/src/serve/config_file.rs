//! The options of `fdx serve` in a file: TOML, its keys the long names of the options.
//!
//! What the file says is put behind what the command line says, as further options, and is
//! read by the same rules. What the command line says of something is taken in place of all
//! that the file says of it: also of options that exclude those that are given, as
//! `--any-origin` does `origin`.

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

/// Reads the command line again, with the options of the file behind it that it does not
/// have itself. `text` is what stands in the file.
pub(crate) fn with_file(
    mut command: Command,
    given: impl Iterator<Item = OsString>,
    file: &Path,
    text: &str,
) -> Result<ArgMatches, Error> {
    command.build();
    let given: Vec<OsString> = given.collect();
    let matches = command.clone().try_get_matches_from(&given)?;
    let usage = |why: String| Error::raw(ErrorKind::ValueValidation, why + "\n");
    let shown = file.display();
    let options = Options { command: &command, text };
    let more = options.read(|id| {
        let serve = matches.subcommand_matches(SERVE);
        serve.is_some_and(|serve| serve.value_source(id) == Some(ValueSource::CommandLine))
    });
    let more = more.map_err(|(line, why)| usage(format!("{shown}, line {line}: {why}")))?;
    let all = command.clone().try_get_matches_from(given.into_iter().chain(more));
    // Each option by itself is right, and so are those of the command line together.
    all.map_err(|error| {
        let said = error.to_string();
        let said = said.split("\n\n").next().unwrap_or_default();
        usage(format!("{shown}: {}", said.strip_prefix("error: ").unwrap_or(said)))
    })
}

/// A line of the file, and what is wrong there.
type ConfigError = (usize, String);

struct Options<'a> {
    command: &'a Command,
    text: &'a str,
}

impl Options<'_> {
    /// The file as options, without those that are `given`.
    fn read(&self, given: impl Fn(&str) -> bool) -> Result<Vec<OsString>, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (self.line(at), error.message().to_owned())
        })?;
        let mut options = Vec::new();
        for (key, value) in table.get_ref() {
            let line = self.line(key.span().start);
            let name: &str = key.get_ref();
            let arg = self.arg(name).map_err(|why| (line, why))?;
            let mut own = Vec::new();
            for (value, at) in values(arg, value) {
                let line = self.line(at);
                let option =
                    option(arg, name, value).map_err(|why| (line, format!("{name}: {why}")))?;
                if let Some(option) = option {
                    self.check(name, &option).map_err(|why| (line, why))?;
                    own.push(option.into());
                }
            }
            if !given(arg.get_id().as_str()) && !self.excluding(arg).any(&given) {
                options.extend(own);
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
            format!("{name} is no option; there are {}", names.join(", "))
        })
    }

    /// The options that can't stand beside this one.
    fn excluding<'c>(&'c self, arg: &'c Arg) -> impl Iterator<Item = &'c str> {
        let serve = self.command.find_subcommand(SERVE);
        let all = serve.into_iter().flat_map(Command::get_arguments);
        let excludes = move |a: &Arg, b: &Arg| {
            let conflicts = serve.map(|serve| serve.get_arg_conflicts_with(a));
            conflicts.is_some_and(|all| all.iter().any(|other| other.get_id() == b.get_id()))
        };
        all.filter(move |other| excludes(arg, other) || excludes(other, arg))
            .map(|other| other.get_id().as_str())
    }

    /// Whether an option would do by itself; what it needs beside it is seen later.
    fn check(&self, name: &str, option: &str) -> Result<(), String> {
        let words = [self.command.get_name(), SERVE, option];
        match self.command.clone().try_get_matches_from(words) {
            Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => {
                let said = error.to_string();
                let first = said.lines().next().unwrap_or_default();
                let why = first.rsplit_once("': ").map_or(first, |(_, why)| why);
                Err(format!("{name}: {why}"))
            }
            _ => Ok(()),
        }
    }
}

/// The values of an option that may be repeated, or the one.
fn values<'a, 'i>(arg: &Arg, value: &'a Spanned<DeValue<'i>>) -> Vec<(&'a DeValue<'i>, usize)> {
    match value.get_ref() {
        DeValue::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
            values.iter().map(|value| (value.get_ref(), value.span().start)).collect()
        }
        one => vec![(one, value.span().start)],
    }
}

/// As it would stand on the command line; none for `false`.
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
            let mut wanted = String::new();
            let _ = match (is_switch, is_number, may_be_bare) {
                (true, ..) => write!(wanted, "true or false"),
                (_, true, _) => write!(wanted, "a number"),
                (_, _, true) => write!(wanted, "a string, true or false"),
                _ if matches!(arg.get_action(), ArgAction::Append) => {
                    write!(wanted, "a string, or an array of strings")
                }
                _ => write!(wanted, "a string"),
            };
            Err(format!("it wants {wanted}, not {}", other.type_str()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// The options of a file.
    fn read(text: &str, given: &str) -> Result<Vec<OsString>, ConfigError> {
        let mut command = crate::Cli::command();
        command.build();
        Options { command: &command, text }.read(|id| id == given)
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
            ("h4 = true", 1, "h4 is no option; there are listen"),
            ("config = 'x'", 1, "config is no option"),
            ("\n\nh2 = 'yes'", 3, "h2: it wants true or false, not string"),
            ("drain = '1'", 1, "drain: it wants a number"),
            ("drain = 1e9", 1, "drain: a number of seconds"),
            ("listen = [\n'[::]:1',\n'x',\n]", 3, "listen: an address and a port"),
            ("listen = [1]", 1, "listen: it wants a string, or an array of strings"),
            ("root = ['a']", 1, "root: it wants a string, not array"),
            ("max-connections = -1", 1, "max-connections: "),
            ("deflate = 'fast'", 1, "deflate: \"fast\" is not one of"),
            ("h2 = true\nh2 = true", 2, "duplicate key"),
            ("[h2]", 1, "h2: it wants true or false, not table"),
        ] {
            let (at, why) = read(text, "").unwrap_err();
            assert!(at == line && why.contains(names), "{text}: {at}: {why}");
        }
        // Each of a pair by itself is right.
        assert_eq!(read("tls-cert = 'a'", "").unwrap(), ["--tls-cert=a"]);
    }
}
