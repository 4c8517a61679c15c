//! Whether each public enum says if it may grow.

use serde_json::Value;

/// What the docs of an enum begin their reason with if it never grows.
const WORDS: &str = "It is complete";

/// Returns the public enums that neither are `#[non_exhaustive]` nor say why they are complete.
pub(crate) fn faults(library: &str, rustdoc: &Value) -> Vec<String> {
    let items = rustdoc["index"].as_object().into_iter().flatten();
    let open = items.filter(|(_, item)| {
        let is_own = item["crate_id"] == 0 && item["inner"].get("enum").is_some();
        let may_grow = item["attrs"].to_string().contains("non_exhaustive");
        is_own && !may_grow && !item["docs"].as_str().unwrap_or_default().contains(WORDS)
    });
    let mut faults: Vec<String> = open
        .map(|(_, item)| {
            let name = item["name"].as_str().unwrap_or_default();
            format!("{library}: the enum {name} is neither #[non_exhaustive], nor \"{WORDS}: …\"")
        })
        .collect();
    faults.sort();
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn complete_enums_say_so() {
        let item = |name, attrs: Value, docs| {
            let inner = json!({ "enum": {} });
            json!({ "crate_id": 0, "name": name, "attrs": attrs, "docs": docs, "inner": inner })
        };
        let rustdoc = json!({ "index": {
            "1": item("Grows", json!(["non_exhaustive"]), "A."),
            "2": item("Done", json!([]), "A.\n\nIt is complete: there are no others."),
            "3": item("Silent", json!([]), "A."),
        } });
        let found = faults("a", &rustdoc);
        assert!(matches!(&found[..], [fault] if fault.contains("the enum Silent")), "{found:?}");
    }
}
