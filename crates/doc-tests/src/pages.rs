//! The pages, and the blocks of code on them.

use std::fs;
use std::path::{Path, PathBuf};

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the paths of all pages, relative to the project's folder: the READMEs and the book.
pub fn all() -> Vec<String> {
    let mut found = Vec::new();
    find(&root().join("docs"), &mut found);
    find(&root().join("crates"), &mut found);
    let relative = |path: PathBuf| {
        let path = path.strip_prefix(root()).map(Path::to_path_buf).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    };
    let mut pages: Vec<String> = found.into_iter().map(relative).collect();
    pages.push("README.md".into());
    pages.sort();
    pages
}

/// Finds Markdown files below a folder, links and what cargo builds left out.
fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        match kind {
            Ok(kind) if kind.is_dir() && entry.file_name() != "target" => find(&path, found),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|e| e == "md") => {
                found.push(path);
            }
            _ => {}
        }
    }
}

/// Returns the text of a page with what it includes, as mdBook would: `{{#include PATH}}` and
/// `{{#include PATH:ANCHOR}}`, with the path relative to the page.
///
/// # Errors
///
/// A file that can't be read, or an anchor that is not in it.
pub fn text(page: &Path) -> Result<String, String> {
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let text = read(page)?;
    let mut parts = text.split("{{#");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (directive, rest) =
            part.split_once("}}").ok_or(format!("{}: no }}}} after {{{{#", page.display()))?;
        let (word, target) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "include" | "rustdoc_include" => {
                let (path, anchor) = target.split_once(':').unwrap_or((target, ""));
                let file = read(&page.with_file_name("").join(path))?;
                let chosen = section(&file, anchor);
                whole += &chosen.ok_or(format!("{}: no anchor in {target}", page.display()))?;
            }
            other => return Err(format!("{}: {{{{#{other}}}}} is not known", page.display())),
        }
        whole += rest;
    }
    Ok(whole)
}

/// Returns the lines between `ANCHOR: name` and `ANCHOR_END: name`, or all if the name is empty;
/// without the lines of anchors.
fn section(file: &str, anchor: &str) -> Option<String> {
    let is = |line: &str, word: &str| line.split_once(word).map(|(_, name)| name.trim() == anchor);
    let mut lines = Vec::new();
    let (mut inside, mut found) = (anchor.is_empty(), anchor.is_empty());
    for line in file.lines() {
        if let Some(this) = is(line, "ANCHOR: ") {
            inside |= this;
            found |= this;
        } else if let Some(this) = is(line, "ANCHOR_END: ") {
            inside &= !this;
        } else if inside {
            lines.push(line);
        }
    }
    found.then(|| lines.join("\n"))
}

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The number of its first line, which has the fence.
    pub line: usize,
    /// The words after the fence, such as `rust` and `no_run`.
    pub words: Vec<&'a str>,
    /// The lines between the fences.
    pub text: String,
}

/// Returns the fenced blocks of a page.
pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(info) => {
                let words = info.split([',', ' ']).filter(|word| !word.is_empty()).collect();
                blocks.push(Block { line: number + 1, words, text: String::new() });
                open = true;
            }
            None => {
                if let Some(block) = blocks.last_mut().filter(|_| open) {
                    block.text += line;
                    block.text += "\n";
                }
            }
        }
    }
    blocks
}
