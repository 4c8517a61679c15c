//! Browsers, and clients and servers in other languages, against `fdx`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::{Server, build_release, command, has, release, root};
use crate::{Outcome, Tally, env};

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
