//! How many files may be open: each connection is one.

/// What is open beside the connections: listeners, the runtime's own, files that are read.
const SPARE: u64 = 64;

/// Raises the limit for so many connections (0 for any number), as far as the system lets us.
/// Gives what to warn of if that is not far enough.
#[cfg(unix)]
pub(super) fn make_room(connections: u32) -> Option<String> {
    let needed = match connections {
        0 => u64::MAX,
        _ => u64::from(connections) + SPARE,
    };
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) => too_few(limit, connections),
        Err(error) => Some(format!("the limit on open files can't be raised: {error}")),
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub(super) fn make_room(_: u32) -> Option<String> {
    None
}

/// Any number needs none in particular.
#[cfg(unix)]
fn too_few(limit: u64, connections: u32) -> Option<String> {
    let needed = u64::from(connections) + SPARE;
    (connections > 0 && limit < needed).then(|| {
        format!(
            "{limit} open files (RLIMIT_NOFILE) are too few for --max-connections {connections}; \
             for more: ulimit -Hn {needed} as root, or LimitNOFILE={needed} with systemd"
        )
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_few_names_both_numbers() {
        assert_eq!(too_few(1064, 1000), None);
        assert_eq!(too_few(10, 0), None);
        let said = too_few(1063, 1000).unwrap();
        for words in ["1063 open files", "--max-connections 1000", "ulimit -Hn 1064"] {
            assert!(said.contains(words), "{said}");
        }
    }
}
