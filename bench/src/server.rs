//! The measured process, on a core for itself, and its use of resources.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core of the measured process, and that of the other end.
pub const MEASURED: usize = 0;
pub const LOAD: usize = 1;

/// Pins the load to its core, and raises the limit of open files for it and the servers.
pub fn prepare() -> io::Result<()> {
    let most = fs::read_to_string("/proc/sys/fs/nr_open");
    let most = most.ok().and_then(|most| most.trim().parse::<u64>().ok());
    if let Some(most) = most {
        let all = Rlimit { current: Some(most), maximum: Some(most) };
        if setrlimit(Resource::Nofile, all).is_err() {
            let maximum = getrlimit(Resource::Nofile).maximum;
            setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
        }
    }
    pin(LOAD)
}

fn pin(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// A process that is killed when this is dropped.
pub struct Process(Child);

pub struct Server {
    pub process: Process,
    pub address: SocketAddr,
}

/// The time on a CPU, and the time of waiting for one, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub used: u64,
    pub waited: u64,
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { used: self.used - other.used, waited: self.waited.saturating_sub(other.waited) }
    }
}

impl Cpu {
    /// Returns the share of its runnable time that the process waited for a CPU, because something
    /// else ran on it.
    pub fn held_up(self) -> f64 {
        self.waited as f64 / (self.used + self.waited).max(1) as f64
    }
}

impl Server {
    /// Starts a program that prints its address as the last word of its first line.
    pub fn start(program: &Path, args: &[String], core: usize) -> io::Result<Self> {
        let (process, stdout) = Process::start(program, args, Stdio::null(), core)?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.split_whitespace().last().unwrap_or_default().parse() {
            Ok(address) => Ok(Self { process, address }),
            Err(_) => {
                let name = program.display();
                Err(io::Error::other(format!("{name} did not start: {line:?}")))
            }
        }
    }
}

impl Process {
    /// Starts a program on a core.
    pub fn start(
        program: &Path,
        args: &[String],
        stdin: Stdio,
        core: usize,
    ) -> io::Result<(Self, ChildStdout)> {
        // A new process inherits the core.
        pin(core)?;
        let child = Command::new(program)
            .args(args)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        pin(LOAD)?;
        let mut child = child?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok((Self(child), stdout))
    }

    /// Returns the standard input of the process, if it is a pipe.
    pub fn stdin(&mut self) -> io::Result<ChildStdin> {
        Ok(self.0.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Returns the CPU time that all its threads have used so far.
    pub fn cpu(&self) -> Cpu {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid()));
        let mut cpu = Cpu::default();
        for task in tasks.into_iter().flatten().flatten() {
            let stat = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let mut numbers = stat.split(' ').filter_map(|number| number.parse::<u64>().ok());
            cpu.used += numbers.next().unwrap_or(0);
            cpu.waited += numbers.next().unwrap_or(0);
        }
        cpu
    }

    /// Returns the resident memory in bytes.
    pub fn memory(&self) -> u64 {
        field(&format!("/proc/{}/status", self.pid()), "VmRSS:")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The memory of the kernel for sockets, in bytes, of both ends, as both are on this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel {
    /// Small objects: sockets, files, epoll entries.
    pub slab: u64,
    /// Buffers of TCP.
    pub buffers: u64,
}

impl Kernel {
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
        let pages = text.lines().find(|line| line.starts_with("TCP:"));
        let pages = pages.and_then(|line| line.split(' ').next_back()?.parse::<u64>().ok());
        Self { slab: field("/proc/meminfo", "Slab:"), buffers: pages.unwrap_or(0) * 4096 }
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            slab: self.slab.saturating_sub(before.slab),
            buffers: self.buffers.saturating_sub(before.buffers),
        }
    }
}

/// Returns how many more files all processes together can open.
pub fn files_of_all() -> u64 {
    let text = fs::read_to_string("/proc/sys/fs/file-nr").unwrap_or_default();
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    match numbers[..] {
        [open, _, most] => most.saturating_sub(open),
        _ => u64::MAX,
    }
}

/// Returns how many files this process, and one that it starts, can open.
pub fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Returns the memory that is free or can be made free, in bytes.
pub fn available_memory() -> u64 {
    field("/proc/meminfo", "MemAvailable:")
}

/// Reads a field of a file of /proc that counts in kB.
fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0) * 1024
}
