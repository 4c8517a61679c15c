//! A process and its process group, of which nothing is left behind.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::environment::{self, Variables};

/// A process that leads a process group. When it is dropped, the whole group is killed.
pub(super) struct Process {
    // Killed before the child is reaped, while the group's id is certainly its own.
    group: Group,
    child: Child,
}

/// The standard streams of a process.
pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Process {
    /// Starts a shell command with these variables.
    pub(super) fn spawn(command: &str, variables: Variables) -> io::Result<(Self, Pipes)> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).process_group(0).kill_on_drop(true);
        for name in environment::inherited() {
            shell.env_remove(name);
        }
        shell.envs(variables);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = shell.spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let group = Group(id);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("there are no pipes"));
        };
        Ok((Self { group, child }, Pipes { stdin, stdout, stderr }))
    }

    /// Waits for the end of the process. Cancelling it loses nothing.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Waits for the end of the process: for the time of `grace`, again after SIGTERM to the group,
    /// then after SIGKILL.
    pub(super) async fn end(&mut self, grace: Duration) -> io::Result<ExitStatus> {
        for signal in [Signal::TERM, Signal::KILL] {
            match timeout(grace, self.child.wait()).await {
                Ok(status) => return status,
                Err(_) => self.group.send(signal),
            }
        }
        self.child.wait().await
    }

    /// Kills what is left of the group.
    pub(super) fn kill(&mut self) {
        self.group.kill();
    }
}

/// A process group, killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        if let Some(id) = self.0 {
            // There may be no process left in it.
            let _ = kill_process_group(id, signal);
        }
    }

    fn kill(&mut self) {
        self.send(Signal::KILL);
        // Another group may get the id.
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says how a process ended, if it failed.
pub(super) fn failure(status: &io::Result<ExitStatus>) -> Option<String> {
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(match (status.code(), status.signal()) {
            (Some(code), _) => format!("the command failed: exit status {code}"),
            (_, Some(signal)) => format!("the command was ended by signal {signal}"),
            _ => "the command failed".into(),
        }),
        Err(_) => Some("the command failed".into()),
    }
}
