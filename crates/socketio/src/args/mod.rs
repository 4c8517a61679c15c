//! The arguments of an event or an acknowledgement, and how Rust's types become them.
//!
//! A tuple is several arguments, `()` stands for no argument, and any other type is one.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::value::{SeqAccessDeserializer, SeqDeserializer, UnitDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeTupleStruct, Serializer};

use crate::value::{ShapeError, Value};

mod shape;

pub(crate) use self::shape::Shape;

/// The arguments of a received event or acknowledgement, or the data of a CONNECT packet.
///
/// They are deserialized when [`get`](Args::get) is called, so that an event without a handler
/// costs little.
#[derive(Clone)]
pub struct Args {
    content: Content,
    /// How many elements come before the arguments: the name of an event.
    skip: usize,
}

#[derive(Clone)]
enum Content {
    /// An array of JSON, which has been validated.
    Json(Bytes),
    Values(Vec<Value>),
}

/// The error for arguments that are not of the type that the application asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgsError(String);

impl fmt::Display for ArgsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the arguments are not of the expected type: {}", self.0)
    }
}

impl std::error::Error for ArgsError {}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may be secret, and are not logged by accident.
        f.debug_struct("Args").finish_non_exhaustive()
    }
}

impl Args {
    pub(crate) fn json(array: Bytes, skip: usize) -> Self {
        Self { content: Content::Json(array), skip }
    }

    pub(crate) fn values(values: Vec<Value>, skip: usize) -> Self {
        Self { content: Content::Values(values), skip }
    }

    pub(crate) fn none() -> Self {
        Self::values(Vec::new(), 0)
    }

    pub(crate) fn empty_object() -> Self {
        Self::values(vec![Value::Object(Vec::new())], 0)
    }

    /// Whether there are no arguments at all, as in a CONNECT packet without data.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.content, Content::Values(values) if values.len() <= self.skip)
    }

    /// Returns about how many bytes the arguments are, with what comes before them.
    #[cfg(feature = "admin")]
    pub(crate) fn size(&self) -> usize {
        match &self.content {
            Content::Json(array) => array.len(),
            Content::Values(values) => values.iter().map(Value::size).sum(),
        }
    }

    /// Deserializes the arguments.
    ///
    /// A tuple, an array of fixed length or a [`Variadic`] takes all arguments, and ignores those
    /// that it has no place for. `()` takes none. Every other type takes the first argument, or
    /// `null` if there is none. Attachments are bytes, such as [`Binary`](crate::Binary).
    pub fn get<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        let expected =
            ArgsVisitor { skip: self.skip, shape: Shape::expected_by::<T>(), made: PhantomData };
        match &self.content {
            Content::Json(array) => {
                let mut json = serde_json::Deserializer::from_slice(array);
                json.deserialize_seq(expected).map_err(|error| ArgsError(error.to_string()))
            }
            Content::Values(values) => SeqDeserializer::<_, ShapeError>::new(values.iter())
                .deserialize_seq(expected)
                .map_err(|error| ArgsError(error.to_string())),
        }
    }
}

/// Visits the elements, and makes the application's type of those after the first `skip`.
struct ArgsVisitor<T> {
    skip: usize,
    shape: Shape,
    made: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for ArgsVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        for _ in 0..self.skip {
            seq.next_element::<IgnoredAny>()?;
        }
        let value = match self.shape {
            Shape::Nothing => T::deserialize(UnitDeserializer::new()),
            Shape::Tuple(_) => T::deserialize(SeqAccessDeserializer::new(Borrowed(&mut seq))),
            Shape::Single => match seq.next_element()? {
                Some(value) => Ok(value),
                None => T::deserialize(UnitDeserializer::new()),
            },
        }?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(value)
    }
}

/// Lends the rest of a sequence to a deserializer.
struct Borrowed<'a, A>(&'a mut A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Borrowed<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// All arguments of an event, however many there are.
///
/// ```
/// use fullduplex_socketio::{Value, Variadic};
///
/// // The event `sum` of any number of numbers.
/// let handler = async |_socket: fullduplex_socketio::Socket, Variadic(numbers): Variadic<f64>| {
///     numbers.iter().sum::<f64>()
/// };
/// # let _ = handler;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variadic<T>(pub Vec<T>);

impl<T: Serialize> Serialize for Variadic<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple_struct("Variadic", self.0.len())?;
        for value in &self.0 {
            tuple.serialize_field(value)?;
        }
        tuple.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Variadic<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Variadic<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Variadic(values))
            }
        }
        deserializer.deserialize_tuple_struct("Variadic", 0, All(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(array: &'static str) -> Args {
        Args::json(Bytes::from_static(array.as_bytes()), 1)
    }

    #[test]
    fn args_of_a_tuple_are_all_and_of_others_the_first() {
        let args = json(r#"["name","a",2,[3]]"#);
        assert_eq!(args.get::<(String, u8)>(), Ok(("a".to_owned(), 2)));
        assert_eq!(args.get::<String>(), Ok("a".to_owned()));
        assert_eq!(args.get::<()>(), Ok(()));
        assert_eq!(args.get::<(String, u8, Vec<u8>)>(), Ok(("a".to_owned(), 2, vec![3])));
        assert!(args.get::<u8>().is_err());
        assert!(args.get::<(String, u8, Vec<u8>, u8)>().is_err());
        assert_eq!(args.get::<Variadic<Value>>().map(|all| all.0.len()), Ok(3),);
    }

    #[test]
    fn args_that_are_missing_are_null() {
        let args = json(r#"["name"]"#);
        assert_eq!(args.get::<Option<u8>>(), Ok(None));
        assert_eq!(args.get::<Value>(), Ok(Value::Null));
        assert!(args.get::<u8>().is_err());
        assert_eq!(args.get::<Variadic<u8>>(), Ok(Variadic(Vec::new())));
    }

    #[test]
    fn args_of_values_equal_those_of_json() {
        let values: Vec<Value> =
            serde_json::from_str(r#"["name",{"a":[1,-2,1.5]},null]"#).expect("JSON");
        let args = Args::values(values, 1);
        let (first, second): (Value, Option<u8>) = args.get().expect("two arguments");
        assert_eq!(second, None);
        assert_eq!(
            first.get("a"),
            Some(&Value::Array(vec![Value::Unsigned(1), Value::Signed(-2), Value::Float(1.5)])),
        );
    }
}
