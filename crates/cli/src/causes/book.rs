//! The page of the book that is made from the table: `docs/src/reference/fdx/causes.md`.
//!
//! With `UPDATE=1` in the environment, the test writes it.

use std::fmt::Write as _;
use std::fs;

use super::table::{Cause, Table};
use super::words::general;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/reference/fdx/causes.md");

const START: &str = "\
# Causes and remedies

When a WebSocket does not open, or ends, `fdx explain` and the errors of `fdx connect` name the
likely cause and what to change. This page has all that they know, by who answers or ends it. To
start from what you see in a browser or a library, see
[Troubleshooting](../../how-to/troubleshooting.md).
";

/// Returns the page.
fn page(table: &Table) -> String {
    let mut page = START.to_owned();
    let mut groups: Vec<&str> = Vec::new();
    for cause in &table.causes {
        if !groups.contains(&&*cause.group) {
            groups.push(&cause.group);
        }
    }
    for group in groups {
        // Writing to a string does not fail.
        let _ = write!(page, "\n## {group}\n");
        for cause in table.causes.iter().filter(|cause| cause.group == group) {
            write_cause(&mut page, cause);
        }
    }
    page.push_str("\n## Close codes\n\n");
    page.push_str(
        "| code | meaning | sent by | usual causes | remedies |\n|---|---|---|---|---|\n",
    );
    for code in &table.codes {
        let (name, sender, meaning) = (&code.name, &code.sender, &code.meaning);
        let (causes, remedies) = (code.causes.join("; "), code.remedies.join("; "));
        let row =
            format!("| {} {name} | {meaning} | {sender} | {causes} | {remedies} |", code.number);
        let _ = writeln!(page, "{}", escaped(&row).replace("\\|", "|"));
    }
    page.push_str("\n## What browsers and libraries say\n\n");
    page.push_str("| text | said by | meaning | remedy |\n|---|---|---|---|\n");
    for phrase in &table.phrases {
        let said: Vec<String> =
            phrase.said.iter().map(|said| format!("`{}`", said.replace('|', "\\|"))).collect();
        let links = phrase.causes.iter().filter_map(|id| table.cause(id));
        let links = links.map(|cause| format!("[{}](#{})", escaped(&cause.symptom), cause.id));
        let remedies = [escaped(&phrase.remedy)].into_iter().chain(links);
        let remedies: Vec<String> = remedies.filter(|remedy| !remedy.is_empty()).collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            said.join(", "),
            escaped(&phrase.by),
            escaped(&phrase.meaning),
            remedies.join("; ")
        );
    }
    page
}

fn write_cause(page: &mut String, cause: &Cause) {
    let sentence = |text: &str| {
        let text = escaped(&general(text));
        let mut letters = text.chars();
        let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", letters.as_str())
    };
    let _ = write!(page, "\n### <a id=\"{}\"></a>{}\n\n", cause.id, escaped(&cause.symptom));
    let _ =
        writeln!(page, "Answered by {}. {}\n", escaped(&general(&cause.who)), sentence(&cause.why));
    let _ = writeln!(page, "**Remedy:** {}", sentence(&cause.remedy).trim_end_matches("..").trim());
    let paste = general(&cause.paste);
    if !paste.is_empty() {
        let _ = write!(page, "\n```text\n{}\n```\n", paste.trim());
    }
}

/// Escapes what Markdown would take for markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '_' | '<' | '>' | '[' | ']' | '|' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[test]
fn causes_page_of_the_book_is_that_of_the_table() {
    let page = page(Table::get());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(PAGE, &page).unwrap();
    }
    let committed = fs::read_to_string(PAGE).unwrap_or_default();
    assert!(page == committed, "{PAGE} is not that of the table; run this test with UPDATE=1");
}
