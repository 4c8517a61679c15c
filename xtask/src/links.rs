//! The links of HTML pages: those within the pages must lead somewhere, those to other sites are
//! looked at but not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::Tally;
use crate::process::root;

/// Where the project's repository shows a file or a folder.
pub(crate) const REPOSITORY: [&str; 2] = [
    "https://github.com/fullduplex-rs/fullduplex/blob/main/",
    "https://github.com/fullduplex-rs/fullduplex/tree/main/",
];

/// What the links of a page lead to, and what can be linked to on it.
#[derive(Debug, Default)]
struct Page {
    links: BTreeSet<String>,
    anchors: BTreeSet<String>,
    /// Where a page of an item leads whose own module is private.
    redirect: Option<String>,
}

/// Checks the links of the pages in these folders of `site`.
pub(crate) fn check(site: &Path, folders: &[&str]) -> Result<Tally, String> {
    let mut files = Vec::new();
    for folder in folders {
        find(&site.join(folder), &mut files)?;
    }
    let mut pages = BTreeMap::new();
    let mut tally = Tally::default();
    for file in &files {
        // mdBook's page for other addresses, and the one of all pages, whose parts are checked.
        if ["404.html", "print.html"].iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let links = page(&mut pages, file)?.links.clone();
        for link in links {
            match problem(&mut pages, site, file, &link) {
                None => tally.passed += 1,
                Some(why) => {
                    let shown = file.strip_prefix(site).unwrap_or(file);
                    println!("{}: {link}: {why}", shown.display());
                    tally.failed += 1;
                }
            }
        }
    }
    Ok(tally)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            files.push(path);
        }
    }
    Ok(())
}

fn page<'a>(pages: &'a mut BTreeMap<PathBuf, Page>, file: &Path) -> Result<&'a Page, String> {
    if !pages.contains_key(file) {
        let html =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        pages.insert(file.to_owned(), parse(&html));
    }
    pages.get(file).ok_or_else(String::new)
}

/// What is wrong with a link of a page.
fn problem(
    pages: &mut BTreeMap<PathBuf, Page>,
    site: &Path,
    from: &Path,
    link: &str,
) -> Option<&'static str> {
    if let Some(path) = REPOSITORY.iter().find_map(|start| link.strip_prefix(start)) {
        let path = path.split('#').next().unwrap_or_default();
        return (!root().join(path).exists()).then_some("the repository has no such file");
    }
    if let Some((scheme, rest)) = link.split_once(':')
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return problem_elsewhere(scheme, rest);
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = percent_decoded(path.split('?').next().unwrap_or_default());
    let mut target =
        if path.is_empty() { from.to_owned() } else { joined(&from.with_file_name(""), &path) };
    if target.is_dir() {
        target.push("index.html");
    }
    if !target.starts_with(site) || !target.is_file() {
        return Some("there is no such page");
    }
    // Of `#10-20` in the source code, the page has the first.
    let is_source = target.starts_with(site.join("src"));
    let anchor = if is_source { anchor.split('-').next().unwrap_or_default() } else { anchor };
    if anchor.is_empty() || target.extension().is_none_or(|extension| extension != "html") {
        return None;
    }
    let Ok(page) = page(pages, &target) else { return Some("the page can't be read") };
    if let Some(redirect) = &page.redirect {
        let link = format!("{redirect}#{anchor}");
        return problem(pages, site, &target, &link);
    }
    let known = [anchor.to_owned(), percent_decoded(anchor)];
    let found = known.iter().any(|anchor| page.anchors.contains(anchor));
    (!found).then_some("the page has no such anchor")
}

/// What is wrong with the form of a link to another site.
fn problem_elsewhere(scheme: &str, rest: &str) -> Option<&'static str> {
    let has_space = rest.contains(char::is_whitespace);
    match scheme {
        "http" | "https" => {
            let host = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
            let has_host = host.is_some_and(|host| !host.is_empty());
            (!has_host || has_space).then_some("not a valid URL")
        }
        "mailto" | "data" | "javascript" => None,
        _ => Some("not a scheme that a page links to"),
    }
}

/// Joins paths without asking the file system, as a browser does.
fn joined(folder: &Path, path: &str) -> PathBuf {
    let mut joined = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::ParentDir => {
                joined.pop();
            }
            Component::CurDir => {}
            other => joined.push(other),
        }
    }
    joined
}

fn percent_decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        if let Some(byte) = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads the tags of a page; scripts are left out. What rustdoc lists last comes from the docs of
/// other crates, with links that lead somewhere only there.
fn parse(html: &str) -> Page {
    let mut page = Page::default();
    let mut is_own = true;
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let name = rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        rest = attributes(&rest[name.len()..], |attribute, value| {
            let value = value.replace("&amp;", "&").replace("&quot;", "\"");
            match attribute {
                "content" => {
                    page.redirect =
                        page.redirect.take().or(value.strip_prefix("0;URL=").map(str::to_owned));
                    true
                }
                "href" | "src" if is_own && name != "script" => page.links.insert(value),
                "id" | "name" => {
                    is_own &= value != "blanket-implementations-list";
                    page.anchors.insert(value)
                }
                _ => false,
            };
        });
        if name == "script" {
            rest = rest.split_once("</script").map_or("", |(_, after)| after);
        }
    }
    page
}

/// Passes on each attribute of a tag that has a value; returns what follows the tag.
fn attributes(tag: &str, mut found: impl FnMut(&str, String)) -> &str {
    let mut rest = tag;
    loop {
        let Some(next) = rest.find(['=', '>']) else { return "" };
        let word = rest[..next].rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_end = rest[next..].starts_with('>');
        rest = &rest[next + 1..];
        if is_end {
            return rest;
        }
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c));
        let value = match quote {
            Some(quote) => rest[1..].split(quote).next(),
            None => rest.split(|c: char| c == '>' || c.is_whitespace()).next(),
        };
        let Some(value) = value else { return "" };
        found(word, value.to_owned());
        let quotes = if quote.is_some() { 2 } else { 0 };
        rest = rest.get(value.len() + quotes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_anchors_are_parsed() {
        let page = parse(
            "<!-- <a href='no'> --><a class=x href=\"a.html?b&amp;c#d\" title='>'>t</a>\
             <h2 id=\"e\">1 < 2</h2><script src=\"f.js\">\"<a href='no'>\"</script>\
             <br/><img src=i.png id=f>\
             <p id=blanket-implementations-list><a href=no id=last>",
        );
        assert_eq!(Vec::from_iter(&page.links), ["a.html?b&c#d", "i.png"]);
        assert_eq!(
            Vec::from_iter(&page.anchors),
            ["blanket-implementations-list", "e", "f", "last"]
        );
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        let site = std::env::temp_dir().join(format!("links-{}", std::process::id()));
        fs::create_dir_all(site.join("book/x")).unwrap();
        let write = |name: &str, html: &str| fs::write(site.join(name), html).unwrap();
        write("book/x/index.html", "<h1 id=\"a%20b\"></h1>");
        let count = |html: &str| {
            write("book/page.html", html);
            let tally = check(&site, &["book"]).unwrap();
            (tally.passed, tally.failed)
        };
        assert_eq!(
            count("<a href='x'><a href='x/index.html#a%20b'><a href='#t'><p id='t'>"),
            (3, 0)
        );
        write("book/x/moved.html", "<meta content='0;URL=../x/'><a href=../x/#a%20b>");
        assert_eq!(count("<a href='x/moved.html#a%20b'>"), (2, 0));
        assert_eq!(count("<a href='x/moved.html#b'>"), (1, 1));
        fs::remove_file(site.join("book/x/moved.html")).unwrap();
        assert_eq!(count("<a href='y'>"), (0, 1));
        assert_eq!(count("<a href='x/index.html#b'>"), (0, 1));
        assert_eq!(count("<a href='../../etc'>"), (0, 1));
        assert_eq!(count("<a href='https://example.org/a'><a href='mailto:a@b'>"), (2, 0));
        assert_eq!(count("<a href='https:///a'><a href='htps://a/'>"), (0, 2));
        let [files, folders] = REPOSITORY;
        let known = format!("<a href='{files}README.md#a'><a href='{folders}xtask'>");
        assert_eq!(count(&known), (2, 0));
        assert_eq!(count(&format!("<a href='{files}README.txt'>")), (0, 1));
        fs::remove_dir_all(&site).unwrap();
    }
}
