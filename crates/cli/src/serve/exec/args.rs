//! The options of `fdx serve` for the command that each WebSocket runs.

use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};

use crate::base::values;
use crate::pipes::Format;

/// The default of `--exec-grace`.
const DEFAULT_GRACE: Duration = Duration::from_secs(5);

/// The options of the command that each WebSocket runs.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Command")]
pub(in crate::serve) struct ExecArgs {
    /// Run this shell command for each WebSocket: what it prints is sent to the client, and what
    /// the client sends is its input
    ///
    /// At every path but /echo, /broadcast and /whoami. Its standard error goes to that of fdx,
    /// with the client's address. Environment variables describe the request, as with CGI. At the
    /// exit status 0 the WebSocket is closed with 1000, else with 1011. Only requests for IP
    /// addresses, localhost and the names of --host are answered.
    #[arg(long, value_name = "COMMAND", value_parser = command, conflicts_with = "forward")]
    pub(in crate::serve) exec: Option<String>,
    /// Form of the messages on the command's standard input and output
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "lines", requires = "exec")]
    pub(super) exec_format: Format,
    /// Seconds that the command has to end by itself when the client is gone and its input has
    /// ended, 5 by default; then it gets SIGTERM, and after the same time SIGKILL
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, requires = "exec")]
    exec_grace: Option<f64>,
    /// Commands that run at the same time; more clients are answered 503
    #[arg(long, value_name = "N", default_value_t = 1024, requires = "exec",
          value_parser = value_parser!(u32).range(1..=65_536))]
    pub(super) max_processes: u32,
}

impl ExecArgs {
    /// Returns how many processes run at the same time at most.
    pub(in crate::serve) fn processes(&self) -> u32 {
        if self.exec.is_some() { self.max_processes } else { 0 }
    }

    /// Returns how long the command may take to end by itself, and again after SIGTERM.
    pub(super) fn grace(&self) -> Duration {
        self.exec_grace.map_or(DEFAULT_GRACE, Duration::from_secs_f64)
    }
}

fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a command for the shell, such as 'cat' or './chat.sh --room 1'".into());
    }
    Ok(text.to_owned())
}
