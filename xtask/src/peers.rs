//! Browsers, and clients and servers in other languages, against `fdx`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Server, build_release, command, has, release, root};
use crate::steps::counted;
use crate::{Outcome, Tally, env};

const FIREFOX: &str = "/usr/bin/firefox-esr";

pub(crate) fn run() -> Outcome {
    build_release()?;
    let (python, node) = (env::python()?, env::node()?);
    let server = Server::start(&[])?;
    let ws = format!("ws://{}", server.address);
    let http = format!("http://{}/", server.address);
    let fdx = release("fdx");
    let mut tally = Tally::default();

    tally.add(script(&python, "python_client.py", &[Path::new(&ws)], &node)?);
    tally.add(script(&python, "python_server.py", &[&fdx], &node)?);
    tally.add(script(Path::new("node"), "node_client.mjs", &[Path::new(&ws)], &node)?);
    tally.add(script(Path::new("node"), "node_server.mjs", &[&fdx], &node)?);

    env::apt("chromium", "chromium")?;
    let chromium = which("chromium").ok_or("chromium was not installed")?;
    let page = [Path::new(&http), Path::new("chromium"), Path::new(&chromium)];
    tally.add(script(Path::new("node"), "browser.mjs", &page, &node)?);
    tally.add(deflate(&python, &node, &chromium)?);
    env::apt("openssl", "openssl")?;
    tally.add(script(&python, "tls_server.py", &[&fdx], &node)?);
    for (program, package) in [
        ("squid", "squid"),
        ("tinyproxy", "tinyproxy"),
        ("microsocks", "microsocks"),
        ("stunnel4", "stunnel4"),
    ] {
        env::apt(program, package)?;
    }
    tally.add(script(&python, "proxies.py", &[&fdx], &node)?);
    env::apt("haproxy", "haproxy")?;
    env::apt("systemd-socket-activate", "systemd")?;
    for (file, tests) in [("haproxy", ""), ("systemd", "the_sockets_of_systemd")] {
        let test = ["test", "--locked", "-p", "fullduplex", "--test", file];
        tally.add(counted(&[&test[..], &["--", "--ignored", tests]].concat())?);
    }
    let many = release("examples/many");
    tally.add(script(&python, "http2_servers.py", &[&fdx, &many], &node)?);
    tally.add(script(&python, "http3_servers.py", &[&fdx, &many], &node)?);
    tally.add(serving(&python, &node, &fdx, &chromium)?);
    Ok(tally)
}

/// `fdx serve` as a whole server, each script with servers of its own.
fn serving(python: &Path, node: &Path, fdx: &Path, chromium: &str) -> Outcome {
    let mut tally = Tally::default();
    for (program, package) in [("nginx", "nginx-light"), ("apache2", "apache2"), ("curl", "curl")] {
        env::apt(program, package)?;
    }
    for name in
        ["serve_options.py", "curl.py", "http2_client.py", "http3_client.py", "reverse_proxies.py"]
    {
        tally.add(script(python, name, &[fdx], node)?);
    }
    tally.add(script(Path::new("node"), "http2_client.mjs", &[fdx], node)?);
    for (browser, program) in [("chrome", chromium), ("firefox", FIREFOX)] {
        let args = [fdx, Path::new(browser), Path::new(program)];
        tally.add(script(Path::new("node"), "serve_browser.mjs", &args, node)?);
    }
    Ok(tally)
}

/// The same peers with compression: several servers, each with settings of its own.
fn deflate(python: &Path, node: &Path, chromium: &str) -> Outcome {
    let settings = ["smallest", "balanced", "small", "window=9,min=0"];
    let servers = settings.map(|settings| Server::start(&[&format!("--deflate={settings}")]));
    let servers: Vec<Server> = servers.into_iter().collect::<Result<_, _>>()?;
    let ws: Vec<_> = servers.iter().map(|server| format!("ws://{}", server.address)).collect();
    let ws: Vec<&Path> = ws.iter().map(Path::new).collect();
    let http: Vec<_> = servers.iter().map(|server| format!("http://{}/", server.address)).collect();
    let fdx = release("fdx");
    let mut tally = Tally::default();
    tally.add(script(python, "deflate_client.py", &ws, node)?);
    tally.add(script(python, "deflate_server.py", &[&fdx], node)?);
    tally.add(script(Path::new("node"), "deflate_client.mjs", &ws, node)?);
    tally.add(script(Path::new("node"), "deflate_server.mjs", &[&fdx], node)?);
    env::apt("firefox-esr", "firefox-esr")?;
    for (browser, program) in [("chrome", chromium), ("firefox", FIREFOX)] {
        let mut args = vec![Path::new(browser), Path::new(program)];
        args.extend(http.iter().map(Path::new));
        tally.add(script(Path::new("node"), "deflate_browser.mjs", &args, node)?);
    }
    Ok(tally)
}

fn which(program: &str) -> Option<String> {
    let folders = ["/usr/bin", "/usr/local/bin", "/usr/lib/chromium"];
    let found = folders.iter().map(|f| format!("{f}/{program}")).find(|p| Path::new(p).is_file());
    found.filter(|_| has(program))
}

/// Runs one script and counts its lines.
fn script(interpreter: &Path, name: &str, args: &[&Path], node: &Path) -> Outcome {
    let path = root().join("tests/peers").join(name);
    let mut command: Command = command(interpreter);
    command.arg(path).args(args).env("PEERS", node).stdout(Stdio::piped());
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut tally = Tally::default();
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
