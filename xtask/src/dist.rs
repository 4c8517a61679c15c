//! What is shipped: a static `fdx`, with its manual pages and completions, in an archive.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{command, folder_for, root, run, target};
use crate::{Outcome, Tally, peers};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Where the shells look for completions, by the name of the file.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "fdx.bash"), ("zsh", "_fdx"), ("fish", "fdx.fish")];

/// Makes the archive, and prints where it is.
pub(crate) fn archive() -> Outcome {
    let archive = make_archive()?;
    println!("{}", archive.display());
    Ok(Tally { passed: 1, ..Tally::default() })
}

/// Makes the archive, and tries its `fdx` in an empty root folder.
pub(crate) fn check() -> Outcome {
    let archive = make_archive()?;
    let folder = folder_for("dist-unpacked")?;
    run(command("tar").arg("-xzf").arg(&archive).arg("-C").arg(&folder))?;
    let unpacked = folder.join(name());
    for file in ["fdx", "README.md", "man/fdx.1", "man/fdx-connect.1", "completions/_fdx"] {
        if fs::metadata(unpacked.join(file)).map_or(0, |file| file.len()) == 0 {
            return Err(format!("{} has no {file}", archive.display()));
        }
    }
    peers::static_binary(&unpacked.join("fdx"))
}

/// The name of the archive and of the folder in it.
fn name() -> String {
    format!("fdx-{}-{TRIPLE}", env!("CARGO_PKG_VERSION"))
}

fn make_archive() -> Result<PathBuf, String> {
    let fdx = build()?;
    let folder = folder_for("dist")?;
    let content = folder.join(name());
    let failed = |error: std::io::Error| format!("{}: {error}", content.display());
    fs::create_dir_all(content.join("completions")).map_err(failed)?;
    fs::copy(&fdx, content.join("fdx")).map_err(failed)?;
    fs::copy(root().join("crates/cli/README.md"), content.join("README.md")).map_err(failed)?;
    run(command(&fdx).args(["man", "--out"]).arg(content.join("man")))?;
    for (shell, file) in COMPLETIONS {
        let output = command(&fdx).args(["completions", shell]).output().map_err(failed)?;
        fs::write(content.join("completions").join(file), output.stdout).map_err(failed)?;
    }
    let archive = folder.join(format!("{}.tar.gz", name()));
    run(command("tar").arg("-czf").arg(&archive).arg("-C").arg(&folder).arg(name()))?;
    Ok(archive)
}

/// How the static `fdx` is built.
///
/// A static glibc resolves names by itself: its modules for files and DNS are a part of it since
/// version 2.34. The crate `getrandom` would look for glibc's function by name while the program
/// runs, not find it, and need `/dev/urandom`.
///
/// Rust's linker, LLD, merges functions with the same code, and packs relative relocations, which
/// glibc reads since version 2.36.
const RUSTFLAGS: &str = "-C target-feature=+crt-static -C link-arg=-Wl,--icf=safe \
                         -C link-arg=-Wl,-z,pack-relative-relocs \
                         --cfg getrandom_backend=\"linux_getrandom\"";

/// Builds `fdx` without symbols and linked statically, and returns where it is.
fn build() -> Result<PathBuf, String> {
    let mut build = command("cargo");
    build.args(["build", "--profile", "dist", "--locked", "-p", "fullduplex-cli", "--bin", "fdx"]);
    build.args(["--target", TRIPLE]).env("RUSTFLAGS", RUSTFLAGS);
    run(&mut build)?;
    let fdx = target().join(TRIPLE).join("dist/fdx");
    if !Path::new(&fdx).is_file() {
        return Err("fdx was not built".into());
    }
    // Cargo forgets `strip` of a profile where a package has a level of its own.
    run(command("strip").arg(&fdx))?;
    Ok(fdx)
}
