//! The crates whose types the public API of each library may show. A new major version of one of
//! them is a new major version of the library.

use std::collections::BTreeSet;

use serde_json::Value;

/// Crates that every library may show. `str` and `u16` begin the names of functions that are
/// implemented for these types.
const OF_ALL: [&str; 6] = ["alloc", "core", "std", "bytes", "str", "u16"];

/// Per library, the crates that it may show besides itself and those of [`OF_ALL`].
const SHOWN: [(&str, &[&str]); 6] = [
    ("fullduplex_proto", &["serde_core"]),
    // quinn exports types of quinn-proto.
    ("fullduplex_http3", &["http", "quinn", "quinn_proto", "tokio"]),
    (
        "fullduplex",
        &[
            "fullduplex_proto",
            "futures_core",
            "futures_sink",
            "http",
            "http_body",
            "rustls",
            "tokio",
            "tower_layer",
            "tower_service",
        ],
    ),
    ("fullduplex_inspect", &["bytes", "fullduplex", "fullduplex_proto", "serde_json"]),
    ("fullduplex_axum", &["axum_core", "fullduplex", "fullduplex_proto", "http"]),
    (
        "fullduplex_socketio",
        &[
            "fullduplex",
            "fullduplex_proto",
            "http",
            "http_body",
            "serde_core",
            "tower_layer",
            "tower_service",
        ],
    ),
];

/// Returns what is wrong: items that show the types of other crates than may be shown, and crates
/// that are listed above and not shown.
///
/// `items` are the lines of the library's API, and `rustdoc` is what rustdoc says of it.
pub(crate) fn faults(library: &str, items: &str, rustdoc: &Value) -> Vec<String> {
    let listed = SHOWN.iter().find(|(name, _)| *name == library).map_or(&[][..], |(_, list)| list);
    let mut unused: BTreeSet<&str> = listed.iter().copied().collect();
    let exports = exports(rustdoc);
    let lines = items.lines().flat_map(|item| roots(item).map(move |root| (root, item)));
    let shown = lines.chain(exports.iter().map(|(root, item)| (root.as_str(), item.as_str())));
    let mut faults = Vec::new();
    for (root, item) in shown {
        unused.remove(root);
        if root != library && !OF_ALL.contains(&root) && !listed.contains(&root) {
            faults.push(format!("{library} may not show the crate {root}, but has: {item}"));
        }
    }
    let unused = unused.into_iter();
    faults.extend(unused.map(|root| format!("{library} no longer shows the crate {root}")));
    faults
}

/// Returns the first names of the paths in an item.
fn roots(item: &str) -> impl Iterator<Item = &str> {
    item.match_indices("::").filter_map(|(end, _)| {
        let before = &item[..end];
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let start = before.trim_end_matches(is_name).len();
        let root = &before[start..];
        // `Self` and type parameters begin with a capital. What macros call private is not shown.
        let is_crate = root.starts_with(|c: char| c.is_lowercase() || c == '_')
            && !item[end..].starts_with("::__private::");
        (is_crate && !before[..start].ends_with("::")).then_some(root)
    })
}

/// Returns the crates from which items are exported again, each with the item.
fn exports(rustdoc: &Value) -> Vec<(String, String)> {
    let items = rustdoc["index"].as_object().into_iter().flatten();
    let found = items.filter_map(|(_, item)| {
        let export = item["inner"].get("use")?;
        let id = export["id"].to_string();
        let from = rustdoc["paths"][&id]["crate_id"].to_string();
        // The library itself is 0, and has no entry.
        let name = rustdoc["external_crates"][&from]["name"].as_str()?;
        let source = export["source"].as_str()?;
        Some((name.replace('-', "_"), format!("pub use {source}")))
    });
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: &str = "impl serde_core::Serialize for fullduplex_proto::A\n";

    #[test]
    fn foreign_types_are_found_in_signatures() {
        let found = |item| faults("fullduplex_proto", &format!("{ALL}{item}"), &Value::Null);
        assert_eq!(found("pub fn fullduplex_proto::A::b(&self, bytes::Bytes) -> T::C"), [""; 0]);
        let item = "pub fn fullduplex_proto::A::b(&[url::Url; 2]) -> <S as core::A>::B \
                    where x::__private::C: D";
        let [fault] = &found(item)[..] else { panic!("one crate is foreign") };
        assert!(fault.contains("the crate url") && fault.contains(item), "{fault}");
    }

    #[test]
    fn foreign_types_are_found_in_exports() {
        let rustdoc = json!({
            "index": { "7": { "inner": { "use": { "source": "url::Url", "id": 9 } } } },
            "paths": { "9": { "crate_id": 3 } },
            "external_crates": { "3": { "name": "url" } },
        });
        let found = faults("fullduplex_proto", ALL, &rustdoc);
        assert_eq!(
            found,
            ["fullduplex_proto may not show the crate url, but has: pub use url::Url"]
        );
    }

    #[test]
    fn foreign_types_that_are_listed_in_vain_are_named() {
        let found = faults("fullduplex_proto", "", &Value::Null);
        assert_eq!(found, ["fullduplex_proto no longer shows the crate serde_core"]);
    }
}
