//! System calls of a server, counted by `perf stat` while a load runs. These runs are separate from
//! those that measure CPU, as counting costs time.

use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process};

const ALL: &str = "raw_syscalls:sys_enter";
const READS: [&str; 4] = ["read", "recvfrom", "readv", "recvmsg"];
const WRITES: [&str; 4] = ["write", "sendto", "writev", "sendmsg"];
const WAITS: [&str; 3] = ["epoll_wait", "epoll_pwait", "epoll_pwait2"];

#[derive(Clone, Copy, Debug, Default)]
pub struct Calls {
    pub all: f64,
    pub reads: f64,
    pub writes: f64,
    pub waits: f64,
}

pub struct Counter {
    perf: Child,
    file: String,
}

impl Counter {
    /// Starts counting; fails if perf can't.
    pub fn start(pid: u32) -> io::Result<Self> {
        let file = std::env::temp_dir().join(format!("fullduplex-bench-{pid}.perf"));
        let file = file.display().to_string();
        let mut events = vec![ALL.to_owned()];
        let named = READS.iter().chain(&WRITES).chain(&WAITS);
        events.extend(named.map(|name| format!("syscalls:sys_enter_{name}")));
        let perf = Command::new("perf")
            .args(["stat", "-x,", "-e", &events.join(","), "-o", &file, "-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        thread::sleep(Duration::from_millis(150));
        Ok(Self { perf, file })
    }

    /// Returns the counts divided by the number of messages.
    pub fn stop(mut self, messages: u64) -> Option<Calls> {
        kill_process(Pid::from_child(&self.perf), Signal::INT).ok()?;
        self.perf.wait().ok()?;
        let text = fs::read_to_string(&self.file).ok()?;
        let _ = fs::remove_file(&self.file);
        let count = |event: &str| {
            let line = text.lines().find(|line| line.split(',').nth(2) == Some(event));
            line.and_then(|line| line.split(',').next()?.parse::<f64>().ok())
        };
        let each = messages.max(1) as f64;
        let sum = |names: &[&str]| -> f64 {
            names.iter().filter_map(|name| count(&format!("syscalls:sys_enter_{name}"))).sum()
        };
        Some(Calls {
            all: count(ALL)? / each,
            reads: sum(&READS) / each,
            writes: sum(&WRITES) / each,
            waits: sum(&WAITS) / each,
        })
    }
}
