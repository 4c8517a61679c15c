//! Substitutions in payloads.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// The most bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 20;

/// A substitution in payloads, written as in sed: `s/PATTERN/TEXT/`.
///
/// The pattern is a regular expression of the crate `regex`. In the text, `$1` or `${1}` is the
/// first group, and `$$` a dollar sign. With `g` at the end all matches are substituted and not
/// only the first, with `i` the case of letters does not matter. Another ASCII mark may take the
/// place of `/`; a mark that does not separate has a backslash before it.
///
/// ```
/// use fullduplex_inspect::edit::Substitution;
///
/// let substitution = Substitution::parse(r#"s/"side":"(\w+)"/"side":"not $1"/"#)?;
/// let changed = substitution.apply(br#"{"side":"buy"}"#);
/// assert_eq!(changed.as_deref(), Some(&br#"{"side":"not buy"}"#[..]));
/// assert_eq!(substitution.apply(b"{}"), None);
/// # Ok::<(), fullduplex_inspect::edit::SubstitutionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Substitution {
    pattern: Regex,
    text: Vec<u8>,
    is_global: bool,
}

/// Why a text is not a substitution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubstitutionError(String);

impl fmt::Display for SubstitutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SubstitutionError {}

impl Substitution {
    /// Parses a substitution.
    ///
    /// # Errors
    /// If it is not valid.
    pub fn parse(text: &str) -> Result<Self, SubstitutionError> {
        let wanted =
            || SubstitutionError("a substitution is s/PATTERN/TEXT/, s/PATTERN/TEXT/g".into());
        let rest = text.strip_prefix('s').ok_or_else(wanted)?;
        let mark = rest.chars().next().filter(char::is_ascii_punctuation).ok_or_else(wanted)?;
        if mark == '\\' {
            return Err(wanted());
        }
        let parts = split(&rest[1..], mark);
        let [pattern, text, flags] = &parts[..] else { return Err(wanted()) };
        if let Some(flag) = flags.chars().find(|flag| !"gi".contains(*flag)) {
            return Err(SubstitutionError(format!("{flag:?} is not a flag; allowed: g, i")));
        }
        let mut builder = RegexBuilder::new(pattern);
        builder.case_insensitive(flags.contains('i')).size_limit(MAX_PATTERN);
        let pattern = builder.build().map_err(|error| SubstitutionError(error.to_string()))?;
        Ok(Self { pattern, text: text.clone().into_bytes(), is_global: flags.contains('g') })
    }

    /// Returns what it makes of a payload; `None` if the pattern does not match.
    pub fn apply(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if !self.pattern.is_match(payload) {
            return None;
        }
        let most = usize::from(!self.is_global);
        Some(self.pattern.replacen(payload, most, &self.text[..]).into_owned())
    }
}

/// Splits a text at a mark, except where it has a backslash before it, which is removed then.
fn split(text: &str, mark: char) -> Vec<String> {
    let (mut parts, mut is_escaped) = (vec![String::new()], false);
    for c in text.chars() {
        let Some(part) = parts.last_mut() else { break };
        if c == mark && !is_escaped {
            parts.push(String::new());
            continue;
        }
        if c == mark {
            part.pop();
        }
        part.push(c);
        is_escaped = c == '\\' && !is_escaped;
    }
    parts
}
