//! The language of doc lines, comments and messages, as far as a search for fixed phrases can
//! hold it; and lines that are too long, as rustfmt breaks neither comments nor strings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::replace;

use proc_macro2::{TokenStream, TokenTree};

use crate::imports;
use crate::process::root;
use crate::{Outcome, Tally};

/// Beginnings that no doc comment may have, and what it says instead. A doc is read by itself, in
/// an index and in an editor: its first line says what the item is or does.
const BEGINNINGS: [(&str, &str); 12] = [
    ("The same", "what it is, without a look at its neighbours"),
    ("So long", "\"The time that …\""),
    ("So far", "what it is"),
    ("That", "what the item is, such as \"Membership in …\""),
    ("Those", "what they are"),
    ("Has", "what the call does, such as \"Registers …\""),
    ("Gives", "\"Returns …\""),
    ("It", "what the item is"),
    ("As above", "what it is"),
    ("Who", "what it is, such as \"The peer that …\""),
    ("Whom", "what it is, such as \"The roots that a client trusts\""),
    ("Whose", "what it is, such as \"The origin of …\""),
];

/// A phrase that no doc, comment or message may have.
struct Phrase {
    words: &'static [&'static str],
    instead: &'static str,
    /// With one of these among the two words before it, or right after it, it is plain English.
    but_after: &'static [&'static str],
    but_before: &'static [&'static str],
    /// Whether it is one only where a clause ends with it.
    ends_clause: bool,
}

const PHRASES: [Phrase; 17] = [
    phrase(&["nobody"], "who: \"no task\", \"no caller\", \"not the peer\""),
    phrase(&["somebody"], "who: \"a task\", \"the caller\", \"the peer\""),
    phrase(&["whoever"], "who: \"the caller that …\", \"any task that …\""),
    phrase(&["whomever"], "who: \"the caller that …\", \"any task that …\""),
    phrase(&["so", "many"], "\"this many\", \"the number of …\", or `n`"),
    Phrase { but_before: &["as"], ..phrase(&["so", "much"], "\"this much\", or `n`") },
    Phrase { but_after: THERE, ..phrase(&["is", "none"], "\"is not one\"") },
    Phrase { but_after: THERE, ..phrase(&["are", "none"], "\"are not\"") },
    Phrase {
        but_after: THERE,
        but_before: COMPARATIVES,
        ..phrase(&["is", "no"], "\"is not a …\", in messages \"is not a valid …\"")
    },
    Phrase {
        but_after: THERE,
        but_before: COMPARATIVES,
        ..phrase(&["are", "no"], "\"are not …\"")
    },
    phrase(&["and", "gives"], "\"and returns\""),
    Phrase { ends_clause: true, ..phrase(&["in", "all"], "\"in total\"") },
    Phrase { but_after: &["let", "left", "leave", "leaves"], ..phrase(&["alone"], "\"only\"") },
    phrase(&["makes", "no", "odds"], "\"does not matter\""),
    phrase(&["may", "stand"], "\"may exist\", \"may be open\""),
    phrase(&["stands", "there"], "\"is in it\", \"is present\""),
    phrase(&["is", "told"], "\"is notified\", \"is reported\""),
];

const THERE: &[&str] = &["there"];
const COMPARATIVES: &[&str] = &[
    "longer",
    "more",
    "less",
    "other",
    "later",
    "larger",
    "smaller",
    "shorter",
    "better",
    "worse",
    "different",
    "faster",
    "slower",
    "higher",
    "lower",
    "older",
    "newer",
    "bigger",
    "fewer",
];

const fn phrase(words: &'static [&'static str], instead: &'static str) -> Phrase {
    Phrase { words, instead, but_after: &[], but_before: &[], ends_clause: false }
}

/// Rustfmt's `max_width`.
const COLUMNS: usize = 100;

/// A fault of language or form.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    what: String,
}

/// Where the project's code is.
const FOLDERS: [&str; 5] = ["crates", "examples", "xtask", "bench", "fuzz"];

/// The files that have faults still. It may only become shorter.
const UNSWEPT: &str = "xtask/unswept.txt";

/// The files that have the words themselves, in lists.
const LISTS: [&str; 2] = ["xtask/src/test_names.rs", "xtask/src/words.rs"];

/// Checks all code. What tests are called and say is left to their authors.
pub(crate) fn run() -> Outcome {
    let found = find()?;
    let list = fs::read_to_string(root().join(UNSWEPT)).map_err(|error| error.to_string())?;
    let unswept: BTreeSet<&str> = list.lines().collect();
    let complaints = complaints(&found, &unswept);
    for complaint in &complaints {
        println!("{complaint}");
    }
    println!(
        "{} files are not swept yet; cargo xtask words PATH shows their faults",
        unswept.len()
    );
    Ok(Tally {
        passed: found.len().saturating_sub(unswept.len()),
        failed: complaints.len(),
        skipped: 0,
    })
}

/// Returns the faults of swept files, and the entries of the list that are not needed.
fn complaints(found: &BTreeMap<String, Vec<Fault>>, unswept: &BTreeSet<&str>) -> Vec<String> {
    let swept = found.iter().filter(|(file, _)| !unswept.contains(&***file));
    let mut complaints: Vec<String> =
        swept.flat_map(|(file, faults)| show_all(file, faults)).collect();
    let has_none = |file: &&&str| found.get(**file).is_none_or(Vec::is_empty);
    complaints.extend(unswept.iter().filter(has_none).map(|file| {
        format!("{UNSWEPT}: {file} has no faults: remove it by cargo xtask words --update")
    }));
    complaints
}

fn show_all(file: &str, faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|Fault { line, what }| format!("{file}:{line}: {what}")).collect()
}

/// Prints the faults of the files whose path begins like this, be they swept or not.
pub(crate) fn show(path: &str) -> Outcome {
    let mut tally = Tally::default();
    for (file, faults) in find()?.into_iter().filter(|(file, _)| file.starts_with(path)) {
        for fault in show_all(&file, &faults) {
            println!("{fault}");
        }
        tally.failed += faults.len();
    }
    Ok(tally)
}

/// Takes the files without faults off the list.
pub(crate) fn update() -> Outcome {
    let found = find()?;
    let list = fs::read_to_string(root().join(UNSWEPT)).map_err(|error| error.to_string())?;
    let is_left = |file: &&str| found.get(*file).is_some_and(|faults| !faults.is_empty());
    let left: String = list.lines().filter(is_left).flat_map(|file| [file, "\n"]).collect();
    fs::write(root().join(UNSWEPT), left).map_err(|error| error.to_string())?;
    Ok(Tally::PASSED)
}

/// Returns the faults of each file, by its path in the project.
fn find() -> Result<BTreeMap<String, Vec<Fault>>, String> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        for (file, text) in imports::read(&root().join(folder))? {
            let file = format!("{folder}/{file}");
            let mut faults = long_lines(&text);
            if file.contains("/src/") && !file.ends_with("tests.rs") && !LISTS.contains(&&*file) {
                faults.extend(words(&text));
            }
            faults.sort_by_key(|fault| fault.line);
            found.insert(file, faults);
        }
    }
    Ok(found)
}

/// Returns what is wrong with the language of a file's docs, comments and messages.
fn words(text: &str) -> Vec<Fault> {
    let blocks = comments(text).into_iter().chain(messages(text));
    blocks.flat_map(|block| beginning(&block).into_iter().chain(phrases(&block))).collect()
}

/// Returns the lines that are longer than rustfmt makes them.
fn long_lines(text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let length = line.chars().count();
        // A row of a table can't be broken.
        if length > COLUMNS && !line.trim_start().starts_with("/// |") {
            let what = format!("{length} columns, not {COLUMNS}: break the line");
            faults.push(Fault { line: number + 1, what });
        }
    }
    faults
}

/// Words that belong together, of a comment or a string.
struct Block {
    is_doc: bool,
    words: Vec<Word>,
}

struct Word {
    line: usize,
    text: String,
    ends_clause: bool,
}

impl Block {
    fn add(&mut self, line: usize, text: &str) {
        // Between backticks is code.
        for (n, part) in text.split('`').enumerate() {
            let parts = if n % 2 == 0 { part } else { "`" };
            self.words.extend(parts.split_whitespace().map(|word| Word {
                line,
                text: word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '`').into(),
                ends_clause: word.ends_with(['.', ',', ';', ':', ')']),
            }));
        }
    }
}

/// The comments of a file, each with the lines that follow one another.
fn comments(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut last, mut is_example) = ("", false);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let marker = ["///", "//!", "//"].into_iter().find(|mark| trimmed.starts_with(mark));
        let trailing = || {
            let at = line.find(" // ").filter(|at| line[..*at].matches('"').count() % 2 == 0)?;
            Some(&line[at + 4..])
        };
        let Some(said) = marker.map(|mark| &trimmed[mark.len()..]).or_else(trailing) else {
            last = "";
            continue;
        };
        let marker = marker.unwrap_or(" // ");
        if marker != last {
            blocks.push(Block { is_doc: marker.len() == 3, words: Vec::new() });
            is_example = false;
        }
        last = marker;
        if said.trim_start().starts_with("```") {
            is_example = !is_example;
        } else if !is_example && let Some(block) = blocks.last_mut() {
            block.add(number + 1, said);
        }
    }
    blocks
}

/// The strings of a file, but for those of its tests.
fn messages(text: &str) -> Vec<Block> {
    fn collect(tokens: TokenStream, blocks: &mut Vec<Block>) {
        let mut is_attribute = false;
        for token in tokens {
            let was_attribute = replace(&mut is_attribute, false);
            match token {
                TokenTree::Punct(mark) => {
                    let mark = mark.as_char();
                    is_attribute = mark == '#' || was_attribute && mark == '!';
                }
                // The docs are among the attributes.
                TokenTree::Group(group) if !was_attribute => collect(group.stream(), blocks),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('"') {
                        let mut block = Block { is_doc: false, words: Vec::new() };
                        for (n, line) in text.lines().enumerate() {
                            block.add(literal.span().start().line + n, line.trim_end_matches('\\'));
                        }
                        blocks.push(block);
                    }
                }
                _ => {}
            }
        }
    }
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let mut blocks = Vec::new();
    if let Ok(tokens) = code.parse() {
        collect(tokens, &mut blocks);
    }
    blocks
}

fn beginning(block: &Block) -> Option<Fault> {
    let line = block.words.first().filter(|_| block.is_doc)?.line;
    let found = BEGINNINGS.into_iter().find(|(beginning, _)| {
        let mut own = block.words.iter().map(|word| &*word.text);
        beginning.split(' ').all(|word| own.next() == Some(word))
    });
    let (beginning, instead) = found?;
    Some(Fault { line, what: format!("a doc does not begin with \"{beginning}\": say {instead}") })
}

fn phrases(block: &Block) -> Vec<Fault> {
    let words: Vec<String> = block.words.iter().map(|word| word.text.to_lowercase()).collect();
    let mut faults = Vec::new();
    for phrase in &PHRASES {
        for (at, found) in words.windows(phrase.words.len()).enumerate() {
            let after = at + phrase.words.len();
            let mut before = words[at.saturating_sub(2)..at].iter();
            let is_plain = before.any(|word| phrase.but_after.contains(&&**word))
                || words.get(after).is_some_and(|next| phrase.but_before.contains(&&**next))
                || phrase.ends_clause && after < words.len() && !block.words[after - 1].ends_clause;
            if found == phrase.words && !is_plain {
                let what = format!("\"{}\": say {}", phrase.words.join(" "), phrase.instead);
                faults.push(Fault { line: block.words[at].line, what });
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(text: &str) -> Vec<usize> {
        let faults = words(text).into_iter().chain(long_lines(text));
        faults.map(|fault| fault.line).collect()
    }

    #[test]
    fn words_of_a_docs_beginning_are_held_to_the_list() {
        let found = words("//! Types.\n\n/// Gives the name\n/// and the size.\nfn f() {}\n");
        let what = "a doc does not begin with \"Gives\": say \"Returns …\"".into();
        assert_eq!(found, [Fault { line: 3, what }]);
        assert_eq!(lines("//! The same of servers."), [1]);
        assert_eq!(lines("/// So many wait."), [1]);
        assert_eq!(lines("    /// Has it counted."), [1]);
        // Later lines, plain comments, and other words that begin alike.
        assert_eq!(lines("/// Returns it.\n/// Has a name.\n// Gives up.\n/// Hash."), NONE);
        assert_eq!(lines("/// Whether it is there.\n/// That ends."), NONE);
    }

    #[test]
    fn words_of_the_list_are_found_in_docs_comments_and_messages() {
        assert_eq!(lines("// Nobody\nfn f() {}\n/// A wait that somebody ends."), [1, 3]);
        assert_eq!(lines("fn f() {} // for so many\nfn g() { \"waits for so\n many\" }"), [1, 2]);
        assert_eq!(lines("// One that is\n// no server."), [1]);
        assert_eq!(lines("f(\"{host} is no host\");"), [1]);
        assert_eq!(lines("// 5 in all, of which\n// in all cases"), [1]);
        // Plain English, code, examples and tests.
        for plain in [
            "// There is no server. It is no longer there, and there are none.",
            "// One is `nobody`; leave it alone.",
            "/// ```\n/// nobody();\n/// ```",
            "fn nobody() {}",
            "#[cfg(test)]\nmod tests {\n    const A: &str = \"nobody\";\n}",
        ] {
            assert_eq!(lines(plain), NONE, "{plain}");
        }
    }

    #[test]
    fn words_of_unswept_files_pass_while_there_are_some() {
        let fault = || Fault { line: 7, what: "a word".into() };
        let found = |faults| BTreeMap::from([("a.rs".to_owned(), faults)]);
        let unswept = BTreeSet::from(["a.rs"]);
        assert_eq!(complaints(&found(vec![fault()]), &BTreeSet::new()), ["a.rs:7: a word"]);
        assert_eq!(complaints(&found(vec![fault()]), &unswept), Vec::<String>::new());
        assert_eq!(complaints(&found(vec![]), &BTreeSet::new()), Vec::<String>::new());
        for found in [found(vec![]), BTreeMap::new()] {
            let complaints = complaints(&found, &unswept);
            assert!(complaints[0].contains("a.rs has no faults"), "{complaints:?}");
        }
    }

    #[test]
    fn words_in_lines_that_are_too_long_are_found() {
        let long = "é".repeat(97);
        assert_eq!(lines(&format!("// {long}\n//  {long}\n/// | {long}")), [2]);
    }
}
