//! The limit on open files (`RLIMIT_NOFILE`): each connection takes one.

/// Open files besides connections: listeners, the runtime's, files that are served, and connections
/// that are being rejected with 503.
#[cfg(unix)]
const RESERVED_FILES: u64 = 64;

/// The default of `--max-connections`.
pub(super) const DEFAULT_MAX_CONNECTIONS: u32 = 65_536;

/// The number of connections that the limit on open files allows.
#[derive(Debug, PartialEq)]
pub(super) struct FileLimit {
    /// The most connections; `None` for no limit.
    pub(super) max_connections: Option<u32>,
    /// A message for the log, if that is less than what was asked for.
    pub(super) warning: Option<String>,
}

/// Raises the limit for `connections` (0 for any number), as far as the system allows, and returns
/// how many fit. Connections beyond that are rejected with 503; without a file to spare they could
/// not even be accepted.
#[cfg(unix)]
pub(super) fn raise(connections: u32) -> FileLimit {
    let needed = match connections {
        0 => u64::MAX,
        _ => u64::from(connections) + RESERVED_FILES,
    };
    let limit = rlimit::increase_nofile_limit(needed);
    // If it can't be raised, the current limit counts.
    match limit.or_else(|_| rlimit::Resource::NOFILE.get_soft()) {
        Ok(limit) => within(limit, connections),
        Err(_) => as_requested(connections),
    }
}

/// Returns the number as it is, as only Unix has this limit.
#[cfg(not(unix))]
pub(super) fn raise(connections: u32) -> FileLimit {
    as_requested(connections)
}

fn as_requested(connections: u32) -> FileLimit {
    FileLimit { max_connections: (connections > 0).then_some(connections), warning: None }
}

#[cfg(unix)]
fn within(limit: u64, connections: u32) -> FileLimit {
    // If there are few files, half of them are for connections.
    let available = (limit - RESERVED_FILES.min(limit / 2)).max(1);
    let Some(available) =
        u32::try_from(available).ok().filter(|n| connections == 0 || *n < connections)
    else {
        return as_requested(connections);
    };
    let warning = (connections > 0).then(|| {
        let needed = u64::from(connections) + RESERVED_FILES;
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
        assert_eq!(within(1064, 1000), as_requested(1000));
        assert_eq!(within(94, 30), as_requested(30));
        assert_eq!(within(u64::MAX, 0), FileLimit { max_connections: None, warning: None });
        assert_eq!(within(1064, 0), FileLimit { max_connections: Some(1000), warning: None });
        for (limit, available) in [(1063, 999), (128, 64), (100, 50), (1, 1), (0, 1)] {
            let FileLimit { max_connections, warning } = within(limit, 1000);
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
