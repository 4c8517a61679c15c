//! `fdx curl`: `fdx connect` with the arguments of curl, as browsers' tools copy them.

mod finish;
mod options;
mod translate;
mod values;
mod words;

use std::ffi::OsString;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Command, CommandFactory as _, FromArgMatches as _, Parser};

use crate::base::escape::printable;
use crate::base::files::{read_settings, read_to_limit};
use crate::config::{ConfigError, Expansion, NamedProfile};
use crate::connect;

/// The most bytes of a command that is pasted at a terminal.
const MAX_COMMAND: u64 = 1 << 20;

/// The command line of `fdx curl`.
#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
In a browser's developer tools, choose \"Copy as cURL\" of a WebSocket, type fdx and a space, and
paste: fdx curl 'wss://…' -H '…' …

The fields that each handshake writes itself, such as Sec-WebSocket-Key, are left out, with a word
on standard error. Sec-WebSocket-Protocol becomes --subprotocol, and Sec-WebSocket-Extensions
becomes --deflate. Options that curl does not have and fdx connect has may follow, by their long
names: --send TEXT.

fdx curl - reads a copied command from standard input, and fdx curl @FILE from a file: of a POSIX
shell, of cmd.exe, or of PowerShell.

Exit codes are those of fdx connect.")]
pub(crate) struct Args {
    /// The arguments of curl, or - or @FILE for a command that was copied
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS OF CURL"
    )]
    arguments: Vec<OsString>,
}

/// The command line that the arguments of curl are translated to.
#[derive(Parser)]
#[command(name = "fdx curl")]
struct ConnectLine {
    #[command(flatten)]
    connect: connect::Args,
}

/// Connects as the command of curl says, and returns the exit code of `fdx connect`.
pub(crate) fn run(args: Args) -> ExitCode {
    match connect_args(args.arguments) {
        Ok(connect) => connect::run(connect),
        Err(CurlError::Arguments(why)) => {
            report!("fdx curl: {}", printable(&why));
            ExitCode::from(2)
        }
        Err(CurlError::Connect(ConfigError::Usage(error))) => crate::exit_with(&error),
        Err(CurlError::Connect(ConfigError::File(why))) => {
            report!("fdx: {}", printable(&why));
            ExitCode::from(1)
        }
        Err(CurlError::Read(why)) => {
            report!("fdx curl: {}", printable(&why));
            ExitCode::from(1)
        }
    }
}

/// Why there are no arguments of `fdx connect`.
enum CurlError {
    /// An argument of curl is not valid here.
    Arguments(String),
    /// A value, or a profile, is not valid for `fdx connect`.
    Connect(ConfigError),
    /// The copied command can't be read.
    Read(String),
}

fn connect_args(arguments: Vec<OsString>) -> Result<connect::Args, CurlError> {
    let arguments = copied(arguments)?;
    let mut command = ConnectLine::command();
    command.build();
    let translated = translate::translate(arguments, &command).map_err(CurlError::Arguments)?;
    for note in &translated.notes {
        report!("fdx curl: {}", printable(note));
    }
    let words: Vec<_> = std::iter::once("fdx curl".into()).chain(translated.words).collect();
    connect_line(&command, &words).map_err(CurlError::Connect)
}

/// Parses the command line, with the options of a profile that it names.
fn connect_line(command: &Command, words: &[OsString]) -> Result<connect::Args, ConfigError> {
    let mut matches = command.clone().try_get_matches_from(words)?;
    if let Some(named) = NamedProfile::of(&matches)? {
        let expansion = Expansion::of(&named, command, command, &matches)?;
        matches = expansion.parse(expansion.with_url(ConnectLine::command()), words, 1)?;
    }
    Ok(ConnectLine::from_arg_matches(&matches)?.connect)
}

/// Returns the arguments, with the words of a copied command in place of `-`, of `@FILE`, or of a
/// command that is one argument, as it is if it was pasted between quotes.
fn copied(arguments: Vec<OsString>) -> Result<Vec<OsString>, CurlError> {
    let Some(first) = arguments.first() else { return Ok(arguments) };
    let text = if first == "-" {
        read_standard_input()
            .map_err(|error| CurlError::Read(format!("standard input: {error}")))?
    } else if let Some(file) = first.to_str().and_then(|word| word.strip_prefix('@')) {
        read_settings(Path::new(file))
            .map_err(|error| CurlError::Read(format!("{file}: {error}")))?
    } else if words::is_command(first.as_encoded_bytes()) {
        first.as_encoded_bytes().to_vec()
    } else {
        return Ok(arguments);
    };
    let mut words = words::split(&text).map_err(CurlError::Arguments)?;
    words.extend(arguments.into_iter().skip(1));
    Ok(words)
}

/// Reads a copied command: of a terminal up to the line that ends it, so that what is typed next is
/// for the server; otherwise to the end.
fn read_standard_input() -> io::Result<Vec<u8>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return read_to_limit(stdin.lock());
    }
    let mut text = Vec::new();
    let mut input = stdin.lock().take(MAX_COMMAND);
    report!("fdx curl: paste the command");
    while input.read_until(b'\n', &mut text)? > 0 && !words::is_complete(&text) {}
    if text.len() as u64 == MAX_COMMAND {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}
