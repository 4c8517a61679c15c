//! Which module of the library may import which: imports run down the layers
//! `base ◂ transport ◂ connection ◂ broadcast ◂ {client, server}`, and client and server never
//! import each other.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::root;

/// The layers of `crates/fullduplex/src`, from the lowest on. Those of one number are apart.
const LAYERS: [(&str, u8); 6] = [
    ("base", 0),
    ("transport", 1),
    ("connection", 2),
    ("broadcast", 3),
    ("client", 4),
    ("server", 4),
];

/// Holds the library's modules to the layers; returns what breaks them.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let folder = root().join("crates/fullduplex/src");
    let mut files = Vec::new();
    collect(&folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
    if files.len() < 50 {
        return Err(format!("{}: only {} files of Rust", folder.display(), files.len()));
    }
    let mut complaints = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let name = file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned();
        complaints.extend(complaints_of(&name, &text));
    }
    Ok(complaints)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// The imports of a file that run up or aside.
fn complaints_of(name: &str, text: &str) -> Vec<String> {
    let own = name.split(['/', '.']).next().unwrap_or_default();
    // Tests may use what they like.
    if own == "lib" || name.ends_with("/tests.rs") {
        return Vec::new();
    }
    let Some(rank) = rank(own) else {
        return vec![format!("{name} is in no layer; add it to xtask/src/modules.rs")];
    };
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut complaints = Vec::new();
    for (number, line) in lines {
        for (at, _) in line.match_indices("crate::") {
            let path = &line[at + "crate::".len()..];
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let path = path.split(|c| !is_path(c)).next().unwrap_or_default();
            let used = path.split("::").next().unwrap_or_default();
            let runs_down = self::rank(used).is_none_or(|used| used < rank);
            if used != own && !runs_down {
                complaints.push(format!(
                    "{name}:{} imports {used}, which is not below {own}: move what is shared down, \
                     or have it passed in",
                    number + 1
                ));
            }
        }
    }
    complaints
}

fn rank(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_modules_find_an_import_that_runs_up() {
        let up = "use crate::client::Client;\n";
        let complaints = complaints_of("connection/websocket.rs", up);
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].contains("websocket.rs:1 imports client"), "{complaints:?}");
        assert!(
            complaints_of("client/mod.rs", "use crate::connection::split::SendHalf;").is_empty()
        );
        // Client and server are apart; a path in the middle of a line counts as well.
        assert_eq!(complaints_of("server/mod.rs", "    let x = crate::client::x();").len(), 1);
        assert_eq!(complaints_of("broadcast.rs", "use crate::server::Server;").len(), 1);
        assert_eq!(complaints_of("new/mod.rs", "").len(), 1);
        // What is said in words, and tests.
        assert!(complaints_of("base/error.rs", "/// See [`crate::client::Client`].").is_empty());
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::client::Client;\n}";
        assert!(complaints_of("base/error.rs", tests).is_empty());
    }

    #[test]
    fn layers_of_modules_hold_here() {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }
}
