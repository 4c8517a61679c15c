//! Names of tests begin with their subject, so that `cargo test keepalive` runs the tests of it.

use crate::process::root;
use crate::rfc::walk;
use crate::{Outcome, Tally};

/// Words that are not a subject.
const NOT_A_SUBJECT: [&str; 34] = [
    "a", "all", "an", "any", "both", "each", "every", "he", "in", "it", "its", "many", "no",
    "nobody", "nothing", "of", "on", "one", "only", "other", "several", "so", "some", "that",
    "the", "there", "they", "this", "two", "what", "where", "who", "whose", "without",
];

pub(crate) fn run() -> Outcome {
    let mut tally = Tally::default();
    for folder in ["bench/src", "crates", "examples", "xtask/src"] {
        walk(&root().join(folder), &mut |path, text| {
            for name in names(text) {
                if has_subject(name) {
                    tally.passed += 1;
                } else {
                    println!("{}: {name}: begin with what is tested", path.display());
                    tally.failed += 1;
                }
            }
        })?;
    }
    Ok(tally)
}

/// Returns the names of the tests in a Rust file.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    let tests: Vec<usize> = (0..lines.len()).filter(|i| is_test(&lines[*i])).collect();
    tests.into_iter().filter_map(move |from| {
        let (_, name) = lines[from..].iter().find_map(|line| line.split_once("fn "))?;
        name.split('(').next()
    })
}

fn has_subject(name: &str) -> bool {
    name.split('_').next().is_some_and(|word| !NOT_A_SUBJECT.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::{has_subject, names};

    #[test]
    fn test_names_are_found_below_their_attributes() {
        let text = "#[test]\nfn close_ends() {}\n\n    #[tokio::test(start_paused = true)]\n\
                    #[ignore]\n    async fn it_waits() {}\n\nfn helper() {}\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["close_ends", "it_waits"]);
    }

    #[test]
    fn test_names_without_a_subject_are_refused() {
        for (name, expected) in
            [("keepalive_finds_a_silent_peer", true), ("it_waits", false), ("items_wait", true)]
        {
            assert_eq!(has_subject(name), expected, "{name}");
        }
    }
}
