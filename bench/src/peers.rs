//! The servers and clients: their abilities, and how they are built and installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fullduplex_bench::setup::Deflate;

use crate::Result;

/// How a program is obtained and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A binary of this package.
    Rust,
    /// A binary of the package `full`, which has more features of our library.
    Full,
    /// A binary of this package that is built with libdeflate.
    Libdeflate,
    /// Another build of our server, at a path that is its name.
    Build,
    Bun,
    Node,
    Python,
}

/// A server, or a client.
#[derive(Clone, Debug)]
pub struct Peer {
    pub name: String,
    kind: Kind,
    /// Binary or script.
    file: &'static str,
    extra: Vec<String>,
    can: &'static [Can],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Can {
    /// Echo messages.
    Echo,
    Deflate,
    Tls,
    /// Send a message to all.
    Room,
    /// Echo bytes, without WebSocket.
    Raw,
    /// Be the client of an echo.
    Call,
    /// Keep connections that are idle, as a client.
    Keep,
    /// Be the client of an echo with deflate.
    CallDeflate,
    /// Echo messages on HTTP/2, over TLS.
    Http2,
    /// Echo messages on HTTP/3.
    Http3,
}

use Can::{
    Call, CallDeflate, Deflate as D, Echo as E, Http2, Http3, Keep, Raw, Room as R, Tls as T,
};
use Kind::{Build, Bun, Full, Libdeflate, Node, Python, Rust};

/// Name, kind, file, words, abilities.
type Known = (&'static str, Kind, &'static str, &'static [&'static str], &'static [Can]);

/// All servers and clients. The others are compared with the first server and the first client.
const PEERS: [Known; 36] = [
    ("fullduplex", Rust, "fullduplex", &[], &[E, D, T, R]),
    ("fullduplex-libdeflate", Libdeflate, "fullduplex", &[], &[D]),
    ("fullduplex-pieces", Rust, "fullduplex", &["--pieces"], &[E]),
    ("fullduplex-axum", Full, "fullduplex-axum", &[], &[E]),
    ("fullduplex-hyper", Full, "fullduplex-hyper", &[], &[E]),
    ("fullduplex-multiplexed", Full, "fullduplex-multiplexed", &[], &[Http2, Http3]),
    ("floor-tcp", Rust, "floor-tcp", &[], &[Raw]),
    ("floor-epoll", Rust, "floor-epoll", &[], &[E]),
    ("floor-tokio", Rust, "floor-tokio", &[], &[E]),
    ("axum", Full, "axum", &[], &[E]),
    ("tungstenite", Rust, "tungstenite", &[], &[E, T, R]),
    ("tungstenite-cork", Rust, "tungstenite", &["--cork"], &[E, T]),
    ("fastwebsockets", Rust, "fastwebsockets", &[], &[E]),
    ("tokio-websockets", Rust, "tokio-websockets", &[], &[E]),
    ("tokio-websockets-cork", Rust, "tokio-websockets", &["--cork"], &[E]),
    ("sockudo", Rust, "sockudo", &[], &[E, D]),
    ("sockudo-cork", Rust, "sockudo", &["--cork"], &[E]),
    ("yawc", Rust, "yawc", &[], &[E, D]),
    ("yawc-cork", Rust, "yawc", &["--cork"], &[E]),
    ("web-socket", Rust, "web-socket", &[], &[E]),
    ("wtx", Rust, "wtx", &[], &[E]),
    ("bun", Bun, "bun.js", &[], &[E, D, T, R]),
    ("node-ws", Node, "ws.mjs", &[], &[E, D, R]),
    ("picows", Python, "picows_server.py", &[], &[E, R]),
    ("websockets", Python, "websockets_server.py", &[], &[E, D, R]),
    ("websockets-uvloop", Python, "websockets_server.py", &["--uvloop"], &[E]),
    ("node-http2", Node, "http2.mjs", &[], &[Http2]),
    ("hypercorn", Python, "hypercorn_server.py", &[], &[Http2, Http3]),
    ("client-floor", Rust, "client-floor", &[], &[Call]),
    ("client-floor-tokio", Rust, "client-floor-tokio", &[], &[Call, Keep]),
    ("client-fullduplex", Rust, "client-fullduplex", &[], &[Call, Keep, CallDeflate]),
    ("client-tungstenite", Rust, "client-tungstenite", &[], &[Call, Keep]),
    ("client-fastwebsockets", Rust, "client-fastwebsockets", &[], &[Call, Keep]),
    ("client-tokio-websockets", Rust, "client-tokio-websockets", &[], &[Call, Keep]),
    ("client-sockudo", Rust, "client-sockudo", &[], &[Call, Keep]),
    ("client-yawc", Rust, "client-yawc", &[], &[Call, Keep, CallDeflate]),
];

const NODE_PACKAGES: [&str; 2] = ["ws@8.23.0", "bufferutil@4.1.0"];
const BUN: &str = "1.4.5";
const PYTHON_PACKAGES: [&str; 4] =
    ["picows==2.3.1", "websockets==17.4", "uvloop==0.23.0", "hypercorn[h3]==0.18.0"];

impl Peer {
    pub fn can(&self, what: Can) -> bool {
        self.can.contains(&what)
    }

    /// Returns the command and its arguments.
    pub fn command(&self, paths: &Paths, words: &[&str]) -> (PathBuf, Vec<String>) {
        let script = paths.scripts.join(self.file);
        let (program, script) = match self.kind {
            Rust | Full => (paths.binary(self.file), None),
            Libdeflate => (paths.libdeflate.join(self.file), None),
            Build => (std::path::absolute(&self.name).unwrap_or_default(), None),
            Bun => (paths.bun(), Some(script)),
            Node => ("node".into(), Some(script)),
            Python => (paths.python.join("bin/python"), Some(script)),
        };
        let mut args: Vec<String> = Vec::new();
        args.extend(script.map(|script| script.display().to_string()));
        if self.kind == Node {
            args.extend(["--modules".to_owned(), paths.node.display().to_string()]);
        }
        args.extend(words.iter().map(|&word| word.to_owned()));
        args.extend(self.extra.iter().cloned());
        (program, args)
    }
}

/// Returns the server that clients are measured with: one that does the least work, and with
/// deflate ours.
pub fn opposite(deflate: Deflate) -> &'static str {
    if deflate == Deflate::Off { "floor-epoll" } else { "fullduplex" }
}

/// The load on HTTP/2 and HTTP/3.
pub const MULTIPLEXED_LOAD: &str = "client-multiplexed";

/// Returns all servers and clients, with one more server of ours for each level of compression, and
/// one more server or client for each other build.
pub fn all(levels: &[String], builds: &[String], client_builds: &[String]) -> Vec<Peer> {
    let ours =
        |name: String, kind, can| Peer { name, kind, file: "fullduplex", extra: vec![], can };
    let known = PEERS.iter().map(|&(name, kind, file, extra, can)| {
        let extra = extra.iter().map(|&word| word.to_owned()).collect();
        Peer { name: name.to_owned(), kind, file, extra, can }
    });
    let levels = levels.iter().map(|level| {
        let extra = vec!["--level".to_owned(), level.clone()];
        Peer { extra, ..ours(format!("fullduplex level {level}"), Rust, &[D]) }
    });
    let builds = builds.iter().map(|path| ours(path.clone(), Build, &[E, D, T, R]));
    let client = |path: &String| ours(path.clone(), Build, &[Call, Keep, CallDeflate]);
    known.chain(levels).chain(builds).chain(client_builds.iter().map(client)).collect()
}

/// The paths of programs and files.
pub struct Paths {
    scripts: PathBuf,
    release: PathBuf,
    libdeflate: PathBuf,
    node: PathBuf,
    python: PathBuf,
    pub tls: PathBuf,
}

impl Paths {
    pub fn find() -> Result<Self> {
        let release = std::env::current_exe()?;
        let release = release.parent().ok_or("no folder")?.to_owned();
        let target = release.parent().ok_or("no folder")?.to_owned();
        Ok(Self {
            scripts: Path::new(env!("CARGO_MANIFEST_DIR")).join("peers"),
            libdeflate: target.join("libdeflate/release"),
            node: target.join("peers/node"),
            python: target.join("peers/python"),
            tls: target.join("peers/tls"),
            release,
        })
    }

    /// A binary of this package.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.release.join(name)
    }

    fn bun(&self) -> PathBuf {
        self.node.join(format!("node_modules/{}/bin/bun", bun_package()))
    }
}

fn bun_package() -> String {
    let arch = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x64" };
    format!("@oven/bun-linux-{arch}")
}

/// Builds and installs what these servers need. Returns those that can run, and prints the reason
/// for each of the others.
pub fn install(peers: Vec<Peer>, paths: &Paths) -> Result<Vec<Peer>> {
    let files = |kind| {
        let mut files: Vec<_> = peers.iter().filter(|p| p.kind == kind).map(|p| p.file).collect();
        files.sort_unstable();
        files.dedup();
        files
    };
    let target = paths.release.parent().ok_or("no folder")?;
    let mut bins = files(Rust);
    if peers.iter().any(|peer| peer.can(Call)) {
        bins.extend([Deflate::Off, Deflate::Shared].map(opposite));
    }
    build(&bins, &[], target)?;
    let mut bins = files(Full);
    if peers.iter().any(|peer| peer.can(Http2)) {
        bins.push(MULTIPLEXED_LOAD);
    }
    build(&bins, &["--package", "fullduplex-bench-full"], target)?;
    build(&files(Libdeflate), &["--features", "libdeflate"], &target.join("libdeflate"))?;
    make_certificate(&paths.tls)?;
    let mut missing = Vec::new();
    for (kind, install) in [
        (Bun, install_node as fn(&Paths) -> Result<()>),
        (Node, install_node),
        (Python, install_python),
    ] {
        if files(kind).is_empty() {
            continue;
        }
        if let Err(why) = install(paths) {
            println!("{kind:?} is left out: {why}");
            missing.push(kind);
        }
    }
    Ok(peers.into_iter().filter(|peer| !missing.contains(&peer.kind)).collect())
}

fn build(bins: &[&str], words: &[&str], target: &Path) -> Result<()> {
    if bins.is_empty() {
        return Ok(());
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = Command::new(cargo);
    // Cargo's variables for a program that it runs are not for another cargo: build scripts that
    // read them would be run again each time.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_")) {
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|of| name.starts_with(of)) {
            build.env_remove(name);
        }
    }
    build.args(["build", "--release", "--locked", "--manifest-path"]);
    build.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    build.arg("--target-dir").arg(target).args(words);
    for bin in bins {
        build.args(["--bin", bin]);
    }
    if build.status()?.success() { Ok(()) } else { Err("the servers don't build".into()) }
}

fn install_node(paths: &Paths) -> Result<()> {
    if paths.bun().exists() && paths.node.join("node_modules/ws").exists() {
        return Ok(());
    }
    std::fs::create_dir_all(&paths.node)?;
    let bun = format!("{}@{BUN}", bun_package());
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-save", "--prefix"]).arg(&paths.node);
    run(npm.args(NODE_PACKAGES).arg(bun))
}

fn install_python(paths: &Paths) -> Result<()> {
    let python = paths.python.join("bin/python");
    let mut check = Command::new(&python);
    check.args(["-c", "import picows, websockets, uvloop, hypercorn, aioquic"]);
    if run(&mut check).is_ok() {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&paths.python))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PYTHON_PACKAGES))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name}: {}", said.lines().last().unwrap_or("it failed")).into())
}

/// A certificate for `localhost`, which the load trusts.
fn make_certificate(folder: &Path) -> Result<()> {
    if folder.join("key.pem").exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(folder.join("cert.pem"), made.cert.pem())?;
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}

/// The words that ask a server for what a case needs.
pub fn words(deflate: Deflate, tls: Option<&str>, room: bool) -> Vec<&str> {
    let mut words = Vec::new();
    if deflate != Deflate::Off {
        words.extend(["--deflate", deflate.name()]);
    }
    if let Some(folder) = tls {
        words.extend(["--tls", folder]);
    }
    if room {
        words.push("--room");
    }
    words
}
