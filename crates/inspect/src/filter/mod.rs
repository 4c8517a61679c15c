//! A language that selects rows of a store by a line of text.
//!
//! The page `reference/filter.md` of the book describes the language.

mod expression;
mod matching;
mod needle;
mod parser;
mod units;
mod vocabulary;

use std::fmt;
use std::str::FromStr;

use self::expression::Expression;
use self::parser::Parser;
use crate::store::{Row, Socket};

/// The longest text of a filter, in bytes.
pub const MAX_LEN: usize = 4096;

/// A filter of the rows of a store, such as `dir:in size>1k json.type="price" not bad`.
///
/// It is made by [`parse`](Self::parse) or [`FromStr`]; `Display` writes it in one form. The
/// default filter is empty, and matches all rows.
///
/// The time to match a row is bounded: it grows with the length of the filter times that of the
/// payload that is kept.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_inspect::Conversation;
/// use fullduplex_inspect::filter::Filter;
/// use fullduplex_inspect::proto::Role;
/// use fullduplex_inspect::store::{Handling, Row};
///
/// let filter: Filter = "dir:in json.type=price".parse()?;
/// let mut conversation = Conversation::new();
/// conversation.push(Role::Server, b"\x81\x10{\"type\":\"price\"}", Duration::ZERO, |frame| {
///     assert!(filter.matches(&Row::frame(1, frame, Handling::Passed), None));
/// });
/// let error = "dir:up".parse::<Filter>().unwrap_err();
/// assert_eq!(error.to_string(), "character 5: \"up\" is not a direction; allowed: in, out");
/// # Ok::<(), fullduplex_inspect::filter::FilterError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    expression: Option<Expression>,
}

impl Filter {
    /// Parses a filter. An empty text matches all rows.
    ///
    /// # Errors
    /// If it is not valid, longer than [`MAX_LEN`], nested more than 32 times, or has more than 100
    /// terms.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { expression: Parser::new(text).filter()? })
    }

    /// Returns whether it matches all rows, as it is empty.
    pub fn is_empty(&self) -> bool {
        self.expression.is_none()
    }

    /// Returns whether a row matches. `socket` is its WebSocket; without it, what the filter says
    /// of the URL and the subprotocol does not match, and formats are found by shape only.
    pub fn matches(&self, row: &Row, socket: Option<&Socket>) -> bool {
        let Some(expression) = &self.expression else { return true };
        matching::Subject::new(row, socket).matches(expression)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.as_ref().map_or(Ok(()), |expression| expression.fmt(f))
    }
}

/// Why a text is not a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    /// Where it is not valid: the number of bytes before.
    pub position: usize,
    /// The number of characters before, for those who count them.
    pub column: usize,
    /// What is wrong there.
    pub problem: String,
    /// What is allowed there; empty if that is not a list.
    pub allowed: Vec<String>,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "character {}: {}", self.column + 1, self.problem)?;
        if !self.allowed.is_empty() {
            write!(f, "; allowed: {}", self.allowed.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for FilterError {}
