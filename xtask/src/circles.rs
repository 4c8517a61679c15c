//! No files of a crate import each other in a circle: what is in one can't be read, tested or
//! moved without all the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Import;

/// How to break a circle, in a line.
const MEND: &str = "move what they share into a file that both import, or have it passed in";

/// An import that closes a circle all the same: crate, importing file, imported file, reason.
type Allowed = (&'static str, &'static str, &'static str, &'static str);

const ALLOWED: [Allowed; 3] = [
    (
        "proto",
        "deflate/compress.rs",
        "deflate/one_shot.rs",
        "a message is compressed whole where its context is not kept, into the buffer of both",
    ),
    (
        "fullduplex",
        "connection/byte_stream.rs",
        "connection/websocket.rs",
        "a WebSocket becomes a stream of bytes, and the stream returns the WebSocket",
    ),
    (
        "fullduplex",
        "server/http/body.rs",
        "server/http/shared_stream.rs",
        "a body may come from a stream of HTTP/3, and a response to one has a body",
    ),
];

/// Returns a complaint for each circle in a crate, and for each import of the list that closes
/// no circle any more.
pub(crate) fn check(name: &str, imports: &[Import]) -> Vec<String> {
    check_against(&ALLOWED, name, imports)
}

fn check_against(allowed: &[Allowed], name: &str, imports: &[Import]) -> Vec<String> {
    let allowed = allowed.iter().filter(|(owner, ..)| *owner == name);
    let pairs: Vec<(&str, &str)> = allowed.map(|(_, from, to, _)| (*from, *to)).collect();
    let is_allowed = |import: &Import| pairs.contains(&(&import.from, &import.to));
    let all = find(imports.iter());
    let stale = pairs.iter().filter(|(from, to)| {
        let closes = |import: &&Import| (&*import.from, &*import.to) == (*from, *to);
        !all.iter().flatten().any(closes)
    });
    let mut complaints: Vec<String> = stale
        .map(|(from, to)| {
            format!(
                "crates/{name}: {from} closes no circle by importing {to} any more: remove that \
                 from the list in xtask/src/circles.rs"
            )
        })
        .collect();
    let found = find(imports.iter().filter(|import| !is_allowed(import)));
    complaints.extend(found.iter().map(|circle| describe(name, circle)));
    complaints
}

/// Returns the imports of each circle.
fn find<'a>(imports: impl Iterator<Item = &'a Import>) -> Vec<Vec<&'a Import>> {
    let mut of_file: BTreeMap<&str, Vec<&Import>> = BTreeMap::new();
    for import in imports {
        of_file.entry(&import.from).or_default().push(import);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        of_file.keys().map(|file| (*file, reachable(file, &of_file))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
    let mut circles: BTreeMap<Vec<&str>, Vec<&Import>> = BTreeMap::new();
    for import in of_file.values().flatten() {
        if leads(&import.to, &import.from) {
            let both = |file: &&&str| leads(&import.from, file) && leads(file, &import.from);
            let members = of_file.keys().filter(both).copied().collect();
            circles.entry(members).or_default().push(import);
        }
    }
    circles.into_values().collect()
}

/// Returns the files that a file imports, and that those import, and so on.
fn reachable<'a>(from: &str, of_file: &BTreeMap<&'a str, Vec<&'a Import>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for import in of_file.get(file).into_iter().flatten() {
            if found.insert(&*import.to) {
                next.push(&import.to);
            }
        }
    }
    found
}

fn describe(name: &str, circle: &[&Import]) -> String {
    let mut lines: BTreeMap<(&str, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for import in circle {
        let line =
            lines.entry((&import.from, &import.to)).or_insert((import.line, BTreeSet::new()));
        line.1.insert(&import.item);
    }
    let files: BTreeSet<&str> = circle.iter().map(|import| &*import.from).collect();
    let ties = lines.into_iter().map(|((from, to), (line, items))| {
        let items = items.into_iter().collect::<Vec<_>>().join(", ");
        format!("\n    {from}:{line} imports {items} from {to}")
    });
    let ties: String = ties.collect();
    format!("crates/{name}: {} files import each other: {MEND}{ties}", files.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(from: &str, to: &str) -> Import {
        Import { from: from.into(), line: 1, to: to.into(), item: "Item".into() }
    }

    #[test]
    fn circle_is_found_with_the_imports_that_tie_it() {
        let chain = [import("a.rs", "b.rs"), import("b.rs", "c.rs"), import("a.rs", "c.rs")];
        assert_eq!(check_against(&[], "proto", &chain), Vec::<String>::new());
        let circle = [&chain[..], &[import("c.rs", "b.rs"), import("d.rs", "a.rs")]].concat();
        assert_eq!(
            check_against(&[], "proto", &circle),
            [format!(
                "crates/proto: 2 files import each other: {MEND}\n    \
                 b.rs:1 imports Item from c.rs\n    c.rs:1 imports Item from b.rs"
            )]
        );
        // Two circles are two complaints; one through three files is one.
        let two = [&circle[..], &[import("a.rs", "d.rs")]].concat();
        assert_eq!(check_against(&[], "proto", &two).len(), 2);
        let long = [&chain[..2], &[import("c.rs", "a.rs")]].concat();
        assert!(check_against(&[], "proto", &long)[0].contains("3 files"));
    }

    #[test]
    fn circle_of_the_list_passes_while_it_is_one() {
        let allowed = [("proto", "b.rs", "a.rs", "for the sake of the test")];
        let circle = [import("a.rs", "b.rs"), import("b.rs", "a.rs")];
        assert_eq!(check_against(&allowed, "proto", &circle), Vec::<String>::new());
        assert_eq!(check_against(&allowed, "http3", &circle).len(), 1);
        // Another one is not excused by it.
        let other = [&circle[..], &[import("b.rs", "c.rs"), import("c.rs", "b.rs")]].concat();
        assert_eq!(check_against(&allowed, "proto", &other).len(), 1);
        for mended in [&circle[..1], &circle[1..], &[]] {
            let complaints = check_against(&allowed, "proto", mended);
            assert!(complaints[0].contains("remove that from the list"), "{complaints:?}");
        }
    }
}
