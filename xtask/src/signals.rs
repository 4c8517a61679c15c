//! Signals that this program was started without. A shell that starts it in the background has it
//! ignore SIGINT, and all that it starts would too: what programs do at SIGINT could not be tested.

use std::process::{Command, ExitCode};

/// The bit of SIGINT in the masks of `/proc`, where SIGHUP, which is 1, has the lowest.
const SIGINT: u64 = 1 << 1;

/// Runs this program again if it ignores SIGINT, and returns its exit code; `None` if it does not.
pub(crate) fn run_again_with_interrupts(args: &[String]) -> Option<ExitCode> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    if !ignores_interrupts(&status) {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let mut again = Command::new("env");
    again.arg("--default-signal=INT,QUIT").arg(program).args(args);
    match again.status() {
        Ok(status) if status.success() => Some(ExitCode::SUCCESS),
        Ok(_) => Some(ExitCode::FAILURE),
        // Without coreutils 8.31 the tests that need SIGINT fail.
        Err(_) => None,
    }
}

fn ignores_interrupts(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & SIGINT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_interrupts_are_read_from_the_mask() {
        assert!(ignores_interrupts("Name:\txtask\nSigIgn:\t0000000000000006\n"));
        assert!(!ignores_interrupts("Name:\txtask\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_interrupts(""));
    }
}
