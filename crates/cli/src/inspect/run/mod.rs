//! `fdx inspect run`: a command whose connections go through a proxy of its own.

mod browser;
mod environment;
mod files;
mod trust_store;

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex::server::tls::CertificateAuthority;
use tokio::process::{Child, Command};

use self::files::RunFiles;
use super::accept::Way;
use super::output::line;
use super::proxy::{HostPattern, Leaves, Proxy, authority};
use super::session::BoundSession;
use super::shared_args::SharedArgs;
use crate::base::signals::{EndSignal, EndSignals};
use crate::client::ConnectOutcome;
use crate::serve::listen::{Address, SystemdListeners};
use crate::serve::until_signal::{self, StartError};

/// The time for the connections of the command to end on their own after it.
const IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// The exit codes of shells for a command that is not found, and one that can't be started.
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;

/// The command line of `fdx inspect run`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The command gets the variables of a proxy (HTTP_PROXY and so on) and of an authority that only this
run has (SSL_CERT_FILE and so on). Browsers do not read them: Chromium, Chrome, Brave, Edge and
Firefox get a new profile and options in place of them. What the command writes to standard output
goes to standard error, so that standard output has the lines of fdx only.

Exit codes:
  N    that of the command; 128 and the number of the signal that ended it
  126  the command can't be started
  127  the command is not found")]
pub(crate) struct RunArgs {
    /// Look into the TLS of these hosts only, such as '*.example.com' (repeatable)
    #[arg(long, value_name = "PATTERN", value_parser = HostPattern::parse)]
    decrypt: Vec<HostPattern>,
    #[command(flatten)]
    shared: SharedArgs,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Runs the command to its end, and returns the exit code.
pub(in crate::inspect) fn run(args: &RunArgs) -> ExitCode {
    let listen = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let code = until_signal::run(&listen, |systemd| run_command(args, &listen, systemd));
    ExitCode::from(code.unwrap_or_else(|(why, outcome)| {
        report!("fdx inspect: {why}");
        outcome as u8
    }))
}

async fn run_command(
    args: &RunArgs,
    listen: &Address,
    mut systemd: SystemdListeners,
) -> Result<u8, StartError> {
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    // The command chooses the targets. The settings that depend on the URL are those of TLS, so any
    // URL with TLS does.
    let client = args.shared.client("wss://localhost/");
    let client = client.map_err(|error| (error.to_string(), error.outcome()))?;
    let session = BoundSession::new(&args.shared, listen, &mut systemd).map_err(of_system)?;
    let Some(Address::Tcp(own)) = session.addresses.first().cloned() else {
        return Err(of_system("there is no address of the proxy".into()));
    };
    let authority = CertificateAuthority::new(&authority::name());
    let authority = authority.map_err(|error| of_system(error.to_string()))?;
    // Removed at the end of this function.
    let files = RunFiles::new(&authority).map_err(|error| of_system(error.to_string()))?;
    let mut command = command(args, own, &authority, &files).map_err(of_system)?;
    let is_json = args.shared.json;
    if let Some(url) = &session.page {
        line(is_json, &format!("page at {url}"));
    }
    let decrypt = match &*args.decrypt {
        [] => vec![HostPattern::Any],
        some => some.to_vec(),
    };
    let leaves = Some(Leaves::new(authority));
    let proxy = Proxy { own: vec![own], decrypt, leaves };
    let mut signals = EndSignals::new();
    let session = session.start(client, Way::Proxy(proxy.into()));
    line(is_json, &format!("running {}, by the proxy http://{own}", args.command[0].display()));
    let code = match command.spawn() {
        Ok(mut child) => {
            let status = tokio::select! {
                status = wait(&mut child, &mut signals) => status,
                never = session.flush() => match never {},
            };
            session.wait_until_idle(IDLE_TIMEOUT).await;
            status.map(exit_code).map_err(|error| of_system(format!("the command: {error}")))
        }
        Err(error) => {
            report!("fdx inspect: {}: {error}", args.command[0].display());
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            Ok(if is_missing { NOT_FOUND } else { NOT_STARTED })
        }
    };
    session.end(&mut signals).await;
    code
}

/// Returns the command with its environment.
fn command(
    args: &RunArgs,
    own: SocketAddr,
    authority: &CertificateAuthority,
    files: &RunFiles,
) -> Result<Command, String> {
    let (program, words) = args.command.split_first().ok_or("there is no command")?;
    let mut command = Command::new(program);
    command.args(browser::options(program, own, authority, files)?);
    command.args(words);
    command.envs(environment::variables(own, files));
    command.stdout(stderr().map_err(|error| format!("standard error: {error}"))?);
    Ok(command)
}

/// Returns the standard error as the output of a command.
fn stderr() -> io::Result<Stdio> {
    #[cfg(unix)]
    return Ok(std::os::fd::AsFd::as_fd(&io::stderr()).try_clone_to_owned()?.into());
    #[cfg(windows)]
    return Ok(std::os::windows::io::AsHandle::as_handle(&io::stderr())
        .try_clone_to_owned()?
        .into());
    #[cfg(not(any(unix, windows)))]
    Ok(Stdio::inherit())
}

/// Waits for the end of the command, and passes signals on to it.
async fn wait(child: &mut Child, signals: &mut EndSignals) -> io::Result<ExitStatus> {
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status,
            signal = signals.next() => signal,
        };
        pass_on(child, signal);
    }
}

/// Sends a signal to the command too, unless the terminal has done so.
#[cfg(unix)]
fn pass_on(child: &Child, signal: EndSignal) {
    use std::io::IsTerminal as _;

    use rustix::process::{Pid, Signal, kill_process};

    let signal = match signal {
        // Ctrl-C is for all processes in the foreground.
        EndSignal::Interrupt if io::stdin().is_terminal() => return,
        EndSignal::Interrupt => Signal::INT,
        EndSignal::Terminate => Signal::TERM,
        EndSignal::HangUp => Signal::HUP,
    };
    let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(id) = id {
        // It may have ended just now.
        let _ = kill_process(id, signal);
    }
}

/// Does nothing: Ctrl-C is for all processes of the console.
#[cfg(not(unix))]
fn pass_on(_: &Child, _: EndSignal) {}

/// Returns the exit code of a command as shells have it.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
