//! A server under test: a process on a core of its own, and the CPU time it has used.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::{fs, io};

/// The core of the servers; the load runs on the other one.
const CORE: &str = "0";

pub struct Server {
    child: Child,
    pub address: String,
}

impl Server {
    /// Starts a program that prints its address as the last word of its first line.
    pub fn start(program: &str, args: &[&str]) -> io::Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", CORE, program])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split_whitespace().last().unwrap_or_default().to_owned();
        if !address.contains(':') {
            return Err(io::Error::other(format!("{program} did not start: {line:?}")));
        }
        Ok(Self { child, address })
    }

    /// Nanoseconds on a CPU so far, of all threads.
    pub fn cpu(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
        tasks
            .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
            .sum()
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
