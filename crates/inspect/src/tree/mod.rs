//! Content as a tree of values.

mod brief;
mod json;
mod path;
mod reader;

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

pub(crate) use self::json::Json;
pub(crate) use self::path::{Path, Segment, is_plain_char};
pub(crate) use self::reader::Reader;

/// The most values that a tree has.
pub(crate) const MAX_NODES: usize = 10_000;

/// The most values that contain each other in a tree.
pub(crate) const MAX_DEPTH: usize = 64;

/// A value within a payload, with the values that it contains.
///
/// It has at most 10,000 values and 64 levels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tree {
    /// The value.
    pub value: TreeValue,
    /// The bytes of the payload that it is made of. Empty for one that is not in the payload
    /// itself, such as the name of a field.
    pub span: Range<usize>,
}

/// A value of a [`Tree`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TreeValue {
    /// No value, such as `null` of JSON.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Integer(i128),
    /// A number that is not an integer, or too long for one.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in their order.
    List(Vec<Tree>),
    /// Keys and values in their order. A key can be there more than once.
    Map(Vec<(Tree, Tree)>),
}

impl Tree {
    pub(crate) fn new(value: TreeValue, span: Range<usize>) -> Self {
        Self { value, span }
    }

    /// Returns a text that is not in the payload itself, such as the name of a field.
    pub(crate) fn name(name: &str) -> Self {
        Self::new(TreeValue::Text(name.to_owned()), 0..0)
    }

    /// Returns a map with these names.
    pub(crate) fn fields(
        fields: impl IntoIterator<Item = (&'static str, Tree)>,
        span: Range<usize>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (Self::name(name), value));
        Self::new(TreeValue::Map(fields.collect()), span)
    }

    /// Returns the value of a key of a map; the first if there are several.
    ///
    /// A key that is an integer has its digits as its name.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        let TreeValue::Map(entries) = &self.value else { return None };
        entries.iter().find(|(each, _)| each.is_named(key)).map(|(_, value)| value)
    }

    /// Returns whether a key has this name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match &self.value {
            TreeValue::Text(text) => text == name,
            TreeValue::Integer(integer) => integer.to_string() == name,
            _ => false,
        }
    }

    /// Returns the text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            TreeValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if it is one. An integer of more than 53 bits is rounded.
    pub fn as_f64(&self) -> Option<f64> {
        match self.value {
            // No other conversion rounds.
            #[allow(clippy::cast_precision_loss)]
            TreeValue::Integer(integer) => Some(integer as f64),
            TreeValue::Float(float) => Some(float),
            _ => None,
        }
    }

    /// Returns the values of a list; none if it is something else.
    pub fn items(&self) -> &[Tree] {
        match &self.value {
            TreeValue::List(items) => items,
            _ => &[],
        }
    }

    /// Returns the tree as JSON: bytes as base64 in an object `{"base64": …}`, keys that are not
    /// text as their JSON, and numbers that JSON does not have as text. The order of keys is lost,
    /// and of those that are there twice the last stays.
    pub fn to_json(&self) -> Value {
        match &self.value {
            TreeValue::Null => Value::Null,
            TreeValue::Bool(bool) => Value::Bool(*bool),
            TreeValue::Integer(integer) => {
                let small = i64::try_from(*integer).map(Value::from);
                let small = small.or_else(|_| u64::try_from(*integer).map(Value::from));
                small.unwrap_or_else(|_| Value::String(integer.to_string()))
            }
            TreeValue::Float(float) => serde_json::Number::from_f64(*float)
                .map_or_else(|| Value::String(float.to_string()), Value::Number),
            TreeValue::Text(text) => Value::String(text.clone()),
            TreeValue::Bytes(bytes) => {
                let text = Value::String(BASE64_STANDARD.encode(bytes));
                Value::Object(Map::from_iter([("base64".to_owned(), text)]))
            }
            TreeValue::List(items) => items.iter().map(Self::to_json).collect(),
            TreeValue::Map(entries) => {
                entries.iter().map(|(key, value)| (key.to_key(), value.to_json())).collect()
            }
        }
    }

    fn to_key(&self) -> String {
        match &self.value {
            TreeValue::Text(text) => text.clone(),
            _ => self.to_json().to_string(),
        }
    }
}

/// Where content is not what it should be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) at: usize,
    pub(crate) what: String,
}
