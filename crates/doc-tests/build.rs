//! Makes a module of each page. In what fails, rustdoc names the page's lines.

// A build script speaks to cargo by printing.
#![allow(clippy::print_stdout)]

#[path = "src/pages.rs"]
#[allow(dead_code, unreachable_pub, reason = "the library and its tests use the rest")]
mod pages;

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::var("OUT_DIR")?;
    let mut modules = String::new();
    for folder in ["docs", "crates", "README.md"] {
        println!("cargo::rerun-if-changed={}", pages::root().join(folder).display());
    }
    for page in pages::all() {
        let name = page.trim_end_matches(".md").replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let text = pages::text(&pages::root().join(&page))?;
        fs::write(Path::new(&out).join(format!("{name}.md")), text)?;
        writeln!(
            modules,
            "#[doc = include_str!(\"{name}.md\")]\nmod {} {{}}",
            name.to_lowercase()
        )?;
    }
    fs::write(Path::new(&out).join("pages.rs"), modules)?;
    Ok(())
}
