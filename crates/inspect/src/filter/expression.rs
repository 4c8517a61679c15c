//! What a filter says.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use fullduplex_proto::Role;

use super::needle::{Needle, quoted};
use super::units;
use super::vocabulary::{Count, Flag, Kind, Time, Words};
use crate::payload::Format;
use crate::tree::Path;

/// An expression of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// Two or more.
    Or(Vec<Expression>),
    /// Two or more.
    And(Vec<Expression>),
    Not(Box<Expression>),
    Term(Term),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    From(Role),
    Kind(Kind),
    Flag(Flag),
    Count(Count, Comparison, u64),
    Time(Time, Comparison, Duration),
    Ratio(Comparison, f64),
    /// A text of the WebSocket, with `*` for any characters.
    Words(Words, String),
    Format(Format),
    Payload(Needle),
    Path(Root, Path, Option<Test>),
}

/// The tree that a path begins in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// The payload, read as JSON.
    Json,
    /// What a decoder of the payload returns.
    Tree,
}

/// What a value of a tree must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Value(Comparison, Literal),
    Contains(Needle),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The signs, with those first that begin with another one.
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("=", Self::Equal),
        ("<", Self::Less),
        (">", Self::Greater),
    ];

    /// Returns whether the two compare so.
    pub(super) fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sign = Self::ALL.iter().find(|(_, each)| each == self);
        f.write_str(sign.map_or("=", |(sign, _)| sign))
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => joined(f, parts, " or ", |_| false),
            Self::And(parts) => joined(f, parts, " ", |part| matches!(part, Self::Or(_))),
            Self::Not(part) => {
                f.write_str("not ")?;
                grouped(f, part, matches!(**part, Self::Or(_) | Self::And(_)))
            }
            Self::Term(term) => term.fmt(f),
        }
    }
}

fn joined(
    f: &mut Formatter<'_>,
    parts: &[Expression],
    between: &str,
    needs_group: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        grouped(f, part, needs_group(part))?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, part: &Expression, needs_group: bool) -> fmt::Result {
    if needs_group { write!(f, "({part})") } else { part.fmt(f) }
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(Role::Server) => f.write_str("dir:in"),
            Self::From(Role::Client) => f.write_str("dir:out"),
            Self::Kind(kind) => write!(f, "kind:{}", kind.name()),
            Self::Flag(flag) => write!(f, "has:{}", flag.name()),
            Self::Count(field, comparison, count) => {
                write!(f, "{}{comparison}{count}", field.name())
            }
            Self::Time(field, comparison, time) => {
                write!(f, "{}{comparison}{}", field.name(), units::duration_text(*time))
            }
            Self::Ratio(comparison, ratio) => write!(f, "ratio{comparison}{ratio}"),
            Self::Words(field, text) => write!(f, "{}:{}", field.name(), quoted(text)),
            Self::Format(format) => write!(f, "format:{format}"),
            Self::Payload(needle) => needle.fmt(f),
            Self::Path(root, path, test) => {
                write!(f, "{}{path}", root.name())?;
                match test {
                    None => Ok(()),
                    Some(Test::Value(comparison, literal)) => write!(f, "{comparison}{literal}"),
                    Some(Test::Contains(needle)) => needle.fmt(f),
                }
            }
        }
    }
}

impl Root {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Tree => "tree",
        }
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(bool) => bool.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
        }
    }
}
