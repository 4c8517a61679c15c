//! Where each section of RFC 6455 that binds an implementation is cited: in the code that
//! obeys it, and in the tests that prove it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::process::root;
use crate::{Outcome, Tally};

/// The sections with a MUST, MUST NOT or REQUIRED for an endpoint of this library, and what
/// they are about. The paraphrases are ours.
const SECTIONS: [(&str, &str); 21] = [
    ("3", "URIs: ports, resource name, no fragment"),
    ("4.1", "the client's request, and its checks of the response"),
    ("4.2.1", "what a server must find in a request"),
    ("4.2.2", "the server's answer"),
    ("4.4", "426 and Sec-WebSocket-Version"),
    ("5.1", "clients mask, servers do not"),
    ("5.2", "reserved bits and opcodes, shortest lengths"),
    ("5.3", "fresh, unforeseeable masking keys"),
    ("5.4", "fragments: order, no interleaving"),
    ("5.5", "control frames: whole and short"),
    ("5.5.1", "Close: payload, answer, nothing after it"),
    ("5.5.2", "Ping is answered"),
    ("5.5.3", "Pong has the Ping's payload"),
    ("5.6", "text is UTF-8"),
    ("7.1.1", "the server closes the transport first"),
    ("7.1.2", "starting the closing handshake"),
    ("7.1.5", "the connection's close code"),
    ("7.1.7", "failing the connection"),
    ("7.4", "codes that may be sent"),
    ("8.1", "text that is not UTF-8 fails the connection"),
    ("9.1", "the grammar of extensions"),
];

pub(crate) fn run() -> Outcome {
    let mut cited: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for folder in ["crates", "tests"] {
        walk(&root().join(folder), &mut |path, text| {
            let is_test_file = path.components().any(|c| c.as_os_str() == "tests");
            let tests_from = text.find("#[cfg(test)]").unwrap_or(text.len());
            for (section, _) in SECTIONS {
                for at in citations(text, section) {
                    let counts = cited.entry(section).or_default();
                    if is_test_file || at > tests_from { counts.1 += 1 } else { counts.0 += 1 }
                }
            }
        })?;
    }
    let mut tally = Tally::default();
    for (section, about) in SECTIONS {
        let (code, tests) = cited.get(section).copied().unwrap_or_default();
        println!("§{section:<6} cited {code:>2}× in code, {tests:>2}× in tests  {about}");
        if code + tests == 0 {
            println!("        neither obeyed nor tested by name");
            tally.failed += 1;
        } else {
            tally.passed += 1;
        }
    }
    Ok(tally)
}

/// Where `§section` stands, and is not the beginning of a longer number.
fn citations<'a>(text: &'a str, section: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices('§').map(|(at, mark)| at + mark.len()).filter(move |at| {
        let Some(rest) = text[*at..].strip_prefix(section) else { return false };
        let mut next = rest.chars();
        match next.next() {
            Some('.') => !next.next().is_some_and(|c| c.is_ascii_digit()),
            other => !other.is_some_and(|c| c.is_ascii_digit()),
        }
    })
}

/// Visits every file of Rust in a folder and those below it.
pub(crate) fn walk(folder: &Path, visit: &mut impl FnMut(&Path, &str)) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            walk(&path, visit)?;
        } else if path.extension().is_some_and(|e| e == "rs")
            && let Ok(text) = fs::read_to_string(&path)
        {
            visit(&path, &text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn rfc_sections_are_found_by_whole_numbers() {
        let count = |text: &str| super::citations(text, "5.5").count();
        assert_eq!(count("§5.5, §5.5. §5.5.1 §5.55 (§5.5)"), 3);
    }
}
