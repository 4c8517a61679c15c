//! The names of the library's settings in texts of errors, and the options of the command line in
//! their place.

/// The names of the library's settings, each with the option of the command line that sets it. A
/// name that contains another one comes before it.
const NAMES: [(&str, &str); 41] = [
    ("Proxies::none, or fdx connect --proxy none", "or --proxy none"),
    ("add_authorities_file", "--ca"),
    ("ClientTls::add_authorities", "--ca"),
    ("add_authorities", "--ca"),
    ("identity_files", "--cert, --key"),
    ("ClientTls::identity", "--cert, --key"),
    ("dangerous_key_log_file", "SSLKEYLOGFILE"),
    ("HttpVersion::Auto", "--http auto"),
    ("Proxies::none", "--proxy none"),
    ("ClientBuilder::subprotocol", "--subprotocol"),
    ("ClientBuilder::deflate", "--deflate"),
    ("use set_subprotocol, or ServerConfig::subprotocols", "use --subprotocol"),
    ("Config::deflate", "--deflate"),
    ("HeaderValue::from_bytes", "--header"),
    ("max_message_size", "--max-message-size"),
    ("max_redirects", "--max-redirects"),
    ("connect_timeout", "--connect-timeout"),
    ("handshake_timeout", "--connect-timeout"),
    ("socket_options.attempt_timeout", "the time for one address"),
    ("attempt_timeout", "the time for one address"),
    ("socket_options.keepalive", "the keepalive of TCP"),
    ("socket_options", "the options of the socket"),
    ("idle_timeout", "the time without a message"),
    ("close_timeout", "the time for closing"),
    ("max_head_bytes", "the limit of fdx"),
    ("max_fields", "the limit of fdx"),
    ("limits.max_fragments", "the limit of fdx"),
    ("limits.max_control_rate", "the limit of fdx"),
    ("limits.max_message_rate", "the limit of fdx"),
    ("limits.max_byte_rate", "the limit of fdx"),
    ("max_fragments", "the limit of fdx"),
    ("max_control_rate", "the limit of fdx"),
    ("max_message_rate", "the limit of fdx"),
    ("max_byte_rate", "the limit of fdx"),
    ("deflate.memory_level", "--deflate=memory=…"),
    ("deflate.send_window_bits", "--deflate=send-window=…"),
    ("deflate.receive_window_bits", "--deflate=receive-window=…"),
    ("send.high_water", "the limit of fdx"),
    ("send.low_water", "the limit of fdx"),
    ("high_water", "the limit of fdx"),
    ("send.fragment_size", "the limit of fdx"),
];

/// Returns the text with options of the command line in place of settings of the library.
pub(crate) fn option_names(text: &str) -> String {
    let mut text = text.to_owned();
    for (name, option) in NAMES {
        text = replace_word(&text, name, option);
    }
    text
}

/// Replaces a name where it is not a part of a longer one.
fn replace_word(text: &str, name: &str, by: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        out.push_str(before);
        let is_word = !out.ends_with(is_part) && !after.starts_with(is_part);
        out.push_str(if is_word { by } else { name });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Words in texts that are not settings: fields of `tracing`, parameters of RFC 7692, names of
    /// functions that fdx does not call.
    const OTHERS: [&str; 9] = [
        "cipher_suite",
        "in_use",
        "server_name",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "server_max_window_bits",
        "client_max_window_bits",
        "retry_if",
        "set_subprotocol",
    ];

    #[test]
    fn setting_names_become_options() {
        for (text, expected) in [
            (
                "a message is larger than max_message_size (5 bytes)",
                "a message is larger than --max-message-size (5 bytes)",
            ),
            (
                "it requires a client certificate (ClientTls::identity)",
                "it requires a client certificate (--cert, --key)",
            ),
            (
                "use NO_PROXY=localhost, Proxies::none, or fdx connect --proxy none",
                "use NO_PROXY=localhost, or --proxy none",
            ),
            ("identity_files: a.pem: no", "--cert, --key: a.pem: no"),
            ("GET /max_redirects_2", "GET /max_redirects_2"),
        ] {
            assert_eq!(option_names(text), expected);
        }
    }

    fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                // The client uses no part of the server.
                if !matches!(&*name, "server" | "tests") {
                    sources(&path, files);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && name != "tests.rs"
            {
                files.push(path);
            }
        }
    }

    /// Returns the string literals of a source file, without those of attributes and tests.
    fn literals(source: &str) -> Vec<String> {
        let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| {
            let line = line.trim_start();
            !line.starts_with("//") && !line.starts_with('#') && !line.contains("reason =")
        });
        let code: String = lines.flat_map(|line| [line, "\n"]).collect();
        let (mut found, mut rest) = (Vec::new(), code.as_str());
        while let Some(at) = rest.find('"') {
            let is_char = rest[..at].ends_with('\'');
            rest = &rest[at + 1..];
            if is_char {
                continue;
            }
            let mut end = 0;
            let bytes = rest.as_bytes();
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let end = end.min(rest.len());
            found.push(rest[..end].to_owned());
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        found
    }

    /// Returns the public settings of the library: setters and fields with an underscore.
    fn settings() -> Vec<String> {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut names = Vec::new();
        for library in ["fullduplex", "proto"] {
            let api = fs::read_to_string(crates.join(library).join("public-api.txt")).unwrap();
            for line in api.lines() {
                let setter =
                    line.strip_prefix("pub fn ").and_then(|rest| rest.split_once("(self, "));
                let field =
                    line.strip_prefix("pub fullduplex").and_then(|rest| rest.split_once(": "));
                let Some((path, _)) = setter.or(field) else { continue };
                let name = path.rsplit("::").next().unwrap_or_default();
                if name.contains('_')
                    && name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric())
                {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort();
        names.dedup();
        assert!(names.len() > 50, "{names:?}");
        names
    }

    #[test]
    fn setting_names_of_the_library_are_in_no_text_of_fdx() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let (settings, mut files) = (settings(), Vec::new());
        for library in ["fullduplex", "proto", "http3"] {
            sources(&crates.join(library).join("src"), &mut files);
        }
        let (mut count, mut left) = (0, Vec::new());
        for file in files {
            for text in literals(&fs::read_to_string(&file).unwrap()) {
                count += 1;
                let said = option_names(&text);
                let is_part = |c: char| !c.is_alphanumeric() && c != '_';
                let mut words = said.split(is_part);
                let word = words.find(|word| {
                    settings.iter().any(|name| name == word) && !OTHERS.contains(word)
                });
                // A name in an expression of a format is not printed.
                let is_printed = |word: &&str| {
                    !said.contains(&format!("{{{word}}}")) && !said.contains(&format!("{{{word}:"))
                };
                if let Some(word) = word.filter(is_printed) {
                    left.push(format!("{}: {word}: {said}", file.display()));
                }
            }
        }
        assert!(count > 1000, "{count} texts");
        assert!(left.is_empty(), "settings without an option:\n{}", left.join("\n"));
    }
}
