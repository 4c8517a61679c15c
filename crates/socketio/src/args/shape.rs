//! How many arguments a type is, found without its values.

use std::any::type_name;
use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::ser::{self, Impossible, Serialize, Serializer};

/// How many arguments a type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `()`: no argument.
    Nothing,
    /// A tuple with its number of elements: an argument each.
    Tuple(usize),
    /// Any other value: one argument.
    Single,
}

impl Shape {
    /// Returns the shape that this value serializes to. Only the outermost call is made.
    pub(crate) fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        match value.serialize(Probe) {
            // Other types that serialize as a unit are `null`, such as that of serde_json.
            Err(FoundShape(Self::Nothing)) if !is_unit::<T>() => Self::Single,
            Err(FoundShape(shape)) => shape,
            Ok(never) => match never {},
        }
    }

    /// Returns the shape that this type deserializes from.
    pub(super) fn expected_by<T: DeserializeOwned>() -> Self {
        match T::deserialize(Probe) {
            Err(FoundShape(shape)) => shape,
            // A type that reads nothing.
            Ok(_) => Self::Nothing,
        }
    }
}

/// Whether this is `()` or a reference to it. Types of any lifetime are told apart by their names.
fn is_unit<T: ?Sized>() -> bool {
    type_name::<T>().trim_start_matches('&') == type_name::<()>()
}

/// A serializer and deserializer that only looks at the first call.
struct Probe;

/// The "error" with which the probe says what it has seen.
#[derive(Debug)]
struct FoundShape(Shape);

impl fmt::Display for FoundShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for FoundShape {}

impl ser::Error for FoundShape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Shape::Single)
    }
}

impl de::Error for FoundShape {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Shape::Single)
    }
}

const SINGLE: FoundShape = FoundShape(Shape::Single);

macro_rules! serialize_single {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::Ok, FoundShape> {
            Err(SINGLE)
        })*
    };
}

/// What the probe never returns.
enum Never {}

impl Serializer for Probe {
    type Ok = Never;
    type Error = FoundShape;
    type SerializeSeq = Impossible<Never, FoundShape>;
    type SerializeTuple = Impossible<Never, FoundShape>;
    type SerializeTupleStruct = Impossible<Never, FoundShape>;
    type SerializeTupleVariant = Impossible<Never, FoundShape>;
    type SerializeMap = Impossible<Never, FoundShape>;
    type SerializeStruct = Impossible<Never, FoundShape>;
    type SerializeStructVariant = Impossible<Never, FoundShape>;

    serialize_single! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Never, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_unit(self) -> Result<Never, FoundShape> {
        Err(FoundShape(Shape::Nothing))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Never, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Never, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, FoundShape> {
        Err(FoundShape(Shape::Tuple(len)))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, FoundShape> {
        Err(FoundShape(Shape::Tuple(len)))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, FoundShape> {
        Err(SINGLE)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, FoundShape> {
        Err(SINGLE)
    }
}

macro_rules! deserialize_single {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(
            self,
            $(_: $argument,)*
            _: V,
        ) -> Result<V::Value, FoundShape> {
            Err(SINGLE)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe {
    type Error = FoundShape;

    deserialize_single! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit_struct(&'static str);
        deserialize_newtype_struct(&'static str);
        deserialize_seq();
        deserialize_map();
        deserialize_struct(&'static str, &'static [&'static str]);
        deserialize_enum(&'static str, &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_unit<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FoundShape> {
        Err(FoundShape(Shape::Nothing))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, _: V) -> Result<V::Value, FoundShape> {
        Err(FoundShape(Shape::Tuple(len)))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        _: V,
    ) -> Result<V::Value, FoundShape> {
        Err(FoundShape(Shape::Tuple(len)))
    }
}

impl IntoDeserializer<'_, FoundShape> for Probe {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;
    use crate::args::Variadic;
    use crate::value::Value;

    #[test]
    fn shape_of_a_tuple_is_its_elements_and_of_others_one() {
        assert_eq!(Shape::of(&()), Shape::Nothing);
        assert_eq!(Shape::of(&&()), Shape::Nothing);
        assert_eq!(Shape::of(&serde_json::Value::Null), Shape::Single);
        assert_eq!(Shape::of(&&serde_json::Value::Null), Shape::Single);
        assert_eq!(Shape::of(&Value::Null), Shape::Single);
        assert_eq!(Shape::of(&None::<()>), Shape::Single);
        assert_eq!(Shape::of(&Some(())), Shape::Single);
        assert_eq!(Shape::of(&PhantomData::<u8>), Shape::Single);
        assert_eq!(Shape::of(&Box::new(serde_json::Value::Null)), Shape::Single);
        assert_eq!(Shape::of(&(1, "a")), Shape::Tuple(2));
        assert_eq!(Shape::of(&[1, 2, 3]), Shape::Tuple(3));
        assert_eq!(Shape::of(&vec![1, 2, 3]), Shape::Single);
        assert_eq!(Shape::of("text"), Shape::Single);
        assert_eq!(Shape::of(&Variadic(vec![1, 2])), Shape::Tuple(2));
        assert_eq!(Shape::of(&Some((1, 2))), Shape::Single);
    }
}
