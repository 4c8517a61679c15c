//! Which file of a crate imports which. Paths in code, in a `use` or in the middle of an
//! expression, are followed through re-exports to the file that defines what they name.
//!
//! Three kinds count as no import: what tests use (`#[cfg(test)]`); what a module takes from its
//! own children, as a folder's `mod.rs` declares and re-exports them; and a bare module in a
//! `use`, as the paths that begin with it are looked at themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::slice;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tokens::{
    is_for_tests, is_group, is_ident, is_path_separator, is_punct, position, segments,
};

/// The path of a module from its crate's root.
type Module = Vec<String>;

/// A use of one file's item in another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    /// The file that imports, from `src`.
    pub(crate) from: String,
    pub(crate) line: usize,
    /// The file that defines the item.
    pub(crate) to: String,
    pub(crate) item: String,
}

/// Returns the text of each file of Rust in a folder, by its path from there. What cargo has built
/// is left out.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    fn collect(
        folder: &Path,
        name: &str,
        files: &mut BTreeMap<String, String>,
    ) -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let own = path.file_name().unwrap_or_default().to_string_lossy();
            let name = if name.is_empty() { own.to_string() } else { format!("{name}/{own}") };
            if path.is_dir() && own != "target" {
                collect(&path, &name, files)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.insert(name, fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
    let mut files = BTreeMap::new();
    collect(folder, "", &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(files)
}

/// Returns the imports between the files of a crate, without those of tests.
pub(crate) fn of(files: &BTreeMap<String, String>) -> Result<Vec<Import>, String> {
    let mut code = Code::default();
    for (name, text) in files {
        let tokens: TokenStream = text.parse().map_err(|error| format!("{name}: {error}"))?;
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let module = module_of(name);
        code.files.insert(module.clone(), name.clone());
        code.modules.insert(module.clone());
        Reader { code: &mut code, file: name }.items(&tokens, &module);
    }
    code.learn_names();
    Ok(code.imports())
}

/// `connection/writer/mod.rs` and `connection/writer.rs` are the module `connection::writer`.
fn module_of(file: &str) -> Module {
    let mut module: Module = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// A path as it is written, such as `super::writer::Writer`.
struct Written {
    file: String,
    line: usize,
    module: Module,
    path: Vec<String>,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// A `use`, and the name by which the module knows it from there on.
    Use(String),
    /// `use …::*`.
    Glob,
    /// A path in the middle of code.
    Inline,
}

/// What is written in all files of a crate.
#[derive(Default)]
struct Code {
    files: BTreeMap<Module, String>,
    /// Modules of files, and modules in their midst.
    modules: BTreeSet<Module>,
    tests: Vec<Module>,
    paths: Vec<Written>,
    /// What a `use` in a module makes known there, from the crate's root.
    names: HashMap<Module, HashMap<String, Module>>,
}

impl Code {
    fn learn_names(&mut self) {
        let mut names: HashMap<Module, HashMap<String, Module>> = HashMap::new();
        for written in &self.paths {
            if let (Kind::Use(name), Some(path)) = (&written.kind, self.absolute(written)) {
                names.entry(written.module.clone()).or_default().insert(name.clone(), path);
            }
        }
        self.names = names;
    }

    fn imports(&self) -> Vec<Import> {
        let mut imports = Vec::new();
        for written in &self.paths {
            let Written { file, line, module, .. } = written;
            if self.tests.iter().any(|tests| module.starts_with(tests)) {
                continue;
            }
            let Some(path) = self.absolute(written) else {
                continue;
            };
            let path = self.follow(path);
            if self.modules.contains(&path) {
                continue;
            }
            let Some((owner, to)) = self.file_of(&path) else {
                continue;
            };
            let is_child = owner.starts_with(&module_of(file));
            if to != file && !is_child && !self.tests.contains(owner) {
                let (from, to) = (file.clone(), to.clone());
                let item = path.get(owner.len()).or(path.last()).cloned().unwrap_or_default();
                imports.push(Import { from, line: *line, to, item });
            }
        }
        imports
    }

    /// The path from the crate's root; `None` for what another crate has.
    fn absolute(&self, written: &Written) -> Option<Module> {
        let Written { module, path, kind, .. } = written;
        let first = path.first()?;
        match first.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => {
                let ups = path.iter().take_while(|segment| *segment == "super").count();
                let up = module.len().checked_sub(ups)?;
                Some([&module[..up], &path[ups..]].concat())
            }
            _ => {
                let known = self.names.get(module).and_then(|names| names.get(first));
                match known {
                    Some(known) if *kind == Kind::Inline => Some([known, &path[1..]].concat()),
                    _ => {
                        let child = [module, slice::from_ref(first)].concat();
                        self.modules.contains(&child).then(|| [module, &path[..]].concat())
                    }
                }
            }
        }
    }

    /// Goes on from a module that has the next name from elsewhere, by `pub use` or, as children
    /// see that, `use`.
    fn follow(&self, mut path: Module) -> Module {
        // Re-exports of re-exports; a circle of them does not compile.
        for _ in 0..8 {
            let module = (0..path.len()).rev().find(|n| self.modules.contains(&path[..*n]));
            let Some((module, name)) = module.and_then(|n| Some((n, path.get(n)?))) else {
                break;
            };
            let names = self.names.get(&path[..module]);
            let Some(known) = names.and_then(|names| names.get(name)) else {
                break;
            };
            path = [known, &path[module + 1..]].concat();
        }
        path
    }

    /// The file of the longest beginning of a path that is a file's module.
    fn file_of(&self, path: &[String]) -> Option<(&Module, &String)> {
        (0..=path.len()).rev().find_map(|n| self.files.get_key_value(&path[..n]))
    }
}

/// Reads the tokens of a file.
struct Reader<'a> {
    code: &'a mut Code,
    file: &'a str,
}

impl Reader<'_> {
    /// Looks for modules, `use` and paths.
    fn items(&mut self, tokens: &[TokenTree], module: &[String]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at = match token {
                TokenTree::Punct(hash) if hash.as_char() == '#' => match tokens.get(at + 1) {
                    Some(TokenTree::Group(group)) if is_for_tests(&group.stream()) => {
                        self.skip_item(tokens, at + 2, module)
                    }
                    _ => at + 2,
                },
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.items(&inner, module);
                    at + 1
                }
                TokenTree::Ident(ident) if ident == "mod" => self.inline_module(tokens, at, module),
                TokenTree::Ident(ident) if ident == "use" => {
                    let end = position(tokens, at, |token| is_punct(token, ';'));
                    self.tree(&tokens[at + 1..end], module, &[]);
                    end + 1
                }
                TokenTree::Ident(_) => self.inline_path(tokens, at, module),
                _ => at + 1,
            };
        }
    }

    /// `mod name { … }`.
    fn inline_module(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(group))) =
            (tokens.get(at + 1), tokens.get(at + 2))
        {
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            let module = [module, &[name.to_string()]].concat();
            self.code.modules.insert(module.clone());
            self.items(&inner, &module);
            return at + 3;
        }
        at + 1
    }

    /// `a::b::c` in an expression or a type; a name without `::` is found by its `use`.
    fn inline_path(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        let (path, end) = segments(tokens, at);
        // `<T as Trait>::Item`, or a path from outside of the crate.
        let is_tail = at > 1 && is_path_separator(tokens, at - 2);
        if path.len() > 1 && !is_tail {
            let line = tokens[at].span().start().line;
            self.add(line, module, path, Kind::Inline);
        }
        end
    }

    /// What a `use` brings: `a::{b, c as d}`.
    fn tree(&mut self, tokens: &[TokenTree], module: &[String], before: &[String]) {
        let (own, end) = segments(tokens, 0);
        let path = [before, &own].concat();
        let line = tokens.first().map_or(0, |token| token.span().start().line);
        match tokens.get(end) {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(token, ',')) {
                    if !branch.is_empty() {
                        self.tree(branch, module, &path);
                    }
                }
            }
            Some(token) if is_punct(token, '*') => {
                self.add(line, module, [path, vec!["*".into()]].concat(), Kind::Glob);
            }
            other => {
                let mut path = path;
                if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let renamed = match (other, tokens.get(end + 1)) {
                    (Some(TokenTree::Ident(r#as)), Some(TokenTree::Ident(name)))
                        if r#as == "as" =>
                    {
                        Some(name.to_string())
                    }
                    _ => None,
                };
                let Some(name) = renamed.or_else(|| path.last().cloned()) else {
                    return;
                };
                self.add(line, module, path, Kind::Use(name));
            }
        }
    }

    /// What is compiled for tests; returns where the next item begins.
    fn skip_item(&mut self, tokens: &[TokenTree], at: usize, module: &[String]) -> usize {
        let ends = |token: &TokenTree| is_punct(token, ';') || is_group(token, Delimiter::Brace);
        let end = position(tokens, at, ends);
        let item = &tokens[at..end];
        if let Some(n) = item.iter().position(|token| is_ident(token, "mod"))
            && let Some(name) = item.get(n + 1)
        {
            self.code.tests.push([module, &[name.to_string()]].concat());
        }
        end + 1
    }

    fn add(&mut self, line: usize, module: &[String], path: Vec<String>, kind: Kind) {
        let (file, module) = (self.file.to_owned(), module.to_vec());
        self.code.paths.push(Written { file, line, module, path, kind });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(files: &[(&str, &str)]) -> Vec<String> {
        let files = files.iter().map(|(file, text)| ((*file).into(), (*text).into())).collect();
        let show = |Import { from, line, to, item }| format!("{from}:{line} {item} of {to}");
        of(&files).unwrap().into_iter().map(show).collect()
    }

    #[test]
    fn imports_lead_to_the_file_that_defines_the_item() {
        let files = [
            ("lib.rs", "mod low; mod high; mod user; pub use low::inner::Item as Named;"),
            ("low/mod.rs", "pub(crate) mod inner;\npub(crate) use inner::Item;"),
            ("low/inner.rs", "pub struct Item;"),
            ("high.rs", "use std::fmt;\npub fn call() {}"),
        ];
        for (text, found) in [
            ("use crate::low::inner::Item;", "user.rs:1 Item of low/inner.rs"),
            ("use crate::low::Item;", "user.rs:1 Item of low/inner.rs"),
            ("use crate::Named;", "user.rs:1 Item of low/inner.rs"),
            ("use super::low::{self, Item as Other};", "user.rs:1 Item of low/inner.rs"),
            ("\n\nfn f(_: crate::low::Item) {}", "user.rs:3 Item of low/inner.rs"),
            ("use crate::low;\nfn f() -> low::Item {}", "user.rs:2 Item of low/inner.rs"),
            ("use crate::high::*;", "user.rs:1 * of high.rs"),
            ("mod a { fn f() { super::super::high::call() } }", "user.rs:1 call of high.rs"),
            ("fn f() { vec![crate::high::call()] }", "user.rs:1 call of high.rs"),
        ] {
            let all = [&files[..], &[("user.rs", text)]].concat();
            assert_eq!(imports(&all), [found], "{text}");
        }
    }

    #[test]
    fn imports_of_tests_children_and_other_crates_do_not_count() {
        for text in [
            "use http::high::call; use super::*; use ::high::call;",
            "// crate::high::call\n/// [`crate::high::call`]\nfn f() { \"crate::high::call\" }",
            "#[cfg(test)]\nuse crate::high::call;",
            "#[cfg(all(test, unix))]\n#[allow(dead_code)]\nmod tests { use crate::high::call; }",
            "#[cfg(test)]\nmod tests;",
            "mod child; use child::Child; pub use self::child::Other;",
        ] {
            let files = [
                ("high.rs", "pub fn call() {}"),
                ("user/mod.rs", text),
                ("user/child.rs", "pub struct Child;"),
                (
                    "user/tests.rs",
                    if text.ends_with("tests;") { "use crate::high::call;" } else { "" },
                ),
            ];
            assert_eq!(imports(&files), Vec::<String>::new(), "{text}");
        }
        // But what is for all but tests does.
        let files = [("a.rs", "pub fn a() {}"), ("b.rs", "#[cfg(not(test))]\nuse crate::a::a;")];
        assert_eq!(imports(&files).len(), 1);
    }
}
