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

/// One end, which obeys lines with lines.
struct Party {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Party {
    fn start(args: &[&str]) -> Result<Self, String> {
        let program = release("scale");
        // As many files as may be had.
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(program);
        let shell = shell.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().map_err(|error| format!("scale: {error}"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let stdin = stdin.ok_or("scale has no input")?;
        let lines = BufReader::new(stdout.ok_or("scale has no output")?).lines();
        Ok(Self { child, stdin, lines })
    }

    fn tell(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.stdin, "{command}").map_err(|error| format!("scale: {error}"))
    }

    fn hear(&mut self) -> Result<String, String> {
        let line = self.lines.next().ok_or("scale has ended")?;
        line.map_err(|error| format!("scale: {error}"))
    }

    fn ask(&mut self, command: &str) -> Result<String, String> {
        self.tell(command)?;
        self.hear()
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers that share a port, and their clients.
struct Crowd {
    servers: Vec<Party>,
    clients: Vec<Party>,
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
        // Servers get their share by chance, so there must be room to spare.
        let processes = count.div_ceil(most.saturating_sub(OTHER_FILES) / 20 * 19);
        let mut servers = vec![Party::start(&["server", "127.0.0.1:0"])?];
        let listening = servers[0].hear()?;
        let address = listening.strip_prefix("listening ").ok_or("no address")?.to_owned();
        for _ in 1..processes {
            let mut server = Party::start(&["server", &address])?;
            server.hear()?;
            servers.push(server);
        }
        let empty = memory(&mut servers)?.0;
        let sockets = socket_memory();
        let mut clients = Vec::new();
        for i in 0..processes {
            let share = (count / processes + usize::from(i < count % processes)).to_string();
            clients.push(Party::start(&["client", &address, &share])?);
        }
        let mut connecting: f64 = 0.0;
        for client in &mut clients {
            connecting = connecting.max(numbers(&client.hear()?).last().copied().unwrap_or(0.0));
        }
        Ok(Self { servers, clients, empty, sockets, connecting })
    }

    /// Memory for each connection: of the servers, and of the system for sockets of both ends.
    fn each(&mut self, count: f64) -> Result<(f64, f64), String> {
        let (resident, standing) = memory(&mut self.servers)?;
        if (standing - count).abs() > 0.5 {
            return Err(format!("{standing} of {count} connections stand"));
        }
        Ok(((resident - self.empty) / count, (socket_memory() - self.sockets) / count))
    }

    fn all_clients(&mut self, command: &str) -> Result<Vec<f64>, String> {
        for client in &mut self.clients {
            client.tell(command)?;
        }
        self.clients
            .iter_mut()
            .map(|c| Ok(numbers(&c.hear()?).first().copied().unwrap_or(0.0)))
            .collect()
    }
}

fn numbers(line: &str) -> Vec<f64> {
    line.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// Resident memory of all servers, and how many WebSockets they have.
fn memory(servers: &mut [Party]) -> Result<(f64, f64), String> {
    let mut all = (0.0, 0.0);
    for server in servers {
        if let [resident, websockets] = numbers(&server.ask("memory")?)[..] {
            all = (all.0 + resident, all.1 + websockets);
        }
    }
    Ok(all)
}

/// What the system keeps in slabs and in buffers for sockets, in bytes.
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

/// Runs it with `idle` idle connections, and the drain of `drained`, and writes `docs/scale.md`.
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
        &format!("{idle} connections, to server processes: {processes}, were made in"),
        format!("{:.1} s", crowd.connecting),
    );
    let (own, system) = crowd.each(count)?;
    row("memory of a server for each, after the upgrade", format!("{own:.0} B"));
    row("the system's for the sockets of both ends", format!("{system:.0} B"));
    crowd.all_clients("echo")?;
    let (own, system) = crowd.each(count)?;
    row("memory of a server for each, after an echo of 1 KiB", format!("{own:.0} B"));
    row("the system's for the sockets of both ends, after it", format!("{system:.0} B"));
    let [last, cpu] = publish(&mut crowd)?;
    row("64 B to all of them by `Group`: until the last has it", format!("{last:.2} s"));
    row("processor time of the servers for it", format!("{cpu:.2} s"));
    drop(crowd);
    let mut crowd = Crowd::gather(drained)?;
    let drain = drain(&mut crowd)?;
    row(&format!("drain of {drained}, with the defaults"), drain);
    write(&table)?;
    Ok(Tally::PASSED)
}

/// The time until the last client has it, and what it cost the servers, in seconds.
fn publish(crowd: &mut Crowd) -> Result<[f64; 2], String> {
    for server in &mut crowd.servers {
        server.tell("publish")?;
    }
    let last = crowd.all_clients("published")?.into_iter().fold(0.0, f64::max);
    let (mut begun, mut cpu) = (f64::MAX, 0.0);
    for server in &mut crowd.servers {
        if let [at, _, spent, _] = numbers(&server.hear()?)[..] {
            (begun, cpu) = (begun.min(at), cpu + spent);
        }
    }
    Ok([(last - begun) / 1000.0, cpu])
}

fn drain(crowd: &mut Crowd) -> Result<String, String> {
    for server in &mut crowd.servers {
        server.tell("drain")?;
    }
    let told_by_clients: f64 = crowd.all_clients("closed")?.into_iter().sum();
    let (mut all, mut longest, mut spent) = ([0.0; 2], 0.0_f64, 0.0);
    for server in &mut crowd.servers {
        if let [told, cut, _, took, cpu] = numbers(&server.hear()?)[..] {
            all = [all[0] + told, all[1] + cut];
            (longest, spent) = (longest.max(took), spent + cpu);
        }
    }
    let [told, cut] = all;
    Ok(format!(
        "{told} told and {cut} cut by the server's count, {told_by_clients} closed with 1001 by \
         the clients', in {longest:.1} s with {spent:.2} s of processor time"
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
         memory, and in the system slabs (`/proc/slabinfo`) and buffers (`/proc/net/sockstat`).\n\n\
         {table}",
        machine.first().unwrap_or(&"?"),
        machine.get(1).unwrap_or(&"?"),
        machine.get(2).unwrap_or(&"?"),
        output(command("sh").args(["-c", "ulimit -Hn"]))?.trim(),
    );
    let folder = root().join("docs");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("scale.md"), text).map_err(|error| error.to_string())
}
