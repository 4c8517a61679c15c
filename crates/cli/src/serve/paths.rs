//! The paths of the handlers that a server always has.

/// Returns whether a path has a handler that no command replaces, and no target but one that is for
/// this path.
pub(super) fn has_own_handler(path: &str) -> bool {
    matches!(path, "/echo" | "/broadcast" | "/whoami")
}
