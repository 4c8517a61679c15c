//! A program at a pseudo-terminal, and the screen that a person sees.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::common::FDX;

/// The time within which anything must be seen.
const DEADLINE: Duration = Duration::from_secs(20);

/// `fdx` at a terminal of its own.
pub struct Terminal {
    child: Child,
    master: File,
    /// Kept open, so that the master is readable after the program's end.
    slave: OwnedFd,
    parser: Arc<Mutex<vt100::Parser>>,
    /// Whether the terminal stands still: it takes nothing that is written.
    is_still: Arc<AtomicBool>,
}

impl Terminal {
    /// Starts `fdx` with these arguments, and this folder as its home.
    pub fn start(home: &Path, args: &[&str]) -> Self {
        Self::start_with(home, args, |_| ())
    }

    /// Starts `fdx` with a command that is changed before.
    pub fn start_with(home: &Path, args: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
        set_size(&master, 24, 80);
        // It makes the terminal the controlling one.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(FDX).args(args).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
        command.env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("TZ", "UTC");
        let side = || slave.try_clone().unwrap();
        command.stdin(side()).stdout(side()).stderr(side());
        change(&mut command);
        let child = command.spawn().unwrap();
        let (rows, columns) = (24.try_into().unwrap(), 80.try_into().unwrap());
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 1_000)));
        let mut reader = File::from(master.try_clone().unwrap());
        let shared = Arc::clone(&parser);
        let is_still = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&is_still);
        thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(len @ 1..) = reader.read(&mut bytes) {
                while waits.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(5));
                }
                shared.lock().unwrap().process(&bytes[..len]);
            }
        });
        Self { child, master: master.into(), slave, parser, is_still }
    }

    /// Types keys, as the bytes that a terminal sends.
    pub fn keys(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Stops to take what is written, until the end.
    pub fn stand_still(&self) {
        self.is_still.store(true, Ordering::Relaxed);
    }

    /// Pastes a text with bracketed paste, as terminals do.
    pub fn paste(&mut self, text: &str) {
        self.keys(&format!("\x1b[200~{}\x1b[201~", text.replace('\n', "\r")));
    }

    /// Returns the rows that are seen, without the empty ones at the end.
    pub fn rows(&self) -> String {
        self.parser.lock().unwrap().screen().contents().trim_end().to_owned()
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_wanted: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        while !is_wanted(&self.rows()) {
            assert!(begun.elapsed() < DEADLINE, "{what}:\n{}", self.rows());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a text is seen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(text, |rows| rows.contains(text));
    }

    /// Waits until the last row is this, such as the prompt.
    #[track_caller]
    pub fn wait_for_last_row(&self, row: &str) {
        self.wait_until(row, |rows| rows.lines().last().is_some_and(|last| last == row));
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, rows: u16, columns: u16) {
        let mut parser = self.parser.lock().unwrap();
        parser.set_size(rows.try_into().unwrap(), columns.try_into().unwrap());
        drop(parser);
        set_size(&self.master, rows, columns);
    }

    /// Waits for the program's end, and checks that the terminal edits lines again.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end:\n{}", self.rows());
            thread::sleep(Duration::from_millis(5));
        };
        let mode = tcgetattr(self.slave.as_fd()).unwrap().local_modes;
        assert!(mode.contains(LocalModes::ICANON | LocalModes::ECHO), "{mode:?}");
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.is_still.store(false, Ordering::Relaxed);
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(master: impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).unwrap();
}

/// Compares what is seen with the snapshot of this name; `FDX_UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
pub fn compare(name: &str, seen: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/terminal/snapshots");
    let file = folder.join(format!("{name}.txt"));
    let seen = format!("{seen}\n");
    if std::env::var_os("FDX_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &seen).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(seen, expected, "{}", file.display());
}
