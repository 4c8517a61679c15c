//! Running other programs.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Outcome, Tally};

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    // Worktrees that share a target folder share this program: the folder that it was compiled in
    // may be another's, while `cargo run` names the one that it runs in.
    let own = std::env::var_os("CARGO_MANIFEST_DIR");
    let own = own.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command in the project's folder.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command to its end; an error says what failed.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Runs a command to its end; returns what it printed if it succeeded.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{shown}: {}", output.status)) }
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs jobs in this many threads, begun in their order. One that can't be run to its end is
/// printed, and counts as one that failed.
pub(crate) fn side_by_side<J: FnOnce() -> Outcome + Send>(threads: usize, jobs: Vec<J>) -> Tally {
    let (waiting, total) = (Mutex::new(jobs.into_iter()), Mutex::new(Tally::default()));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(job) = next() {
                    let tally = job().unwrap_or_else(|why| {
                        println!("{why}");
                        Tally { failed: 1, ..Tally::default() }
                    });
                    total.lock().unwrap_or_else(PoisonError::into_inner).add(tally);
                }
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a program is on the PATH.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// A program in the background, which ends with this value.
pub(crate) struct Background(Child);

impl Background {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, String> {
        let shown = show(command);
        command.spawn().map(Self).map_err(|error| format!("{shown}: {error}"))
    }

    /// Waits for its end, but not for ever.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Result<(), String> {
        let deadline = Instant::now() + at_most;
        loop {
            match self.0.try_wait().map_err(|error| error.to_string())? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(status.to_string()),
                None if Instant::now() > deadline => {
                    return Err(format!("not done in {at_most:?}"));
                }
                None => thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `fdx serve` on a free port of the loopback address.
pub(crate) struct Server {
    _process: Background,
    /// Such as `127.0.0.1:40000`.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Result<Self, String> {
        let mut command = command(release("fdx"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(options).stdout(Stdio::piped());
        let mut process = Background::spawn(&mut command)?;
        let stdout = process.0.stdout.take().ok_or("fdx has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        let url = line.trim().strip_prefix("listening on ");
        let address = url.and_then(|url| url.split_once("://"));
        let address = address.map(|(_, address)| address.trim_end_matches('/'));
        let address = address.ok_or(format!("fdx serve said {line:?}"))?.to_owned();
        Ok(Self { _process: process, address })
    }
}

/// A program built by [`build_release`].
pub(crate) fn release(name: &str) -> PathBuf {
    target().join("release").join(name)
}

/// Builds `fdx` and these of the test programs as users run them. The programs ask for no
/// features that `fdx` has not, so that each dependency is built once.
pub(crate) fn build_release(programs: &[&str]) -> Result<(), String> {
    let mut build = command("cargo");
    build.args(["build", "--release", "--locked", "-p", "fullduplex-cli", "--bin", "fdx"]);
    build.args(["-p", "fullduplex-test-programs"]);
    run(build.args(programs.iter().flat_map(|program| ["--bin", program])))
}

/// An empty folder of this name under the target folder.
pub(crate) fn folder_for(name: &str) -> Result<PathBuf, String> {
    let folder = target().join("peers").join(name);
    // It may not be there.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
