//! The step `api`: the public API of each published library, as a list of its items, beside the
//! list that is kept; the crates whose types it shows; and whether its enums say if they may grow.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::path::PathBuf;

use public_api::Builder;

use serde_json::Value;

use crate::process::{root, run, target};
use crate::published::{self, Published};
use crate::{Outcome, Tally, complete_enums, foreign_types};

/// The traits without methods that a type may lose by a change of a private field.
const AUTO_TRAITS: [&str; 3] = ["Send", "Sync", "Unpin"];
/// How many lines of a difference are shown.
const SHOWN: usize = 60;

/// The API of a library.
struct Api {
    /// The file in which it is kept.
    file: PathBuf,
    /// Its items, one a line.
    items: String,
    /// What is wrong with them, whatever was kept.
    faults: Vec<String>,
}

/// Compares the API of each library with the kept list, and checks the crates that it shows and
/// its enums.
pub(crate) fn check() -> Outcome {
    let mut tally = Tally::default();
    for Api { file, items, faults } in apis()? {
        for fault in faults.iter().take(SHOWN) {
            println!("{fault}");
        }
        tally.add(if faults.is_empty() { Tally::PASSED } else { Tally::FAILED });
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let Ok(kept) = fs::read_to_string(&file) else {
            println!("{name} is missing; `cargo xtask api --update` writes it");
            tally.failed += 1;
            continue;
        };
        let changes = changes(&kept, &items);
        for change in changes.iter().take(SHOWN) {
            println!("{change}");
        }
        if changes.is_empty() {
            tally.passed += 1;
        } else {
            println!(
                "{} lines of {name} differ. If the change is meant, `cargo xtask api --update` \
                 writes them, CHANGELOG.md says so, and what is gone or changed (-) needs a new \
                 version: 0.2 after 0.1, 2.0 after 1.0.",
                changes.len()
            );
            tally.failed += 1;
        }
    }
    Ok(tally)
}

/// Writes the lists anew.
pub(crate) fn update() -> Outcome {
    let mut tally = Tally::default();
    for Api { file, items, .. } in apis()? {
        fs::write(&file, items).map_err(|error| format!("{}: {error}", file.display()))?;
        tally.add(Tally::PASSED);
    }
    Ok(tally)
}

/// Returns the API of each published library with all features.
fn apis() -> Result<Vec<Api>, String> {
    let mut libraries = published::all()?;
    libraries.retain(Published::has_library);
    run(&mut published::doc(&libraries, "-Z unstable-options --output-format json"))?;
    libraries.iter().map(api).collect()
}

fn api(library: &Published) -> Result<Api, String> {
    let name = library.documented().ok_or("a library without a name")?;
    let json = target().join("doc").join(&name).with_extension("json");
    let api = Builder::from_rustdoc_json(&json).omit_blanket_impls(true).build();
    let api = api.map_err(|error| {
        format!(
            "{}: {error}. Each version of rustdoc has a format of its own; xtask/Cargo.toml needs \
             the release of `public-api` that reads that of this compiler.",
            json.display()
        )
    })?;
    let items = api.items().map(ToString::to_string).filter(|item| is_promised(item));
    let items: String = items.map(|item| item + "\n").collect();
    let failed = |error: &dyn Display| format!("{}: {error}", json.display());
    let rustdoc = fs::read(&json).map_err(|error| failed(&error))?;
    let rustdoc: Value = serde_json::from_slice(&rustdoc).map_err(|error| failed(&error))?;
    let mut faults = foreign_types::faults(&name, &items, &rustdoc);
    faults.extend(complete_enums::faults(&name, &rustdoc));
    Ok(Api { file: library.folder.join("public-api.txt"), items, faults })
}

/// Whether an item is more than an implementation of an auto trait that no program asks for.
fn is_promised(item: &str) -> bool {
    let Some((_, of)) =
        item.strip_prefix("impl").and_then(|rest| rest.split_once("core::marker::"))
    else {
        return !item.starts_with("impl") || !item.contains("core::panic::unwind_safe::");
    };
    let name = of.split([' ', '<']).next().unwrap_or_default();
    AUTO_TRAITS.contains(&name) || ["Copy", "StructuralPartialEq"].contains(&name)
}

/// Returns the lines that only one of two lists has.
fn changes(kept: &str, now: &str) -> Vec<String> {
    let [kept, now] = [kept, now].map(|text| text.lines().collect::<BTreeSet<&str>>());
    let gone = kept.difference(&now).map(|line| format!("- {line}"));
    gone.chain(now.difference(&kept).map(|line| format!("+ {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_changes_are_found() {
        assert_eq!(changes("pub fn a()\npub fn b()\n", "pub fn b()\npub fn a()\n"), [""; 0]);
        assert_eq!(
            changes("pub fn a()\npub fn b()\n", "pub fn a(u8)\npub fn b()\n"),
            ["- pub fn a()", "+ pub fn a(u8)"]
        );
    }

    #[test]
    fn api_has_the_auto_traits_that_programs_ask_for() {
        assert!(is_promised("impl core::marker::Send for a::B"));
        assert!(is_promised("impl<S> core::marker::Unpin for a::B<S> where S: core::marker::Sync"));
        assert!(!is_promised("impl core::marker::Freeze for a::B"));
        assert!(!is_promised("impl core::panic::unwind_safe::UnwindSafe for a::B"));
        assert!(is_promised("impl core::clone::Clone for a::B"));
        assert!(is_promised("pub fn a::b() -> core::marker::PhantomData<u8>"));
    }
}
