//! JSON, and what is said in it.

use super::{MAX_SUMMARY, Parts};
use crate::tree::{Json, Problem, Reader, Tree};

/// Reads JSON that begins at `base` of its payload.
pub(super) fn read(payload: &[u8], base: usize) -> (Option<Tree>, Option<Problem>) {
    let mut reader = Reader::new(payload, base);
    let tree = Json::new(&mut reader).document();
    (tree, reader.into_problem())
}

pub(super) fn json(payload: &[u8]) -> Parts {
    let (tree, problem) = read(payload, 0);
    Parts::of_tree(tree, problem)
}

/// Returns JSON with a summary, if there is one.
fn summarized(payload: &[u8], summary: impl Fn(&Tree) -> Option<String>) -> Parts {
    let mut parts = json(payload);
    if let Some(text) = parts.tree.as_ref().and_then(summary) {
        parts.summary = text;
    }
    parts
}

/// Returns a value of an object as a line.
fn line(tree: &Tree, key: &str) -> Option<String> {
    tree.get(key).map(|value| value.to_line(MAX_SUMMARY))
}

/// Returns a value of an object, text without quotation marks.
fn word(tree: &Tree, key: &str) -> Option<String> {
    let value = tree.get(key)?;
    Some(value.as_text().map_or_else(|| value.to_line(MAX_SUMMARY), str::to_owned))
}

pub(super) fn json_rpc(payload: &[u8]) -> Parts {
    summarized(payload, |tree| match tree.items() {
        [] => json_rpc_summary(tree),
        items => {
            let all: Vec<_> = items.iter().filter_map(json_rpc_summary).collect();
            Some(format!("batch of {}: {}", items.len(), all.join("; ")))
        }
    })
}

fn json_rpc_summary(tree: &Tree) -> Option<String> {
    let id = word(tree, "id");
    if let Some(method) = word(tree, "method") {
        let params = line(tree, "params").unwrap_or_default();
        return Some(match id {
            Some(id) => format!("request {id} {method} {params}"),
            None => format!("notification {method} {params}"),
        });
    }
    let id = id.unwrap_or_default();
    if let Some(error) = tree.get("error") {
        let code = word(error, "code").unwrap_or_default();
        let message = word(error, "message").unwrap_or_default();
        return Some(format!("error {id} {code} {message}"));
    }
    line(tree, "result").map(|result| format!("response {id} {result}"))
}

pub(super) fn graphql(payload: &[u8]) -> Parts {
    summarized(payload, |tree| {
        let kind = word(tree, "type")?;
        let id = word(tree, "id").map(|id| format!(" {id}")).unwrap_or_default();
        let payload = tree.get("payload");
        let operation = payload.and_then(|payload| {
            word(payload, "operationName")
                .filter(|name| name != "null")
                .or_else(|| word(payload, "query"))
        });
        let said = operation.or_else(|| line(tree, "payload")).unwrap_or_default();
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(format!("{kind}{id} {said}").trim_end().to_owned())
    })
}

pub(super) fn phoenix(payload: &[u8]) -> Parts {
    summarized(payload, |tree| {
        let (reference, topic, event, said) = match tree.items() {
            [_, reference, topic, event, said] => (Some(reference), topic, event, Some(said)),
            _ => (tree.get("ref"), tree.get("topic")?, tree.get("event")?, tree.get("payload")),
        };
        let reference = reference.and_then(Tree::as_text);
        let reference = reference.map(|text| format!(" {text}")).unwrap_or_default();
        let said = said.map(|said| said.to_line(MAX_SUMMARY)).unwrap_or_default();
        Some(format!("{}{reference} {} {said}", event.as_text()?, topic.as_text()?))
    })
}
