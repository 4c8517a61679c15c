//! `fdx`: WebSocket on the command line.
#![forbid(unsafe_code)]
// This is a program that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]
// Doc comments of arguments are help texts for a terminal, not Markdown.
#![allow(clippy::doc_markdown)]

/// Writes a line to standard error. Ignores a failure, as there is nowhere to report it.
macro_rules! report {
    ($($message:tt)*) => {
        crate::base::stderr::report_line(&format!($($message)*))
    };
}

mod base;
mod causes;
mod client;
mod config;
mod connect;
mod curl;
mod explain;
mod forward;
mod frames;
mod help;
mod inspect;
mod listen;
mod ping;
mod pipes;
mod record;
mod relay;
mod replay;
mod screen;
mod serve;
mod session;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use self::base::escape::printable;
use self::base::{deflate, secrets, stderr};
use self::client::url::looks_like_url;
use self::config::ConfigError;

/// WebSocket on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "fdx",
    version,
    about,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
fdx URL is fdx connect URL, fdx @NAME is fdx connect @NAME."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one value of it")]
enum Command {
    /// Serve echo, broadcast and a web page on one port
    Serve(serve::Args),
    /// Connect to a WebSocket and talk on standard input and output
    Connect(connect::Args),
    /// Connect as a command of curl says, such as one copied from a browser's tools
    Curl(curl::Args),
    /// Explain what happens on the way to a WebSocket, who answers, and what to change
    Explain(explain::Args),
    /// Measure round trips of a WebSocket by Pings
    Ping(ping::Args),
    /// Wait for clients, show what they send, and answer by typing
    Listen(listen::Args),
    /// Carry TCP connections or Unix sockets by WebSockets, and back
    Forward(forward::Args),
    /// Show what clients and a server send each other, as a relay between them
    Inspect(inspect::Args),
    /// Connect as fdx connect does, and record all bytes in a file
    Record(record::Args),
    /// Send what a recorded client or server sent again, and tell what differs
    Replay(replay::Args),
    /// Print the help of a command or a topic
    Help(help::HelpArgs),
    /// Print the completions of a shell
    Completions(help::CompletionsArgs),
    /// Print a manual page, or write all of them to a folder
    Man(help::ManArgs),
}

fn main() -> ExitCode {
    let code = run();
    stderr::finish();
    code
}

fn run() -> ExitCode {
    let words = match forward::with_serve(with_connect(std::env::args_os())) {
        Ok(words) => words,
        Err(why) => {
            report!("fdx forward: {}", printable(&why));
            return ExitCode::from(2);
        }
    };
    let cli = match parse(&words) {
        Ok(cli) => cli,
        Err(ConfigError::Usage(error)) => exit_with(&error),
        Err(ConfigError::File(why)) => {
            report!("fdx: {}", printable(&why));
            return ExitCode::from(1);
        }
    };
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(args),
        Command::Curl(args) => curl::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Ping(args) => ping::run(&args),
        Command::Listen(args) => listen::run(args),
        Command::Forward(args) => forward::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Record(args) => record::run(args),
        Command::Replay(args) => replay::run(&args),
        Command::Help(args) => help::help(&args, Cli::command()),
        Command::Completions(args) => help::completions(&args, Cli::command()),
        Command::Man(args) => help::man(&args, Cli::command()),
    }
}

/// Parses the command line, with the options of the file or the profile that it names.
fn parse(words: &[OsString]) -> Result<Cli, ConfigError> {
    let matches = Cli::command().try_get_matches_from(words)?;
    let merged = match matches.subcommand() {
        Some(("serve", given)) => serve::with_file(Cli::command, words, given)?,
        Some((name, given)) => config::with_profile(Cli::command, name, words, given)?,
        None => None,
    };
    Ok(Cli::from_arg_matches(&merged.unwrap_or(matches))?)
}

/// Returns the words of the command line, with the command `connect` in front if they begin with a
/// URL, a profile's `@NAME`, or one of its options.
fn with_connect(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = args.collect();
    let first = words.get(1).map(|word| word.to_string_lossy());
    let is_connect = first.is_some_and(|word| match &*word {
        "-h" | "--help" | "-V" | "--version" => false,
        word => word.starts_with('-') || looks_like_url(word),
    });
    if is_connect {
        words.insert(1, "connect".into());
    }
    words
}

/// Returns the words of the command line; bytes that are not UTF-8 are replaced.
fn args() -> impl Iterator<Item = String> {
    std::env::args_os().map(|arg| arg.to_string_lossy().into_owned())
}

/// Prints what is wrong with the command line, or the help that it asks for, and exits.
fn exit_with(error: &clap::Error) -> ! {
    if error.use_stderr()
        && let Some(hint) = deflate::hint(args())
    {
        report!("error: {hint}");
        stderr::finish();
        std::process::exit(2);
    }
    if error.use_stderr() {
        report!("{}", secrets::usage_error(error).trim_end());
        stderr::finish();
        std::process::exit(2);
    }
    error.exit()
}
