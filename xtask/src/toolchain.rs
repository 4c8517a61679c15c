//! The compiler for targets that this machine may not have: from rustup, else from Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::env;
use crate::process::{Background, command, has, output, target};

/// Programs for browsers.
pub(crate) const WEB: &str = "wasm32-unknown-unknown";
/// Programs without an operating system.
pub(crate) const BARE: &str = "thumbv7em-none-eabi";

/// A compiler for [`WEB`] and [`BARE`].
pub(crate) enum Toolchain {
    /// The one that compiles everything else; it has the standard library of the targets.
    Own,
    /// Debian's, by this script. It brings the source of the standard library, which is compiled
    /// along.
    Debian(PathBuf),
}

impl Toolchain {
    /// The own one if it has both targets or rustup adds them, else Debian's.
    pub(crate) fn find() -> Result<Self, String> {
        let sysroot = output(command("rustc").args(["--print", "sysroot"]))?;
        let libraries = Path::new(sysroot.trim()).join("lib/rustlib");
        let is_there = || [WEB, BARE].iter().all(|name| libraries.join(name).join("lib").is_dir());
        if is_there() || (has("rustup") && add_targets().is_ok() && is_there()) {
            return Ok(Self::Own);
        }
        println!("no {WEB} and {BARE} here: compiling with Debian's rustc-web");
        Self::debian()
    }

    /// Debian's compiler, unpacked in a folder of its own.
    pub(crate) fn debian() -> Result<Self, String> {
        let packages = ["rustc-web", "rust-web-src", "rust-web-llvm"];
        let usr = env::unpacked("rustc-web", &packages)?.join("usr");
        let script = usr.join("rustc.sh");
        let linker = linker_of(&usr)?;
        let (usr, linker) = (usr.display(), linker.display());
        let text = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH={usr}/lib/x86_64-linux-gnu:{usr}/lib\n\
             export PATH={linker}:$PATH\nexec {usr}/bin/rustc --sysroot {usr} \"$@\"\n"
        );
        fs::write(&script, text).map_err(|error| error.to_string())?;
        make_executable(&script)?;
        Ok(Self::Debian(script))
    }

    /// Whether clippy knows this compiler's standard library.
    pub(crate) fn has_clippy(&self) -> bool {
        matches!(self, Self::Own)
    }

    /// A command of cargo that compiles for this target: the words, then others of the caller.
    pub(crate) fn cargo(&self, words: &[&str], for_target: &str) -> Command {
        let mut cargo = command("cargo");
        cargo.args(words).args(["--target", for_target]);
        cargo.env("CARGO_TARGET_DIR", folder()).env_remove("RUSTFLAGS");
        if let Self::Debian(rustc) = self {
            let library = if for_target == WEB { "std,panic_abort" } else { "core,alloc" };
            cargo.arg(format!("-Zbuild-std={library}"));
            cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
    }
}

/// Where programs for other targets are built.
pub(crate) fn folder() -> PathBuf {
    target().join("web")
}

/// Returns a folder with the linker `rust-lld`, which Debian's compiler has as a link to a program
/// of a package that it does not need itself, such as `lld-22`.
fn linker_of(usr: &Path) -> Result<PathBuf, String> {
    let name = fs::read_link(usr.join("bin/rust-lld")).map_err(|error| error.to_string())?;
    let package = name.to_str().unwrap_or_default();
    let folder = env::unpacked("rustc-web-linker", &[package])?.join("usr/bin");
    let link = folder.join("rust-lld");
    if !link.exists() {
        std::os::unix::fs::symlink(&name, link).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

/// Asks rustup, which may not reach its server.
fn add_targets() -> Result<(), String> {
    let mut rustup = command("rustup");
    rustup.args(["target", "add", WEB, BARE]);
    Background::spawn(&mut rustup)?.wait(Duration::from_secs(120))
}

fn make_executable(path: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, permissions).map_err(|error| error.to_string())
}
