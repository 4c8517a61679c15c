//! Whether a profile has secrets that others can read.

use std::path::Path;

use super::options::FileOption;
use crate::base::redact::{is_secret_parameter, redact_url};

/// Returns whether the values of an option are secrets, or have some in them. Those in a file of
/// their own do not count.
pub(super) fn has_secret(option: &FileOption<'_>) -> bool {
    let values = option.values.iter().flatten().filter_map(|value| value.to_str());
    let mut values = values.filter(|value| !value.starts_with('@'));
    match option.arg.get_id().as_str() {
        "user" | "cookie" => values.next().is_some(),
        "header" => values.any(|field| {
            let name = field.split(':').next().unwrap_or_default();
            is_secret_parameter(name) || name.trim().eq_ignore_ascii_case("cookie")
        }),
        "proxy" => values.any(has_secret_in_url),
        _ => false,
    }
}

/// Returns whether a URL has a user, or a parameter that looks like a secret.
pub(super) fn has_secret_in_url(url: &str) -> bool {
    redact_url(url) != url
}

/// Warns if others can read the file.
#[cfg(unix)]
pub(super) fn warn_of_readers(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o044 != 0 {
        let file = file.display();
        report!(
            "fdx: warning: other users of this machine can read {file}, which has secrets; \
             chmod 600 {file} forbids it"
        );
    }
}

#[cfg(not(unix))]
pub(super) fn warn_of_readers(_: &Path) {}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn secrets_of_a_profile_are_found() {
        let mut fdx = crate::Cli::command();
        fdx.build();
        let connect = fdx.find_subcommand("connect").unwrap();
        for (name, value, expected) in [
            ("header", "Authorization: Bearer x", true),
            ("header", "X-Api-Key: x", true),
            ("header", "Cookie: a=b", true),
            ("header", "Accept-Language: de", false),
            ("header", "@file", false),
            ("user", "me:x", true),
            ("user", "@file", false),
            ("cookie", "a=b", true),
            ("proxy", "http://me:x@proxy:1", true),
            ("proxy", "http://proxy:1", false),
            ("subprotocol", "chat", false),
        ] {
            let arg = connect.get_arguments().find(|arg| arg.get_long() == Some(name)).unwrap();
            let option = FileOption { arg, values: vec![Some(value.into())] };
            assert_eq!(has_secret(&option), expected, "{name}: {value}");
        }
        assert!(has_secret_in_url("wss://me:x@h/") && has_secret_in_url("wss://h/?token=x"));
        assert!(!has_secret_in_url("wss://h/feed?channel=1"));
    }
}
