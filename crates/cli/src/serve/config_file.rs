//! The options of `fdx serve` in a file: TOML, its keys the long names of the options.
//!
//! The file's options are appended to the command line. An option of the command line overrides the
//! file's, and those of the file that conflict with it, as `--any-origin` does with `origin`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};

use crate::base::files::{read_settings, text};
use crate::config::{
    ConfigError, FileOption, OptionReader, Source, combination_error, is_overridden,
};

const SERVE: &str = "serve";

/// Parses the command line again with the options of the file of `--config`; `None` without it.
/// `fdx` makes the definition of all commands.
pub(crate) fn with_file(
    fdx: fn() -> Command,
    words: &[OsString],
    given: &ArgMatches,
) -> Result<Option<ArgMatches>, ConfigError> {
    let Some(file) = given.get_one::<PathBuf>("config") else { return Ok(None) };
    let text = read_settings(file)
        .and_then(text)
        .map_err(|error| ConfigError::File(format!("{}: {error}", file.display())))?;
    let mut fdx = fdx();
    fdx.build();
    let Some(serve) = fdx.find_subcommand(SERVE) else { return Ok(None) };
    let options = options(serve, file, &text, given).map_err(|why| ConfigError::usage(&why))?;
    // Each option is valid, and so is the command line: the combination is not.
    let merged = fdx.clone().try_get_matches_from(words.iter().cloned().chain(options));
    merged.map(Some).map_err(|error| {
        ConfigError::usage(&format!("{}: {}", file.display(), combination_error(&error)))
    })
}

/// Returns the file's options as words of a command line, without the ones that it overrides.
fn options(
    serve: &Command,
    file: &Path,
    text: &str,
    given: &ArgMatches,
) -> Result<Vec<OsString>, String> {
    let source = Source { file, text };
    let reader =
        OptionReader { command: serve, source, section: "", excluded: &["config"], more_keys: &[] };
    let options = reader.read(&source.table()?)?;
    let options = options.iter().filter(|option| !is_overridden(serve, option.arg, given));
    Ok(options.flat_map(FileOption::words).collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn read(text: &str, given: &[&str]) -> Result<Vec<OsString>, String> {
        let mut fdx = crate::Cli::command();
        fdx.build();
        let serve = fdx.find_subcommand(SERVE).unwrap();
        let given = serve.clone().try_get_matches_from([&[SERVE], given].concat()).unwrap();
        options(serve, Path::new("c"), text, &given)
    }

    #[test]
    fn config_file_has_the_options_of_the_command_line() {
        let text = "listen = ['127.0.0.1:0', 'unix:/s']\nh2 = true\nlog = false\ndrain = 2.5\n\
                    workers = 1_0\ndeflate = true\norigin = 'https://a.example'\n";
        let mut options = read(text, &[]).unwrap();
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
        let options =
            read("listen = ['[::]:80']\nworkers = 1\n", &["--listen", "[::]:81"]).unwrap();
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
            let why = read(text, &[]).unwrap_err();
            let place = format!("c, line {line}: ");
            assert!(why.starts_with(&place) && why.contains(names), "{text}: {why}");
        }
        // One option of a pair that requires each other is valid.
        assert_eq!(read("tls-cert = 'a'", &[]).unwrap(), ["--tls-cert=a"]);
    }
}
