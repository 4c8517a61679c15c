//! The options that hold, change, delay and cut what passes.

use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex_inspect::edit::Substitution;
use fullduplex_inspect::filter::Filter;

use super::cut::{CutAfter, CutKind, CutLimit};
use super::rules::{Replacement, Rules};
use crate::base::values;

/// The options that act on WebSockets.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ActArgs {
    /// Drop the messages and control frames that match (repeatable)
    ///
    /// The first 64 KiB of a message are matched. One of more than 1 MiB passes. All others pass as
    /// they came, but are compressed anew if they may refer to one that was dropped.
    #[arg(long, value_name = "FILTER", value_parser = Filter::parse, help_heading = "Changes")]
    drop: Vec<Filter>,
    /// Replace text in messages that match, such as 'dir:in' 's/buy/sell/g' (repeatable)
    ///
    /// The first is a filter, and the second has a regular expression and what takes its place,
    /// where $1 is the first group.
    #[arg(long, num_args = 2, value_names = ["FILTER", "SUBSTITUTION"], help_heading = "Changes")]
    replace: Vec<String>,
    /// Hold each message and control frame that matches, until the page lets it pass
    #[arg(long = "break", value_name = "FILTER", value_parser = Filter::parse, requires = "page",
          help_heading = "Changes")]
    breakpoint: Option<Filter>,
    /// Begin with all WebSockets paused: the page lets each frame pass
    #[arg(long, requires = "page", help_heading = "Changes")]
    pause: bool,
    /// Pass all bytes of WebSockets later, by this time
    #[arg(long, value_name = "TIME", value_parser = values::timeout, help_heading = "Changes")]
    delay: Option<Duration>,
    /// Pass no more than this in a second, in each direction of a WebSocket, such as 10k
    #[arg(long, value_name = "BYTES/S", value_parser = rate, help_heading = "Changes")]
    rate: Option<u64>,
    /// End each WebSocket after a time such as 30s, or after bytes such as 1000B, 64k or 1M
    ///
    /// Bytes of both directions count. With :rst it is reset, as by default; with :fin both sides
    /// see an end that no Close came before.
    #[arg(long, value_name = "LIMIT[:fin]", value_parser = cut_after, help_heading = "Changes")]
    cut_after: Option<CutAfter>,
}

impl ActArgs {
    /// Returns the rules.
    pub(crate) fn rules(&self) -> Result<Rules, String> {
        let mut replacements = Vec::new();
        for pair in self.replace.chunks_exact(2) {
            let filter = Filter::parse(&pair[0]);
            let filter = filter.map_err(|error| format!("--replace {:?}: {error}", pair[0]))?;
            let substitution = Substitution::parse(&pair[1]);
            let substitution =
                substitution.map_err(|error| format!("--replace {:?}: {error}", pair[1]))?;
            replacements.push(Replacement { filter, substitution });
        }
        Ok(Rules {
            drops: self.drop.clone(),
            replacements,
            breakpoint: self.breakpoint.clone(),
            is_paused: self.pause,
            delay: self.delay,
            rate: self.rate,
            cut_after: self.cut_after,
        })
    }
}

fn rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    bytes(number.strip_suffix('B').unwrap_or(number))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a number of bytes in a second, such as 500, 10k or 1M".into())
}

/// Returns a number with the unit k or M, or without one.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = [("k", 1 << 10), ("M", 1 << 20)]
        .into_iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)))
        .unwrap_or((text, 1));
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn cut_after(text: &str) -> Result<CutAfter, String> {
    let (limit, kind) = match text.rsplit_once(':') {
        None => (text, CutKind::Reset),
        Some((limit, "rst")) => (limit, CutKind::Reset),
        Some((limit, "fin")) => (limit, CutKind::End),
        Some((_, kind)) => return Err(format!("{kind:?} is neither rst nor fin")),
    };
    let of_bytes = limit.strip_suffix('B').or(limit.ends_with(['k', 'M']).then_some(limit));
    let limit = match of_bytes {
        Some(number) => bytes(number).map(CutLimit::Bytes),
        // A number without a unit might be either.
        None if limit.bytes().all(|byte| byte.is_ascii_digit()) => None,
        None => values::timeout(limit).ok().map(CutLimit::Time),
    };
    let wanted = "a time such as 30s or 500ms, or bytes such as 1000B, 64k or 1M";
    limit.map(|limit| CutAfter { limit, kind }).ok_or_else(|| wanted.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_units() {
        assert_eq!(rate("10k/s"), Ok(10 << 10));
        assert_eq!(rate("500B"), Ok(500));
        assert!(rate("0").is_err() && rate("fast").is_err());
        for (text, limit, kind) in [
            ("30s", CutLimit::Time(Duration::from_secs(30)), CutKind::Reset),
            ("500ms:fin", CutLimit::Time(Duration::from_millis(500)), CutKind::End),
            ("1000B:rst", CutLimit::Bytes(1000), CutKind::Reset),
            ("1M", CutLimit::Bytes(1 << 20), CutKind::Reset),
        ] {
            assert_eq!(cut_after(text), Ok(CutAfter { limit, kind }), "{text}");
        }
        for text in ["", "30", "30s:syn", "k", "-1s"] {
            assert!(cut_after(text).is_err(), "{text}");
        }
    }
}
