//! Browsers, and clients and servers in other languages, against `fdx`.
//!
//! Each script in `tests/peers` prints `ok NAME` or `not ok NAME: why` for each of its checks.
//! A new one is a line in [`run`]; it finds Node's packages in the folder `PEERS`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::process::{
    Server, build_release, command, has, release, root, run as run_command, side_by_side, target,
};
use crate::{Outcome, Tally, cargo_tests, env};

const FIREFOX: &str = "/usr/bin/firefox-esr";
/// How many scripts run at once. They wait for most of their time, but aioquic and node need a
/// whole core for what they carry, and have deadlines.
const AT_ONCE: usize = 2;
const PROGRAMS: [&str; 15] = [
    "apache2",
    "caddy",
    "certutil",
    "chromium",
    "curl",
    "firefox-esr",
    "haproxy",
    "microsocks",
    "nginx",
    "openssl",
    "squid",
    "stunnel4",
    "systemd-socket-activate",
    "tinyproxy",
    "tshark",
];

type Job<'a> = Box<dyn FnOnce() -> Outcome + Send + 'a>;

pub(crate) fn run() -> Outcome {
    build_release(&["engineio", "many", "socketio_server"])?;
    env::programs(&PROGRAMS)?;
    let peers = Peers::new()?;
    let (fdx, many, engineio) = (release("fdx"), release("many"), release("engineio"));
    let (fdx, many, engineio) = (show(&fdx), show(&many), show(&engineio));
    let socketio = release("socketio_server");
    let socketio = show(&socketio);
    let plain = Server::start(&[])?;
    let (ws, http) = (format!("ws://{}", plain.address), format!("http://{}/", plain.address));
    // Several servers that compress, each with settings of its own.
    let deflate = ["smallest", "balanced", "small", "window=9,min=0"];
    let deflate = deflate.map(|settings| Server::start(&[&format!("--deflate={settings}")]));
    let deflate: Vec<Server> = deflate.into_iter().collect::<Result<_, _>>()?;
    let deflate_ws: Vec<_> = deflate.iter().map(|s| format!("ws://{}", s.address)).collect();
    let deflate_http: Vec<_> = deflate.iter().map(|s| format!("http://{}/", s.address)).collect();
    let deflate_ws: Vec<&str> = deflate_ws.iter().map(String::as_str).collect();
    let deflate_http: Vec<&str> = deflate_http.iter().map(String::as_str).collect();

    let (peers, deflate_ws) = (&peers, &deflate_ws[..]);
    // The longest first; those that need a core beside those that wait.
    let mut jobs: Vec<Job<'_>> = vec![
        peers.rust_socketio(socketio),
        peers.python("http3_servers.py", &[fdx, many]),
        peers.python("proxies.py", &[fdx]),
        peers.python("tls_server.py", &[fdx]),
        peers.python("http2_servers.py", &[fdx, many]),
        peers.python("deflate_server.py", &[fdx]),
        peers.node("deflate_server.mjs", &[fdx]),
        Box::new(from_cargo),
        peers.python("http3_client.py", &[fdx]),
        peers.python("http2_client.py", &[fdx]),
        peers.node("http2_client.mjs", &[fdx]),
        peers.python("reverse_proxies.py", &[fdx]),
        peers.python("serve_options.py", &[fdx]),
        peers.python("causes.py", &[fdx]),
        peers.python("curl.py", &[fdx]),
        peers.python("forward.py", &[fdx]),
        peers.python("inspect_relay.py", &[fdx, &peers.chromium, FIREFOX]),
        peers.python("inspect_run.py", &[fdx, &peers.chromium, FIREFOX]),
        peers.python("inspect_tshark.py", &[fdx]),
        peers.node("inspect_replay.mjs", &[fdx, &peers.chromium]),
        peers.python("inspect_http2.py", &[fdx, &peers.chromium, FIREFOX]),
        peers.python("inspect_acting.py", &[fdx, &peers.chromium, FIREFOX]),
        peers.node("close_browser.mjs", &[fdx, &peers.chromium]),
        peers.node("browser.mjs", &[&http, "chromium", &peers.chromium]),
        peers.python("python_client.py", &[&ws]),
        peers.python("python_server.py", &[fdx]),
        peers.node("node_client.mjs", &[&ws]),
        peers.node("node_server.mjs", &[fdx]),
        peers.node("engineio.mjs", &[engineio]),
        peers.node("socketio_client.mjs", &[socketio]),
        peers.node("socketio_changes.mjs", &[socketio, "50"]),
        peers.node("socketio_proxies.mjs", &[socketio]),
        peers.python("socketio_client.py", &[socketio]),
        peers.python("deflate_client.py", deflate_ws),
        peers.node("deflate_client.mjs", deflate_ws),
    ];
    for (browser, program) in [("chrome", &*peers.chromium), ("firefox", FIREFOX)] {
        jobs.push(peers.node("serve_browser.mjs", &[fdx, browser, program]));
        jobs.push(peers.node("serve_page.mjs", &[fdx, browser, program]));
        jobs.push(peers.node("inspect_page.mjs", &[fdx, browser, program]));
        jobs.push(peers.node("socketio_browser.mjs", &[socketio, browser, program]));
        if browser == "chrome" {
            jobs.push(peers.node("socketio_admin.mjs", &[socketio, browser, program]));
        }
        jobs.push(peers.node("socketio_page.mjs", &[fdx, browser, program]));
        let args = [&[browser, program], &deflate_http[..]].concat();
        jobs.push(peers.node("deflate_browser.mjs", &args));
    }
    Ok(side_by_side(AT_ONCE, jobs))
}

/// Tries a static `fdx` in an empty root folder.
pub(crate) fn static_binary(fdx: &Path) -> Outcome {
    let python = env::python()?;
    script(show(&python), "static_binary.py", &[show(fdx)], "")
}

/// Runs a script with Node.
pub(crate) fn node_script(name: &str, args: &[&str]) -> Outcome {
    let node = env::node()?;
    script("node", name, args, show(&node))
}

/// Tests of cargo's that need other programs.
fn from_cargo() -> Outcome {
    let mut tally = cargo_tests::ignored("haproxy", "")?;
    tally.add(cargo_tests::ignored("systemd", "systemd_sockets_are_taken")?);
    Ok(tally)
}

/// What runs the scripts.
struct Peers {
    python: String,
    /// The folder of Node's packages.
    node: String,
    chromium: String,
}

impl Peers {
    fn new() -> Result<Self, String> {
        let (python, node) = (env::python()?, env::node()?);
        let chromium = which("chromium").ok_or("chromium was not installed")?;
        Ok(Self { python: show(&python).into(), node: show(&node).into(), chromium })
    }

    fn python<'a>(&'a self, name: &'a str, args: &[&'a str]) -> Job<'a> {
        self.job(&self.python, name, args)
    }

    fn node<'a>(&'a self, name: &'a str, args: &[&'a str]) -> Job<'a> {
        self.job("node", name, args)
    }

    /// Builds the client of Socket.IO in Rust, and runs it. OpenSSL is what it needs of the system.
    fn rust_socketio<'a>(&'a self, server: &'a str) -> Job<'a> {
        Box::new(move || {
            env::openssl_development()?;
            let folder = target().join("rust-socketio");
            let mut build = command("cargo");
            // One job, as scripts with deadlines run beside it.
            build.args(["build", "--quiet", "--locked", "--jobs=1", "--manifest-path"]);
            build.arg("tests/rust-socketio/Cargo.toml").env("CARGO_TARGET_DIR", &folder);
            run_command(&mut build)?;
            let client = folder.join("debug/fullduplex-rust-socketio");
            script("node", "rust_socketio.mjs", &[server, show(&client)], &self.node)
        })
    }

    fn job<'a>(&'a self, interpreter: &'a str, name: &'a str, args: &[&'a str]) -> Job<'a> {
        let args = args.to_vec();
        Box::new(move || script(interpreter, name, &args, &self.node))
    }
}

fn show(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn which(program: &str) -> Option<String> {
    let folders = ["/usr/bin", "/usr/local/bin", "/usr/lib/chromium"];
    let found = folders.iter().map(|f| format!("{f}/{program}")).find(|p| Path::new(p).is_file());
    found.filter(|_| has(program))
}

/// Runs one script and counts its lines.
fn script(interpreter: &str, name: &str, args: &[&str], node: &str) -> Outcome {
    let begun = Instant::now();
    let path = root().join("tests/peers").join(name);
    let mut command: Command = command(interpreter);
    command.arg(path).args(args).env("PEERS", node).stdout(Stdio::piped());
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut tally = Tally::default();
    println!("  {name}: {:.1} s", begun.elapsed().as_secs_f64());
    for line in text.lines() {
        println!("  {name}: {line}");
        if line.starts_with("ok ") {
            tally.passed += 1;
        } else if line.starts_with("not ok ") {
            tally.failed += 1;
        }
    }
    if tally.failed > 0 || !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    if tally.failed == 0 && !output.status.success() || tally == Tally::default() {
        return Err(format!("{name} did not run to its end: {}", output.status));
    }
    Ok(tally)
}
