//! Which crate may use which: `{proto, http3} ← fullduplex ← {axum, socketio, inspect, cli}`,
//! `proto ← {inspect, cli}`, `{inspect, socketio} ← cli`, and a list of the foreign crates that
//! each may depend on, so that a new one is a decision.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::process::root;
use crate::{Outcome, Tally, circles, imports, modules, published};

/// The normal dependencies that each crate may have.
const ALLOWED: [(&str, &[&str]); 15] = [
    (
        "fullduplex-proto",
        &[
            "base64",
            "bytes",
            "httparse",
            "libdeflater",
            "once_cell",
            "serde",
            "serde_json",
            "sha1_smol",
            "simdutf8",
            "stable_deref_trait",
            "yoke",
            "zlib-rs",
        ],
    ),
    ("fullduplex-http3", &["bytes", "http", "quinn", "tokio"]),
    (
        "fullduplex",
        &[
            "base64",
            "bytes",
            "fullduplex-http3",
            "fullduplex-proto",
            "futures-core",
            "futures-sink",
            "h2",
            "http",
            "http-body",
            "httpdate",
            "hyper",
            "hyper-util",
            "js-sys",
            "listenfd",
            "metrics",
            "pin-project-lite",
            "rand",
            "rcgen",
            "rustls",
            "rustls-platform-verifier",
            "rustls-webpki",
            "slab",
            "socket2",
            "tokio",
            "tokio-rustls",
            "tower-layer",
            "tower-service",
            "tracing",
            "url",
            "wasm-bindgen",
            "webpki-roots",
        ],
    ),
    ("fullduplex-axum", &["axum-core", "fullduplex", "http", "tokio"]),
    (
        "fullduplex-cli",
        &[
            "base64",
            "bytes",
            "clap",
            "clap_complete",
            "clap_mangen",
            "fullduplex",
            "fullduplex-inspect",
            "fullduplex-proto",
            "fullduplex-socketio",
            "h2",
            "http",
            "http-body",
            "http-body-util",
            "httpdate",
            "jiff",
            "metrics",
            "percent-encoding",
            "ring",
            "rlimit",
            "rustix",
            "serde_json",
            "tokio",
            "toml",
            "tower-http",
            "tower-service",
            "unicode-width",
        ],
    ),
    ("fullduplex-bare-metal", &["fullduplex-proto"]),
    (
        "fullduplex-socketio",
        &[
            "base64",
            "bcrypt",
            "bytes",
            "fullduplex",
            "futures-core",
            "http",
            "http-body",
            "metrics",
            "pin-project-lite",
            "rand",
            "rmp-serde",
            "serde",
            "serde_json",
            "tokio",
            "tower-layer",
            "tower-service",
            "tracing",
        ],
    ),
    ("fullduplex-chat-client", &["fullduplex", "js-sys", "tokio", "wasm-bindgen"]),
    ("fullduplex-client-tests", &["fullduplex", "js-sys", "tokio", "wasm-bindgen"]),
    ("fullduplex-doc-tests", &[]),
    (
        "fullduplex-inspect",
        &[
            "base64",
            "bytes",
            "fullduplex",
            "fullduplex-proto",
            "http",
            "regex",
            "serde_json",
            "tokio",
        ],
    ),
    (
        "fullduplex-test-programs",
        &["fullduplex", "fullduplex-socketio", "http", "tokio", "tower-service"],
    ),
    ("fullduplex-node-addon", &["fullduplex", "napi", "napi-derive", "tokio"]),
    ("fullduplex-testkit", &["bytes", "fullduplex-proto", "tokio"]),
    ("xtask", &["proc-macro2", "public-api", "serde_json"]),
];

pub(crate) fn run() -> Outcome {
    let metadata = published::metadata()?;
    let mut complaints = check_dependencies(&metadata);
    complaints.extend(check_msrv(&metadata));
    complaints.extend(check_modules()?);
    for complaint in &complaints {
        println!("layers: {complaint}");
    }
    Ok(Tally { passed: usize::from(complaints.is_empty()), failed: complaints.len(), skipped: 0 })
}

/// The crates whose files are looked at.
const CRATES: [&str; 7] = ["proto", "http3", "fullduplex", "axum", "socketio", "inspect", "cli"];

/// Holds the files of each crate to the layers, and finds those that import each other.
fn check_modules() -> Result<Vec<String>, String> {
    let mut complaints = Vec::new();
    for name in CRATES {
        let files = imports::read(&root().join("crates").join(name).join("src"))?;
        let imports = imports::of(&files)?;
        if files.is_empty() || files.len() > 5 && imports.is_empty() {
            return Err(format!("crates/{name}: {} files, no imports", files.len()));
        }
        complaints.extend(circles::check(name, &imports));
        if name == "fullduplex" {
            complaints.extend(modules::check(&files, &imports));
        }
    }
    Ok(complaints)
}

/// Holds the workspace's own crates against the list.
fn check_dependencies(metadata: &Value) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let mut complaints = Vec::new();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    for package in packages.filter(|p| p["source"].is_null()) {
        let name = package["name"].as_str().unwrap_or("?");
        let Some(allowed) = allowed.get(name) else {
            complaints.push(format!("{name} has no place in the layers"));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        for dependency in dependencies.filter(|d| d["kind"].is_null()) {
            let used = dependency["name"].as_str().unwrap_or("?");
            if !allowed.contains(&used) {
                complaints.push(format!("{name} may not depend on {used}"));
            }
        }
    }
    complaints
}

/// No dependency may want a newer compiler than the one that we promise.
fn check_msrv(metadata: &Value) -> Vec<String> {
    let packages = || metadata["packages"].as_array().into_iter().flatten();
    let version = |p: &Value| -> Option<Vec<u32>> {
        let text = p["rust_version"].as_str()?;
        let mut numbers: Vec<_> = text.split('.').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        // 1.88 is 1.88.0.
        numbers.resize(3, 0);
        Some(numbers)
    };
    let ours = packages().filter(|p| p["source"].is_null()).filter_map(version).min();
    let Some(ours) = ours else { return vec!["no rust-version is promised".into()] };
    packages()
        .filter(|p| version(p).is_some_and(|v| v > ours))
        .map(|p| format!("{} needs Rust {}, we promise {ours:?}", p["name"], p["rust_version"]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workspace(name: &str, used: &str) -> Value {
        json!({"packages": [{
            "name": name, "source": null, "rust_version": "1.88",
            "dependencies": [{"name": used, "kind": null}, {"name": "proptest", "kind": "dev"}],
        }]})
    }

    #[test]
    fn layers_find_a_forbidden_edge() {
        assert_eq!(
            check_dependencies(&workspace("fullduplex-proto", "tokio")),
            ["fullduplex-proto may not depend on tokio"]
        );
        assert!(check_dependencies(&workspace("fullduplex-proto", "bytes")).is_empty());
        assert_eq!(
            check_dependencies(&workspace("new", "bytes")),
            ["new has no place in the layers"]
        );
    }

    #[test]
    fn layers_find_a_dependency_that_is_too_new() {
        let mut metadata = workspace("fullduplex", "bytes");
        assert!(check_msrv(&metadata).is_empty());
        metadata["packages"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "bytes", "source": "registry", "rust_version": "1.88.0"}));
        assert!(check_msrv(&metadata).is_empty());
        metadata["packages"][1]["rust_version"] = "1.88.1".into();
        assert_eq!(check_msrv(&metadata).len(), 1);
    }
}
