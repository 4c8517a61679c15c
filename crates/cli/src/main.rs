//! `fdx`: WebSocket on the command line.
#![forbid(unsafe_code)]
// This is a program that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]
// Doc comments of arguments are help texts for a terminal, not Markdown.
#![allow(clippy::doc_markdown)]

/// Writes a line to standard error. That nobody reads it is no fault.
macro_rules! tell {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($words)*);
    }};
}

mod connect;
mod deflate;
mod serve;
mod text;
mod values;
mod verbose;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// WebSocket on the command line.
#[derive(Debug, Parser)]
#[command(name = "fdx", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve echo, broadcast and a web page on one port
    Serve(serve::Args),
    /// Connect to a WebSocket and talk on standard input and output
    Connect(connect::Args),
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().and_then(|cli| match &cli.command {
        Command::Serve(args) => match &args.config {
            Some(file) => serve::with_file(Cli::command(), std::env::args_os(), file)
                .and_then(|matches| Cli::from_arg_matches(&matches)),
            None => Ok(cli),
        },
        Command::Connect(_) => Ok(cli),
    });
    let cli = cli.unwrap_or_else(|error| {
        if error.use_stderr()
            && let Some(hint) = deflate::hint(std::env::args())
        {
            eprintln!("error: {hint}");
            std::process::exit(2);
        }
        error.exit()
    });
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Connect(args) => connect::run(args),
    }
}
