//! The steps `docs` and `book`: what a reader sees, with links that lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::process::{command, root, run, target};
use crate::{Outcome, Tally, cargo_tests, env, links, published};

/// Documents the published crates as docs.rs does, and checks all links; then the others.
pub(crate) fn rustdoc() -> Outcome {
    let packages = published::all()?;
    let site = target().join("doc");
    let names: Vec<String> = packages.iter().filter_map(published::Published::documented).collect();
    let flags = format!("--cfg docsrs -D warnings {}", published::addresses_of_docs()?);
    run(&mut published::doc(&packages, &flags))?;
    // rustdoc links only to a crate that has a folder, and cargo removes the folder of a crate that
    // it documents. So each crate is documented once more, with those of all others in place. Pages
    // of items that are gone go with the folder.
    for name in &names {
        let _ = fs::remove_dir_all(site.join(name));
        run(&mut published::doc(&packages, &flags))?;
    }
    let mut tally = Tally::PASSED;
    let folders: Vec<&str> = names.iter().map(String::as_str).collect();
    tally.add(links::check(&site, &folders)?);
    let mut others = command("cargo");
    others.args(["doc", "--no-deps", "--quiet"]).args(cargo_tests::WORKSPACE);
    for package in &packages {
        others.args(["--exclude", &package.name]);
    }
    run(others.env("RUSTDOCFLAGS", "-D warnings"))?;
    tally.add(Tally::PASSED);
    Ok(tally)
}

/// Builds the book and checks all links. Its code is compiled by `crates/doc-tests`.
pub(crate) fn book() -> Outcome {
    let folder = root().join("docs");
    let mut tally = pages_are_listed(&folder.join("src"))?;
    let site = target().join("book");
    let mut mdbook = env::tool("mdbook")?;
    // A page that is listed must exist.
    mdbook.env("MDBOOK_BUILD__CREATE_MISSING", "false").env("RUST_LOG", "warn");
    run(mdbook.arg("build").arg(folder).arg("--dest-dir").arg(&site))?;
    tally.add(links::check(&site, &[""])?);
    println!("book: {}", site.join("index.html").display());
    Ok(tally)
}

/// A page that is not in the summary is not in the book.
fn pages_are_listed(source: &Path) -> Outcome {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let summary = read(&source.join("SUMMARY.md"))?;
    let listed: BTreeSet<&str> =
        summary.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let mut tally = Tally::default();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| error.to_string())?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.strip_prefix(source).unwrap_or(&path).to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if name == "SUMMARY.md" || !name.ends_with(".md") {
                // No page.
            } else if listed.contains(&*name) {
                tally.passed += 1;
            } else {
                println!("docs/src/{name} is not in SUMMARY.md");
                tally.failed += 1;
            }
        }
    }
    Ok(tally)
}
