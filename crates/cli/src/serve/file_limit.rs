//! How many files may be open: each connection is one.

/// What is open beside the connections: listeners, the runtime's own, files that are read, and
/// connections that are told that there is no room.
#[cfg(unix)]
const SPARE: u64 = 64;

/// Connections in all where nobody says how many.
pub(super) const CONNECTIONS: u32 = 65_536;

/// How many connections there are files for.
#[derive(Debug, PartialEq)]
pub(super) struct FileLimit {
    /// The most connections; any number for `None`.
    pub(super) connections: Option<u32>,
    /// What is said of it, if it is less than what was wanted.
    pub(super) less: Option<String>,
}

/// Raises the limit for so many connections (0 for any number), as far as the system lets us,
/// and gives how many fit: what comes beyond them can then be told so, where without a file it
/// could not even be accepted.
#[cfg(unix)]
pub(super) fn make_room(connections: u32) -> FileLimit {
    let needed = match connections {
        0 => u64::MAX,
        _ => u64::from(connections) + SPARE,
    };
    let limit = rlimit::increase_nofile_limit(needed);
    // What can't be raised stands as it is.
    match limit.or_else(|_| rlimit::Resource::NOFILE.get_soft()) {
        Ok(limit) => fit(limit, connections),
        Err(_) => all(connections),
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(super) fn make_room(connections: u32) -> FileLimit {
    all(connections)
}

fn all(connections: u32) -> FileLimit {
    FileLimit { connections: (connections > 0).then_some(connections), less: None }
}

#[cfg(unix)]
fn fit(limit: u64, connections: u32) -> FileLimit {
    // Of few files half are for connections all the same.
    let room = (limit - SPARE.min(limit / 2)).max(1);
    let Some(room) =
        u32::try_from(room).ok().filter(|room| connections == 0 || *room < connections)
    else {
        return all(connections);
    };
    let less = (connections > 0).then(|| {
        let needed = u64::from(connections) + SPARE;
        format!(
            "{limit} open files (RLIMIT_NOFILE) are too few for --max-connections {connections}: \
             {room} connections are taken; for more: ulimit -Hn {needed} as root, or \
             LimitNOFILE={needed} with systemd"
        )
    });
    FileLimit { connections: Some(room), less }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn limits_above_the_open_files_are_lowered_and_reported() {
        assert_eq!(fit(1064, 1000), all(1000));
        assert_eq!(fit(94, 30), all(30));
        assert_eq!(fit(u64::MAX, 0), FileLimit { connections: None, less: None });
        assert_eq!(fit(1064, 0), FileLimit { connections: Some(1000), less: None });
        for (limit, room) in [(1063, 999), (128, 64), (100, 50), (1, 1), (0, 1)] {
            let FileLimit { connections, less } = fit(limit, 1000);
            assert_eq!(connections, Some(room), "{limit}");
            let said = less.unwrap();
            let (limit, room) = (format!("{limit} open files"), format!("{room} connections are"));
            for words in [limit.as_str(), "--max-connections 1000", &room, "ulimit -Hn 1064"] {
                assert!(said.contains(words), "{said}");
            }
        }
    }
}
