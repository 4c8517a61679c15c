//! The limit on open files (`RLIMIT_NOFILE`): each connection takes one or two, and each process of
//! `--exec` some more.

/// Open files besides connections: listeners, the runtime's, files that are served, and connections
/// that are being rejected with 503.
#[cfg(unix)]
const RESERVED_FILES: u64 = 64;

/// The open files of a process: its three pipes, and the descriptor by which its end is noticed.
#[cfg(unix)]
const FILES_PER_PROCESS: u64 = 4;

/// The default of `--max-connections`.
pub(super) const DEFAULT_MAX_CONNECTIONS: u32 = 65_536;

/// The files that connections take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileCounts {
    /// The files of each connection.
    pub(crate) each: u32,
    /// How many connections have a process at most.
    pub(crate) processes: u32,
}

/// The number of connections that the limit on open files allows.
#[derive(Debug, PartialEq)]
pub(crate) struct FileLimit {
    /// The most connections; `None` for no limit.
    pub(crate) max_connections: Option<u32>,
    /// A message for the log, if that is less than what was asked for.
    pub(crate) warning: Option<String>,
}

/// Raises the limit for `connections` (0 for any number), as far as the system allows, and returns
/// how many fit, with the files that they take. Connections beyond that are rejected with 503;
/// without a file to spare they could not even be accepted.
#[cfg(unix)]
pub(crate) fn raise(connections: u32, counts: FileCounts) -> FileLimit {
    let needed = needed(connections, counts);
    let limit = rlimit::increase_nofile_limit(needed);
    // If it can't be raised, the current limit counts.
    match limit.or_else(|_| rlimit::Resource::NOFILE.get_soft()) {
        Ok(limit) => within(limit, connections, counts),
        Err(_) => as_requested(connections),
    }
}

/// Returns the number as it is, as only Unix has this limit.
#[cfg(not(unix))]
pub(crate) fn raise(connections: u32, _: FileCounts) -> FileLimit {
    as_requested(connections)
}

fn as_requested(connections: u32) -> FileLimit {
    FileLimit { max_connections: (connections > 0).then_some(connections), warning: None }
}

/// Returns the number of open files that are needed.
#[cfg(unix)]
fn needed(connections: u32, counts: FileCounts) -> u64 {
    let of_processes = FILES_PER_PROCESS * u64::from(counts.processes.min(connections));
    match connections {
        0 => u64::MAX,
        _ => u64::from(connections) * u64::from(counts.each) + of_processes + RESERVED_FILES,
    }
}

#[cfg(unix)]
fn within(limit: u64, connections: u32, counts: FileCounts) -> FileLimit {
    // If there are few files, half of them are for connections.
    let files = limit - RESERVED_FILES.min(limit / 2);
    let (each, processes) = (u64::from(counts.each.max(1)), u64::from(counts.processes));
    // The first ones have a process, as long as there may be more of those.
    let available = if files <= (each + FILES_PER_PROCESS) * processes {
        files / (each + FILES_PER_PROCESS)
    } else {
        (files - FILES_PER_PROCESS * processes) / each
    };
    let available = available.max(1);
    let Some(available) =
        u32::try_from(available).ok().filter(|n| connections == 0 || *n < connections)
    else {
        return as_requested(connections);
    };
    let warning = (connections > 0).then(|| {
        let needed = needed(connections, counts);
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

    const fn counts(each: u32, processes: u32) -> FileCounts {
        FileCounts { each, processes }
    }

    #[test]
    fn limits_above_the_open_files_are_lowered_and_reported() {
        assert_eq!(within(1064, 1000, counts(1, 0)), as_requested(1000));
        assert_eq!(within(94, 30, counts(1, 0)), as_requested(30));
        let unlimited = within(u64::MAX, 0, counts(1, 0));
        assert_eq!(unlimited, FileLimit { max_connections: None, warning: None });
        let limited = within(1064, 0, counts(1, 0));
        assert_eq!(limited, FileLimit { max_connections: Some(1000), warning: None });
        assert_eq!(within(1064, 500, counts(2, 0)), as_requested(500));
        assert_eq!(within(1062, 0, counts(2, 0)).max_connections, Some(499));
        for (limit, available) in [(1063, 999), (128, 64), (100, 50), (1, 1), (0, 1)] {
            let FileLimit { max_connections, warning } = within(limit, 1000, counts(1, 0));
            assert_eq!(max_connections, Some(available), "{limit}");
            let said = warning.unwrap();
            let limit = format!("{limit} open files");
            let available = format!("only {available} connections are");
            for words in [limit.as_str(), "--max-connections 1000", &available, "ulimit -Hn 1064"] {
                assert!(said.contains(words), "{said}");
            }
        }
    }
    #[test]
    fn limits_count_the_files_of_processes() {
        // 1,000 connections, 100 of them with a process.
        let some = counts(1, 100);
        assert_eq!((needed(1000, some), needed(10, some)), (1464, 50 + 64));
        assert_eq!(within(1464, 1000, some), as_requested(1000));
        for (limit, available) in [(1463, 999), (564, 100), (563, 99)] {
            let FileLimit { max_connections, warning } = within(limit, 1000, some);
            assert_eq!(max_connections, Some(available), "{limit}");
            assert!(warning.unwrap().contains("ulimit -Hn 1464"));
        }
        assert_eq!(within(5064, 0, counts(1, 1024)).max_connections, Some(1000));
    }
}
