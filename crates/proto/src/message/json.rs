//! Messages whose payload is JSON.

use alloc::format;
use alloc::string::{String, ToString};
use core::{any, fmt};

use serde::{Deserialize, Serialize};

use super::Message;

/// The most bytes of a description by `serde_json`, which quotes values of the payload.
const MAX_DESCRIPTION: usize = 160;

impl Message {
    /// Creates a text message with a value as JSON. [`parse_json`](Self::parse_json) is the
    /// opposite.
    ///
    /// ```
    /// use fullduplex_proto::Message;
    ///
    /// let message = Message::json(&("move", 4, 2))?;
    /// assert_eq!(message, r#"["move",4,2]"#);
    /// let (command, x, y): (String, u8, u8) = message.parse_json()?;
    /// # assert_eq!((&command[..], x, y), ("move", 4, 2));
    /// # Ok::<(), fullduplex_proto::JsonError>(())
    /// ```
    ///
    /// # Errors
    /// If the value has no form in JSON, such as a map whose keys are not strings.
    #[doc(alias("send_json", "to_json"))]
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value).map(Self::text).map_err(|error| {
            JsonError::new(format!("a value of {} as JSON", any::type_name::<T>()), &error)
        })
    }

    /// Parses the payload, text or binary, as JSON (RFC 8259) of type `T`, which may borrow from
    /// the message.
    ///
    /// # Errors
    /// If it is not JSON, or its values are not those of a `T`.
    #[doc(alias("receive_json", "from_json"))]
    pub fn parse_json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        let parsed = match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Binary(bytes) => serde_json::from_slice(bytes),
        };
        parsed.map_err(|error| {
            JsonError::new(format!("a message as JSON of {}", any::type_name::<T>()), &error)
        })
    }
}

/// The error of [`Message::json`] and [`Message::parse_json`].
///
/// It names the Rust type, and the place in the payload. Of the payload it has at most a short
/// value that was not expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    message: String,
}

impl JsonError {
    fn new(subject: String, error: &serde_json::Error) -> Self {
        let mut message = subject;
        message.push_str(": ");
        message.push_str(&shortened(error.to_string(), error.line(), error.column()));
        Self { message }
    }
}

/// Cuts a description out of its middle: its end has the place.
fn shortened(description: String, line: usize, column: usize) -> String {
    if description.len() <= MAX_DESCRIPTION {
        return description;
    }
    let mut cut = MAX_DESCRIPTION;
    while !description.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}… at line {line} column {column}", &description[..cut])
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for JsonError {}
