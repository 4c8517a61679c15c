//! The crates that are published.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process::{command, output, root};

/// A crate that is published.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) folder: PathBuf,
    /// What `cargo metadata` says of it.
    pub(crate) metadata: Value,
}

/// Returns what `cargo metadata` says of the workspace.
pub(crate) fn metadata() -> Result<Value, String> {
    let text = output(command("cargo").args(["metadata", "--format-version=1", "--locked"]))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Returns the published crates.
pub(crate) fn all() -> Result<Vec<Published>, String> {
    let mut metadata = metadata()?;
    let packages = metadata["packages"].as_array_mut().map(std::mem::take).unwrap_or_default();
    // `publish = false` reads as an empty list of registries.
    let own = packages.into_iter().filter(|p| p["source"].is_null() && p["publish"].is_null());
    let found: Vec<_> = own.filter_map(Published::new).collect();
    if found.is_empty() { Err("no crate is published".into()) } else { Ok(found) }
}

impl Published {
    fn new(metadata: Value) -> Option<Self> {
        let text = |key: &str| metadata[key].as_str().map(str::to_owned);
        Some(Self {
            name: text("name")?,
            version: text("version")?,
            folder: PathBuf::from(text("manifest_path")?).parent()?.to_owned(),
            metadata,
        })
    }

    /// The name of its library, or of its program if it has none.
    pub(crate) fn documented(&self) -> Option<String> {
        let targets = self.metadata["targets"].as_array()?;
        let of_kind = |kind| targets.iter().find(|target| target["kind"][0] == kind);
        let name = of_kind("lib").or_else(|| of_kind("bin"))?["name"].as_str()?;
        Some(name.replace('-', "_"))
    }

    pub(crate) fn has_library(&self) -> bool {
        let targets = self.metadata["targets"].as_array().into_iter().flatten();
        targets.into_iter().any(|target| target["kind"][0] == "lib")
    }

    /// The features with which docs.rs documents it, as `fullduplex/http2`.
    fn documented_features(&self) -> Vec<String> {
        let settings = &self.metadata["metadata"]["docs"]["rs"];
        let of = |name: &str| format!("{}/{name}", self.name);
        if settings["all-features"] == true {
            let features = self.metadata["features"].as_object();
            return features.into_iter().flatten().map(|(name, _)| of(name)).collect();
        }
        let chosen = settings["features"].as_array().into_iter().flatten();
        chosen.filter_map(Value::as_str).map(of).collect()
    }
}

/// A command of cargo on these crates, with the features with which docs.rs documents them.
pub(crate) fn cargo(word: &str, packages: &[Published]) -> Command {
    let mut cargo = command("cargo");
    cargo.args([word, "--locked", "--quiet"]);
    for package in packages {
        cargo.args(["--package", &package.name]);
    }
    let features: Vec<String> = packages.iter().flat_map(Published::documented_features).collect();
    cargo.args(["--features", &features.join(",")]);
    cargo
}

/// `cargo doc` on these crates only, with what is unstable in rustdoc.
pub(crate) fn doc(packages: &[Published], flags: &str) -> Command {
    let mut doc = cargo("doc", packages);
    doc.arg("--no-deps").env("RUSTDOC", root().join("xtask/rustdoc.sh"));
    doc.env("RUSTDOCFLAGS", flags);
    doc
}

/// Flags that tell rustdoc where the documentation of each dependency is, as docs.rs does.
pub(crate) fn addresses_of_docs() -> Result<String, String> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let addresses = packages.filter(|package| !package["source"].is_null()).filter_map(|package| {
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        let library = name.replace('-', "_");
        Some(format!("--extern-html-root-url {library}=https://docs.rs/{name}/{version}"))
    });
    Ok(format!("-Z unstable-options {}", addresses.collect::<Vec<_>>().join(" ")))
}
