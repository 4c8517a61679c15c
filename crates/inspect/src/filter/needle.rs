//! What is searched for in text.

use std::fmt::{self, Display, Formatter};

use regex::bytes::{Regex, RegexBuilder};

/// The most bytes that a regular expression takes, compiled.
const MAX_COMPILED: usize = 256 << 10;

/// The most groups of a regular expression that contain each other.
const MAX_NESTED: u32 = 32;

/// What is searched for in text.
#[derive(Clone, Debug)]
pub(super) enum Needle {
    /// These characters.
    Text(String),
    /// What a regular expression matches.
    Regex { regex: Regex, ignores_case: bool },
}

impl Needle {
    /// Compiles a regular expression. Its search takes time in proportion to the text.
    pub(super) fn regex(pattern: &str, ignores_case: bool) -> Result<Self, String> {
        let regex = RegexBuilder::new(pattern)
            .case_insensitive(ignores_case)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTED)
            .build();
        match regex {
            Ok(regex) => Ok(Self::Regex { regex, ignores_case }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err("the regular expression is too large".into())
            }
            Err(error) => {
                // The last line says what is wrong; those before show where.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                let last = last.strip_prefix("error: ").unwrap_or(last);
                Err(format!("the regular expression is not valid: {last}"))
            }
        }
    }

    /// Returns whether it is found.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Text(needle) => contains(text, needle.as_bytes()),
            Self::Regex { regex, .. } => regex.is_match(text),
        }
    }
}

/// Returns whether some bytes are part of others.
fn contains(text: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut text = text;
    while let Some(at) = text.iter().position(|byte| byte == first) {
        text = &text[at + 1..];
        if text.starts_with(rest) {
            return true;
        }
    }
    false
}

impl PartialEq for Needle {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(own), Self::Text(other)) => own == other,
            (
                Self::Regex { regex: own, ignores_case: own_case },
                Self::Regex { regex: other, ignores_case: other_case },
            ) => own.as_str() == other.as_str() && own_case == other_case,
            _ => false,
        }
    }
}

impl Display for Needle {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "~{}", quoted(text)),
            Self::Regex { regex, ignores_case } => {
                f.write_str("~/")?;
                let mut chars = regex.as_str().chars();
                while let Some(char) = chars.next() {
                    match char {
                        '/' => f.write_str("\\/")?,
                        '\\' => {
                            write!(f, "\\{}", chars.next().unwrap_or('\\'))?;
                        }
                        char => write!(f, "{char}")?,
                    }
                }
                f.write_str(if *ignores_case { "/i" } else { "/" })
            }
        }
    }
}

/// Returns a text in quotation marks, as JSON has it.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
