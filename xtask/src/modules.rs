//! Which module of the library may import which: imports run down the layers
//! `base ◂ transport ◂ connection ◂ broadcast ◂ {client, server}`, in a browser
//! `base ◂ web ◂ client`, and client and server never import each other.

use std::collections::BTreeMap;

use crate::imports::Import;

/// The layers of `crates/fullduplex/src`, from the lowest on. Those of one number are apart.
const LAYERS: [(&str, u8); 7] = [
    ("base", 0),
    ("transport", 1),
    ("web", 1),
    ("connection", 2),
    ("broadcast", 3),
    ("client", 4),
    ("server", 4),
];

/// Returns a complaint for each import that runs up or aside, and each file outside the layers.
pub(crate) fn check(files: &BTreeMap<String, String>, imports: &[Import]) -> Vec<String> {
    let homeless = files.keys().filter(|file| rank(file).is_none() && *file != "lib.rs");
    let mut complaints: Vec<String> = homeless
        .map(|file| format!("{file} is in no layer; add it to xtask/src/modules.rs"))
        .collect();
    for Import { from, line, to, item } in imports {
        let (Some(own), Some(used)) = (rank(from), rank(to)) else {
            continue;
        };
        if layer(from) != layer(to) && used >= own {
            complaints.push(format!(
                "{from}:{line} imports {item} from {to}, but {} is not below {}: move what is \
                 shared down, or have it passed in",
                layer(to),
                layer(from)
            ));
        }
    }
    complaints
}

/// The first folder on a file's path, or the file itself.
fn layer(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or_default()
}

fn rank(file: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == layer(file)).map(|(_, rank)| *rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports;

    /// What is found where one file of the library has this text.
    fn complaints(file: &str, text: &str) -> Vec<String> {
        let mut files: BTreeMap<String, String> = [
            ("lib.rs", "pub use client::Client;"),
            ("base/error.rs", ""),
            ("connection/split.rs", ""),
            ("client/mod.rs", "pub struct Client;"),
            ("server/mod.rs", ""),
        ]
        .map(|(file, text)| (file.to_owned(), text.to_owned()))
        .into();
        files.insert(file.into(), text.into());
        check(&files, &imports::of(&files).unwrap())
    }

    #[test]
    fn layers_of_modules_find_an_import_that_runs_up() {
        let found = complaints("connection/websocket.rs", "use crate::client::Client;");
        assert_eq!(
            found,
            ["connection/websocket.rs:1 imports Client from client/mod.rs, but client is not \
              below connection: move what is shared down, or have it passed in"]
        );
        for (file, text) in [
            // In a list, by a re-export, from two folders up, in the middle of a line.
            ("connection/websocket.rs", "use crate::{base::error::Error, client::Client};"),
            ("connection/websocket.rs", "use crate::Client;"),
            ("connection/writer/mod.rs", "use super::super::client::Client;"),
            ("server/http.rs", "fn f() { crate::client::connect() }"),
            ("broadcast/group.rs", "use crate::server::Server;"),
        ] {
            assert_eq!(complaints(file, text).len(), 1, "{text}");
        }
        assert_eq!(complaints("new/mod.rs", "").len(), 1);
    }

    #[test]
    fn layers_of_modules_let_imports_run_down() {
        for (file, text) in [
            ("client/dial.rs", "use crate::connection::split::SendHalf;"),
            ("base/cidr.rs", "/// See [`crate::client::Client`]."),
            ("base/cidr.rs", "#[cfg(test)]\nmod tests {\n    use crate::client::Client;\n}"),
            ("base/cidr.rs", "#[cfg(test)]\nmod tests;"),
            ("base/cidr.rs", "use http::client::Client;"),
        ] {
            assert_eq!(complaints(file, text), Vec::<String>::new(), "{text}");
        }
    }
}
