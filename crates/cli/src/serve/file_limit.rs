//! The limit on open files (`RLIMIT_NOFILE`): each connection takes one.

/// Open files besides connections: listeners, the runtime's, files that are served, and connections
/// that are being rejected with 503.
#[cfg(unix)]
const RESERVED_FILES: u64 = 64;

/// The default of `--max-connections`.
pub(super) const DEFAULT_MAX_CONNECTIONS: u32 = 65_536;

/// The number of connections that the limit on open files allows.
#[derive(Debug, PartialEq)]
pub(crate) struct FileLimit {
    /// The most connections; `None` for no limit.
    pub(crate) max_connections: Option<u32>,
    /// A message for the log, if that is less than what was asked for.
    pub(crate) warning: Option<String>,
}

/// Raises the limit for `connections` (0 for any number), as far as the system allows, and returns
/// how many fit, each with this number of files. Connections beyond that are rejected with 503;
/// without a file to spare they could not even be accepted.
#[cfg(unix)]
pub(crate) fn raise(connections: u32, files_each: u32) -> FileLimit {
    let needed = needed(connections, files_each);
    let limit = rlimit::increase_nofile_limit(needed);
    // If it can't be raised, the current limit counts.
    match limit.or_else(|_| rlimit::Resource::NOFILE.get_soft()) {
        Ok(limit) => within(limit, connections, files_each),
        Err(_) => as_requested(connections),
    }
}

/// Returns the number as it is, as only Unix has this limit.
#[cfg(not(unix))]
pub(crate) fn raise(connections: u32, _: u32) -> FileLimit {
    as_requested(connections)
}

fn as_requested(connections: u32) -> FileLimit {
    FileLimit { max_connections: (connections > 0).then_some(connections), warning: None }
}

/// Returns the number of open files that are needed.
#[cfg(unix)]
fn needed(connections: u32, files_each: u32) -> u64 {
    match connections {
        0 => u64::MAX,
        _ => u64::from(connections) * u64::from(files_each) + RESERVED_FILES,
    }
}

#[cfg(unix)]
fn within(limit: u64, connections: u32, files_each: u32) -> FileLimit {
    // If there are few files, half of them are for connections.
    let available = (limit - RESERVED_FILES.min(limit / 2)) / u64::from(files_each.max(1));
    let available = available.max(1);
    let Some(available) =
        u32::try_from(available).ok().filter(|n| connections == 0 || *n < connections)
    else {
        return as_requested(connections);
    };
    let warning = (connections > 0).then(|| {
        let needed = needed(connections, files_each);
        format!(
            "{limit} open files (RLIMIT_NOFILE) are too few for --max-connections {connections}: \
             only {available} connections are accepted; for more: ulimit -Hn {needed} as root, or \
             LimitNOFILE={needed} with systemd"
        )
    });
    FileLimit { max_connections: Some(available), warning }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn limits_above_the_open_files_are_lowered_and_reported() {
        assert_eq!(within(1064, 1000, 1), as_requested(1000));
        assert_eq!(within(94, 30, 1), as_requested(30));
        assert_eq!(within(u64::MAX, 0, 1), FileLimit { max_connections: None, warning: None });
        assert_eq!(within(1064, 0, 1), FileLimit { max_connections: Some(1000), warning: None });
        assert_eq!(within(1064, 500, 2), as_requested(500));
        assert_eq!(within(1062, 0, 2).max_connections, Some(499));
        for (limit, available) in [(1063, 999), (128, 64), (100, 50), (1, 1), (0, 1)] {
            let FileLimit { max_connections, warning } = within(limit, 1000, 1);
            assert_eq!(max_connections, Some(available), "{limit}");
            let said = warning.unwrap();
            let limit = format!("{limit} open files");
            let available = format!("only {available} connections are");
            for words in [limit.as_str(), "--max-connections 1000", &available, "ulimit -Hn 1064"] {
                assert!(said.contains(words), "{said}");
            }
        }
    }
}
