//! `fdx help`, `fdx completions` and `fdx man`: all that is made from the definition of the
//! commands and their options.

mod topics;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args as ClapArgs, Command};
use clap_complete::Shell;

/// The command line of `fdx help`.
#[derive(Debug, ClapArgs)]
pub(crate) struct HelpArgs {
    /// A command, or a topic: exit-codes, environment, formats, profiles; without one, the list
    /// of both
    #[arg(value_name = "COMMAND|TOPIC")]
    word: Option<String>,
}

/// The command line of `fdx completions`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Where each shell finds them:
  bash  fdx completions bash > ~/.local/share/bash-completion/completions/fdx
  zsh   fdx completions zsh > ~/.zfunc/_fdx   with fpath+=~/.zfunc before compinit
  fish  fdx completions fish > ~/.config/fish/completions/fdx.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The command line of `fdx man`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
To read one at once: fdx man connect | man -l -")]
pub(crate) struct ManArgs {
    /// The command of which to print the page; without it, the page of fdx
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,
    /// Write the pages of all commands to this folder: fdx.1, fdx-connect.1 and so on
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints the help of a command or a topic, and returns the exit code. `fdx` is the definition of
/// all commands.
pub(crate) fn help(args: &HelpArgs, mut fdx: Command) -> ExitCode {
    fdx.build();
    let text = match &args.word {
        None => fdx.render_help().to_string() + &topics::list(),
        Some(word) => match (visible(&fdx, word), topics::text(&fdx, word)) {
            (Some(command), _) => command.clone().render_long_help().to_string(),
            (None, Some(text)) => text,
            (None, None) => {
                report!("fdx help: there is no command and no topic {word:?}");
                report!("{}", topics::list().trim());
                return ExitCode::from(2);
            }
        },
    };
    print_all(text.as_bytes())
}

/// Prints the completions of a shell, and returns the exit code.
pub(crate) fn completions(args: &CompletionsArgs, mut fdx: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut fdx, "fdx", &mut script);
    print_all(&script)
}

/// Prints or writes manual pages, and returns the exit code.
pub(crate) fn man(args: &ManArgs, mut fdx: Command) -> ExitCode {
    fdx.build();
    if let Some(folder) = &args.out {
        return match write_pages(folder, &fdx) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                report!("fdx man: {}: {error}", folder.display());
                ExitCode::from(1)
            }
        };
    }
    let command = match &args.command {
        None => &fdx,
        Some(name) => {
            let Some(command) = visible(&fdx, name) else {
                report!("fdx man: there is no command {name:?}");
                return ExitCode::from(2);
            };
            command
        }
    };
    let mut page = Vec::new();
    // Writing to memory does not fail.
    let _ = render_page(command, &mut page);
    print_all(&page)
}

/// Returns a command that the help lists.
fn visible<'a>(fdx: &'a Command, name: &str) -> Option<&'a Command> {
    fdx.find_subcommand(name).filter(|command| !command.is_hide_set())
}

fn render_page(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let command = command.clone().version(env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).manual("fdx").render(page)
}

/// Writes the pages of a command and of those below it.
fn write_pages(folder: &Path, fdx: &Command) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut page = Vec::new();
    render_page(fdx, &mut page)?;
    let name = fdx.get_display_name().unwrap_or(fdx.get_name());
    fs::write(folder.join(format!("{name}.1")), page)?;
    let mut commands = fdx.get_subcommands().filter(|command| !command.is_hide_set());
    commands.try_for_each(|command| write_pages(folder, command))
}

fn print_all(bytes: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            report!("fdx: standard output: {error}");
            ExitCode::from(1)
        }
        _ => ExitCode::SUCCESS,
    }
}
