//! The terminal's mode and size.

use std::io::{self, IsTerminal as _, Write as _};

#[cfg(not(unix))]
pub(crate) use self::other::{Changes, restore, size};
#[cfg(unix)]
pub(crate) use self::unix::{Changes, RawMode, restore, size};

/// Sequences that switch bracketed paste on and off.
#[cfg(unix)]
const PASTE_ON: &str = "\x1b[?2004h";
#[cfg(unix)]
const PASTE_OFF: &str = "\x1b[?2004l";

/// A stream that shows the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

impl Output {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Writes text at once.
    pub(crate) fn write(self, text: &str) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
    use std::thread;
    use std::time::Duration;

    use rustix::termios::{
        InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr,
        tcgetwinsize, tcsetattr,
    };
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::{Output, PASTE_OFF, PASTE_ON};

    /// The time for a terminal to take the sequence that switches bracketed paste off.
    const RESTORE_TIMEOUT: Duration = Duration::from_millis(100);

    /// The mode before, while the terminal is in the raw one.
    static BEFORE: Mutex<Option<(Termios, Output)>> = Mutex::new(None);

    /// A terminal that passes on each key, until this is dropped. Ctrl-C and Ctrl-Z stay signals.
    #[derive(Debug)]
    pub(crate) struct RawMode(());

    impl RawMode {
        /// Changes the mode of the terminal on standard input.
        ///
        /// # Errors
        /// Fails if that is not a terminal.
        pub(crate) fn enter(output: Output) -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            *lock() = Some((before.clone(), output));
            set_raw(before, output)?;
            Ok(Self(()))
        }
    }

    /// Sets the mode in which the terminal passes on each key.
    fn set_raw(mut raw: Termios, output: Output) -> io::Result<()> {
        raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
        // Ctrl-C would discard what is being written, and Linux does not wake a thread that waits
        // for room in a pseudo-terminal when it discards what fills it.
        raw.local_modes |= LocalModes::NOFLSH;
        // A carriage return is Enter, and Ctrl-S does not stop the output.
        raw.input_modes -= InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR;
        raw.input_modes -= InputModes::IXON | InputModes::ISTRIP;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Its signal would leave the terminal as it is. 0 stands for none.
        raw.special_codes[SpecialCodeIndex::VQUIT] = 0;
        // What was typed already stays.
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)?;
        let _ = output.write(PASTE_ON);
        Ok(())
    }

    fn lock() -> MutexGuard<'static, Option<(Termios, Output)>> {
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    impl Drop for RawMode {
        fn drop(&mut self) {
            restore();
        }
    }

    /// Restores the terminal's former mode, if it was changed. For a program that exits while
    /// there is a [`RawMode`].
    pub(crate) fn restore() {
        let before = lock().take();
        if let Some((before, output)) = before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
            // A terminal that stands still would delay the exit for ever: another thread may hold
            // the lock of standard output while it writes.
            let (done, written) = mpsc::channel();
            thread::spawn(move || {
                let _ = output.write(PASTE_OFF);
                let _ = done.send(());
            });
            let _ = written.recv_timeout(RESTORE_TIMEOUT);
        }
    }

    /// Returns the columns and rows of the terminal.
    pub(crate) fn size(output: Output) -> (usize, usize) {
        let size = match output {
            Output::Stdout => tcgetwinsize(io::stdout()),
            Output::Stderr => tcgetwinsize(io::stderr()),
        };
        match size {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (usize::from(size.ws_col), usize::from(size.ws_row))
            }
            _ => (80, 24),
        }
    }

    /// The changes of the terminal that a screen must see.
    pub(crate) struct Changes {
        resized: Option<Signal>,
        continued: Option<Signal>,
    }

    impl Changes {
        /// Begins to watch, within a runtime. With `is_raw`, a program that was stopped and goes on
        /// sets the raw mode again.
        pub(crate) fn new(is_raw: bool) -> Self {
            let continued = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
            Self {
                resized: signal(SignalKind::window_change()).ok(),
                continued: is_raw.then(|| signal(continued).ok()).flatten(),
            }
        }

        /// Waits for a new size, or until the program goes on.
        pub(crate) async fn next(&mut self) {
            tokio::select! {
                () = next(&mut self.resized) => {}
                () = next(&mut self.continued) => {
                    let before = lock().clone();
                    if let Some((before, output)) = before {
                        let _ = set_raw(before, output);
                    }
                }
            }
        }
    }

    async fn next(signal: &mut Option<Signal>) {
        if let Some(signal) = signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(not(unix))]
mod other {
    use super::Output;

    /// The changes of the terminal that a screen must see: none.
    pub(crate) struct Changes;

    impl Changes {
        pub(crate) fn new(_is_raw: bool) -> Self {
            Self
        }

        pub(crate) async fn next(&mut self) {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn restore() {}

    pub(crate) fn size(_output: Output) -> (usize, usize) {
        (80, 24)
    }
}
