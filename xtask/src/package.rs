//! The steps `package` and `minimal`: the archives of the published crates have what a reader and a
//! compiler need, and build from what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::links::REPOSITORY;
use crate::process::{command, output, root, run, target};
use crate::published::{self, Published};
use crate::{Outcome, Tally};

/// The files that each archive has.
const FILES: [&str; 4] = ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
/// The kinds of files that archives have.
const KINDS: [&str; 8] = ["rs", "md", "html", "css", "js", "svg", "toml", "json"];
/// The most bytes that a file of an archive may have.
const MAX_FILE: u64 = 128 << 10;

pub(crate) fn run_step() -> Outcome {
    let packages = published::all()?;
    let folder = unpack(&packages)?;
    let mut tally = Tally::default();
    for package in &packages {
        let complaints = check(package, &folder.join(&package.name))?;
        for complaint in &complaints {
            println!("{}: {complaint}", package.name);
        }
        tally.add(Tally { passed: FILES.len(), failed: complaints.len(), skipped: 0 });
    }
    // Cargo's own verification builds each crate with its own selection of features, and thereby
    // most dependencies again.
    build(&folder)?;
    tally.add(Tally { passed: packages.len(), ..Tally::default() });
    Ok(tally)
}

/// The step `minimal`: the published crates build with the lowest versions of their dependencies
/// that their manifests allow.
pub(crate) fn minimal_versions() -> Outcome {
    let packages = published::all()?;
    let folder = unpack(&packages)?;
    let tested = locked(&folder)?;
    let update = |words: &[&str]| {
        let mut cargo = command("cargo");
        cargo.args(["update", "--quiet"]).args(words).current_dir(&folder);
        cargo
    };
    // Stable cargo does not choose versions so. What it builds does not see this.
    run(update(&["-Z", "direct-minimal-versions"]).env("RUSTC_BOOTSTRAP", "1"))?;
    let minimal = locked(&folder)?;
    // All other versions stay as they are tested, and mostly compiled already.
    copy_lock(&folder)?;
    for name in direct_dependencies(&packages) {
        let of = |versions: &'_ BTreeMap<String, Vec<String>>| versions.get(name).cloned();
        let (Some(tested), Some(minimal)) = (of(&tested), of(&minimal)) else { continue };
        if let ([tested], [minimal]) = (&tested[..], &minimal[..])
            && tested != minimal
        {
            println!("{name} {minimal} in place of {tested}");
            run(&mut update(&[name, "--precise", minimal]))?;
        }
    }
    build(&folder)?;
    Ok(Tally { passed: packages.len(), ..Tally::default() })
}

/// Compiles the crates in a folder that [`unpack`] has made, with the features of the tests, so
/// that most dependencies are compiled already.
fn build(folder: &Path) -> Result<(), String> {
    let mut check = command("cargo");
    check.args(["check", "--quiet", "--workspace", "--features", "fullduplex/tracing"]);
    run(check.current_dir(folder).env("CARGO_TARGET_DIR", target()))
}

/// Packages the crates, and unpacks the archives as members of a workspace; returns its folder.
pub(crate) fn unpack(packages: &[Published]) -> Result<PathBuf, String> {
    let mut cargo = command("cargo");
    cargo.args(["package", "--no-verify", "--allow-dirty", "--locked", "--quiet"]);
    for package in packages {
        cargo.args(["--package", &package.name]);
    }
    // It warns of each test that is not in the archive.
    let done = cargo.output().map_err(|error| error.to_string())?;
    if !done.status.success() {
        return Err(format!("cargo package: {}", String::from_utf8_lossy(&done.stderr)));
    }
    let folder = target().join("package/unpacked");
    // It may not be there.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let mut manifest =
        "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n[patch.crates-io]\n".to_owned();
    for Published { name, version, .. } in packages {
        let archive = target().join(format!("package/{name}-{version}.crate"));
        // With the time of now: archives have one time for all, by which cargo would take a changed
        // file for one that it has compiled.
        run(command("tar").arg("-xmzf").arg(archive).arg("-C").arg(&folder))?;
        fs::rename(folder.join(format!("{name}-{version}")), folder.join(name))
            .map_err(|error| error.to_string())?;
        for part in [name, " = { path = \"", name, "\" }\n"] {
            manifest += part;
        }
    }
    // With the project's profiles and versions, the dependencies are those that are built already.
    let own = fs::read_to_string(root().join("Cargo.toml")).map_err(|error| error.to_string())?;
    manifest += own.find("[profile.").map_or("", |start| &own[start..]);
    let write = |name: &str, text: &str| fs::write(folder.join(name), text);
    write("Cargo.toml", &manifest).map_err(|error| error.to_string())?;
    copy_lock(&folder)?;
    Ok(folder)
}

/// Copies `Cargo.lock`, which has the versions with which the project is tested.
fn copy_lock(folder: &Path) -> Result<(), String> {
    let copied = fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"));
    copied.map(|_| ()).map_err(|error| error.to_string())
}

/// Returns the versions of each dependency in the folder's `Cargo.lock`.
fn locked(folder: &Path) -> Result<BTreeMap<String, Vec<String>>, String> {
    let text = fs::read_to_string(folder.join("Cargo.lock")).map_err(|error| error.to_string())?;
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            value.trim_matches('"').clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("version = ") {
            versions.entry(name.clone()).or_default().push(value.trim_matches('"').to_owned());
        }
    }
    Ok(versions)
}

/// Returns the names of the crates that the published ones depend on, except for their tests.
fn direct_dependencies(packages: &[Published]) -> BTreeSet<&str> {
    let lists = packages.iter().filter_map(|p| p.metadata["dependencies"].as_array());
    let normal = lists.flatten().filter(|dependency| dependency["kind"].is_null());
    normal.filter_map(|dependency| dependency["name"].as_str()).collect()
}

/// What is wrong with an archive, whose files are in this folder.
fn check(package: &Published, folder: &Path) -> Result<Vec<String>, String> {
    let mut complaints = check_manifest(package);
    for file in FILES {
        if !folder.join(file).is_file() {
            complaints.push(format!("the archive has no {file}"));
        }
    }
    let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    complaints.extend(check_links(&readme));
    let listed = output(command("find").arg(folder).args(["-type", "f", "-printf", "%s %P\\n"]))?;
    for (size, path) in listed.lines().filter_map(|line| line.split_once(' ')) {
        let kind = path.rsplit_once('.').map_or("", |(_, kind)| kind);
        let is_own = FILES.contains(&path) || KINDS.contains(&kind) || path.starts_with('.');
        if path.starts_with("tests/") || !is_own && !path.starts_with("Cargo.") {
            complaints.push(format!("{path} should not be in the archive"));
        }
        let is_small = size.parse().is_ok_and(|size: u64| size <= MAX_FILE);
        if !is_small && path != "Cargo.lock" {
            complaints.push(format!("{path} has {size} bytes"));
        }
    }
    Ok(complaints)
}

/// What the registry and docs.rs miss in a manifest.
fn check_manifest(package: &Published) -> Vec<String> {
    let metadata = &package.metadata;
    let mut complaints = Vec::new();
    for key in ["description", "license", "repository", "readme", "rust_version"] {
        if metadata[key].as_str().is_none_or(str::is_empty) {
            complaints.push(format!("the manifest has no {}", key.replace('_', "-")));
        }
    }
    for (key, at_most) in [("keywords", 5), ("categories", 5)] {
        let count = metadata[key].as_array().map_or(0, Vec::len);
        if count == 0 || count > at_most {
            complaints.push(format!("the manifest has {count} {key}"));
        }
    }
    if package.has_library() && metadata["metadata"]["docs"]["rs"].is_null() {
        complaints.push("the manifest has no settings for docs.rs".into());
    }
    let repository = metadata["repository"].as_str().unwrap_or_default();
    if REPOSITORY.iter().any(|known| !known.starts_with(repository)) {
        complaints.push(format!("{repository} is not the repository that links lead to"));
    }
    complaints
}

/// The links of a README that work in the repository only, or lead to no file there.
fn check_links(readme: &str) -> Vec<String> {
    let inline = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let defined = readme.lines().filter_map(|line| line.strip_prefix('[')?.split_once(']'));
    let defined = defined.filter_map(|(_, rest)| rest.strip_prefix(": ")).map(str::trim);
    inline.chain(defined).filter_map(complaint).collect()
}

fn complaint(link: &str) -> Option<String> {
    let path = REPOSITORY.iter().find_map(|start| link.strip_prefix(start));
    let is_missing = |path: &str| !root().join(path.split('#').next().unwrap_or(path)).exists();
    if path.is_some_and(is_missing) {
        return Some(format!("README.md: the link {link} leads to no file"));
    }
    let is_relative = !link.starts_with("https://") && !link.starts_with('#');
    is_relative.then(|| format!("README.md: the link {link} is relative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_finds_relative_links() {
        let readme = "[a](https://a.example/) [b](#b) [c](docs/c.md)";
        assert_eq!(check_links(readme), ["README.md: the link docs/c.md is relative"]);
    }

    #[test]
    fn package_finds_links_by_definitions() {
        let [files, _] = REPOSITORY;
        let readme = format!("[a][x] [b][y]\n\n[x]: docs/c.md\n[y]: {files}README.md#b\n");
        assert_eq!(check_links(&readme), ["README.md: the link docs/c.md is relative"]);
        let link = format!("{files}README.txt");
        let expected = format!("README.md: the link {link} leads to no file");
        assert_eq!(check_links(&format!("[z]: {link}")), [expected]);
    }
}
