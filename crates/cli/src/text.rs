//! Strangers' words for a terminal.

/// What others say must not steer the terminal, nor look like a line of ours.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
