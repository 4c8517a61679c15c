//! Header fields, whoever parsed them.

/// A set of header fields.
pub trait HeaderSource {
    /// The values of all fields of this name, which is compared without regard to case,
    /// in their order, without the white space around them.
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The value of the field, if there is exactly one of this name.
    fn single<'a>(&'a self, name: &'a str) -> Result<&'a [u8], Count> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Err(Count::Missing),
            (Some(value), None) => Ok(value),
            _ => Err(Count::Several),
        }
    }
}

/// Why a field that must stand once does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// There is none.
    Missing,
    /// There are several.
    Several,
}

impl<N: AsRef<str>, V: AsRef<[u8]>> HeaderSource for [(N, V)] {
    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(n, _)| n.as_ref().eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_ref().trim_ascii())
    }
}
