//! `cargo xtask scale`: crowds of idle WebSockets, by the test program `scale`.
//!
//! A process may have as many files open as `ulimit -Hn` allows; where that is fewer than there
//! are connections, several servers share the port, and several clients connect.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::process::{build_release, command, output, release, root};
use crate::{Outcome, Tally};

/// Files that a process needs besides its connections.
const OTHER_FILES: usize = 100;

/// A server or client process: a command is a line of its input, a result a line of its output.
struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(args: &[&str]) -> Result<Self, String> {
        let program = release("scale");
        // Raises the limit on open files to the hard limit.
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
        let shell = shell.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().map_err(|error| format!("scale: {error}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdin = stdin.ok_or("scale has no input")?;
        let lines = BufReader::new(stdout.ok_or("scale has no output")?).lines();
        Ok(Self { child, stdin, lines })
    }

    fn send(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.stdin, "{command}").map_err(|error| format!("scale: {error}"))
    }

    fn receive(&mut self) -> Result<String, String> {
        let line = self.lines.next().ok_or("scale has ended")?;
        line.map_err(|error| format!("scale: {error}"))
    }

    fn request(&mut self, command: &str) -> Result<String, String> {
        self.send(command)?;
        self.receive()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers that share a port, and their clients.
struct Crowd {
    servers: Vec<Process>,
    clients: Vec<Process>,
    /// Resident memory of the servers without connections.
    empty: f64,
    /// Socket memory of the system without them, in bytes.
    sockets: f64,
    connecting: f64,
}

impl Crowd {
    fn gather(count: usize) -> Result<Self, String> {
        let most = output(Command::new("sh").args(["-c", "ulimit -Hn"]))?;
        let most = most.trim().parse::<usize>().unwrap_or(usize::MAX);
        // The kernel spreads connections over the servers at random, so that each needs a reserve.
        let processes = count.div_ceil(most.saturating_sub(OTHER_FILES) / 20 * 19);
        let mut servers = vec![Process::start(&["server", "127.0.0.1:0"])?];
        let listening = servers[0].receive()?;
        let address = listening.strip_prefix("listening ").ok_or("no address")?.to_owned();
        for _ in 1..processes {
            let mut server = Process::start(&["server", &address])?;
            server.receive()?;
            servers.push(server);
        }
        let empty = memory(&mut servers)?.0;
        let sockets = socket_memory();
        let mut clients = Vec::new();
        for i in 0..processes {
            let share = (count / processes + usize::from(i < count % processes)).to_string();
            clients.push(Process::start(&["client", &address, &share])?);
        }
        let mut connecting: f64 = 0.0;
        for client in &mut clients {
            connecting = connecting.max(numbers(&client.receive()?).last().copied().unwrap_or(0.0));
        }
        Ok(Self { servers, clients, empty, sockets, connecting })
    }

    /// Returns the memory per connection: of the servers, and of the system for both ends' sockets.
    fn per_connection(&mut self, count: f64) -> Result<(f64, f64), String> {
        let (resident, open) = memory(&mut self.servers)?;
        if (open - count).abs() > 0.5 {
            return Err(format!("{open} of {count} connections are open"));
        }
        Ok(((resident - self.empty) / count, (socket_memory() - self.sockets) / count))
    }

    fn all_clients(&mut self, command: &str) -> Result<Vec<f64>, String> {
        for client in &mut self.clients {
            client.send(command)?;
        }
        self.clients
            .iter_mut()
            .map(|c| Ok(numbers(&c.receive()?).first().copied().unwrap_or(0.0)))
            .collect()
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// Returns the resident memory of all servers, and the number of their WebSockets.
fn memory(servers: &mut [Process]) -> Result<(f64, f64), String> {
    let mut all = (0.0, 0.0);
    for server in servers {
        if let [resident, websockets] = numbers(&server.request("memory")?)[..] {
            all = (all.0 + resident, all.1 + websockets);
        }
    }
    Ok(all)
}

/// Returns the system's memory for sockets, slabs and buffers, in bytes.
fn socket_memory() -> f64 {
    let slabs = std::fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let of_sockets =
        ["TCP ", "sock_inode_cache ", "filp ", "dentry ", "eventpoll_", "tw_sock_TCP "];
    let slabs = slabs.lines().filter(|line| of_sockets.iter().any(|name| line.starts_with(name)));
    let slabs = slabs.filter_map(|line| {
        let fields: Vec<f64> = line.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        Some(fields.first()? * fields.get(2)?)
    });
    let buffers = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = buffers.lines().find(|line| line.starts_with("TCP:"));
    let pages = pages.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(0.0);
    slabs.sum::<f64>() + pages * 4096.0
}

/// Runs it with `idle` idle connections, and the drain of `drained`, and writes
/// `docs/src/reference/scale.md`.
pub(crate) fn run(idle: usize, drained: usize) -> Outcome {
    build_release(&["scale"])?;
    let mut table = String::from("| what | figure |\n|---|---|\n");
    let mut row = |what: &str, figure: String| {
        println!("{what}: {figure}");
        let _ = writeln!(table, "| {what} | {figure} |");
    };
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let count = idle as f64;
    let mut crowd = Crowd::gather(idle)?;
    let processes = crowd.servers.len();
    row(
        &format!("{idle} connections to server processes: {processes}, connected in"),
        format!("{:.1} s", crowd.connecting),
    );
    let (own, system) = crowd.per_connection(count)?;
    row("server memory per connection, after the upgrade", format!("{own:.0} B"));
    row("system memory per connection for the sockets of both ends", format!("{system:.0} B"));
    crowd.all_clients("echo")?;
    let (own, system) = crowd.per_connection(count)?;
    row("server memory per connection, after an echo of 1 KiB", format!("{own:.0} B"));
    row(
        "system memory per connection for the sockets of both ends, after the echo",
        format!("{system:.0} B"),
    );
    let [last, cpu] = publish(&mut crowd)?;
    row("64 B to all by `Group`: until the last client has it", format!("{last:.2} s"));
    row("CPU time of the servers for that", format!("{cpu:.2} s"));
    drop(crowd);
    let mut crowd = Crowd::gather(drained)?;
    let drain = drain(&mut crowd)?;
    row(&format!("drain of {drained}, with the defaults"), drain);
    write(&table)?;
    Ok(Tally::PASSED)
}

/// Returns the time until the last client has the message, and the servers' CPU time, in seconds.
fn publish(crowd: &mut Crowd) -> Result<[f64; 2], String> {
    for server in &mut crowd.servers {
        server.send("publish")?;
    }
    let last = crowd.all_clients("published")?.into_iter().fold(0.0, f64::max);
    let (mut begun, mut cpu) = (f64::MAX, 0.0);
    for server in &mut crowd.servers {
        if let [at, _, spent, _] = numbers(&server.receive()?)[..] {
            (begun, cpu) = (begun.min(at), cpu + spent);
        }
    }
    Ok([(last - begun) / 1000.0, cpu])
}

fn drain(crowd: &mut Crowd) -> Result<String, String> {
    for server in &mut crowd.servers {
        server.send("drain")?;
    }
    let closed_at_clients: f64 = crowd.all_clients("closed")?.into_iter().sum();
    let (mut all, mut longest, mut spent) = ([0.0; 2], 0.0_f64, 0.0);
    for server in &mut crowd.servers {
        if let [notified, cut, _, took, cpu] = numbers(&server.receive()?)[..] {
            all = [all[0] + notified, all[1] + cut];
            (longest, spent) = (longest.max(took), spent + cpu);
        }
    }
    let [notified, cut] = all;
    Ok(format!(
        "{notified} notified and {cut} cut by the server's count, {closed_at_clients} closed with \
         1001 by the clients', in {longest:.1} s with {spent:.2} s of CPU time"
    ))
}

fn write(table: &str) -> Result<(), String> {
    let machine = output(command("sh").args(["-c", "nproc; uname -sr; rustc --version"]))?;
    let machine: Vec<&str> = machine.lines().collect();
    let text = format!(
        "# Many connections\n\n\
         `cargo xtask scale`, on {} cores, {}, {}.\n\
         Both ends are on this machine. A process here may have {} files open, so that several\n\
         servers share the port where there are more connections than that. Memory is resident\n\
         memory, and in the system slabs (`/proc/slabinfo`) and buffers (`/proc/net/sockstat`).\n\
         Each connection is a member of a `Group` here; [case f](benchmarks.md#cases) measures an\n\
         idle connection without one.\n\n\
         {table}",
        machine.first().unwrap_or(&"?"),
        machine.get(1).unwrap_or(&"?"),
        machine.get(2).unwrap_or(&"?"),
        output(command("sh").args(["-c", "ulimit -Hn"]))?.trim(),
    );
    let folder = root().join("docs/src/reference");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("scale.md"), text).map_err(|error| error.to_string())
}
