//! What the tests need besides Rust, installed by name: Debian packages, and Python and
//! Node packages in folders under the target folder, so that nothing else is touched.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{command, has, root, run, target};

/// Where it is all kept.
pub(crate) fn folder() -> PathBuf {
    target().join("peers")
}

/// Installs a Debian package, unless `program` is there already.
pub(crate) fn apt(program: &str, package: &str) -> Result<(), String> {
    if has(program) {
        return Ok(());
    }
    let sudo = !is_root() && has("sudo");
    let apt = |words: &[&str]| {
        let mut command = if sudo { command("sudo") } else { command("apt-get") };
        if sudo {
            command.arg("apt-get");
        }
        run(command.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-qq"])?;
    apt(&["install", "-y", "-qq", "--no-install-recommends", package])
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt as _;
        meta.uid() == 0
    })
}

/// Makes a folder anew when what it is made of has changed.
fn make(
    name: &str,
    recipe: &Path,
    build: impl Fn(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let place = folder().join(name);
    let stamp = place.join("made-of");
    let wanted = fs::read(recipe).map_err(|error| format!("{}: {error}", recipe.display()))?;
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
    let recipe = root().join("tests/peers/requirements.txt");
    let place = make("python", &recipe, |place| {
        venv(place)?;
        run(pip(&place.join("bin/python")).arg("-r").arg(&recipe))
    })?;
    Ok(place.join("bin/python"))
}

fn venv(place: &Path) -> Result<(), String> {
    apt("python3", "python3")?;
    let make = || run(command("python3").args(["-m", "venv"]).arg(place));
    // Debian keeps the module in a package of its own.
    make().or_else(|_| {
        apt("no such program", "python3-venv")?;
        make()
    })
}

fn pip(python: &Path) -> std::process::Command {
    let mut pip = command(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip
}

/// The folder in which Node finds its packages.
pub(crate) fn node() -> Result<PathBuf, String> {
    apt("node", "nodejs")?;
    apt("npm", "npm")?;
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
