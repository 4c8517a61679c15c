//! What a client says when it connects to a namespace, and how it is refused.

use std::fmt;
use std::sync::Arc;

use fullduplex::server::policy::PeerAddr;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::args::{Args, ArgsError};
use crate::value::Value;

/// The request of a client to connect to a namespace.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    pub(super) shared: Arc<RequestParts>,
}

#[derive(Debug)]
pub(super) struct RequestParts {
    pub(super) namespace: Arc<str>,
    pub(super) auth: Args,
    pub(super) http: http::Request<()>,
    pub(super) peer: PeerAddr,
}

impl ConnectRequest {
    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.shared.namespace
    }

    /// Deserializes what the client gave as `auth`; nothing is an empty object.
    ///
    /// Clients that can recover add the members `pid` and `offset`.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, ArgsError> {
        self.shared.auth.get()
    }

    /// The HTTP request that opened the connection: its URI with the query, headers and extensions.
    ///
    /// On HTTP long-polling this is the first request of the session.
    pub fn http(&self) -> &http::Request<()> {
        &self.shared.http
    }

    /// The address of the client.
    pub fn peer(&self) -> &PeerAddr {
        &self.shared.peer
    }
}

/// The refusal of a connection to a namespace, which the client sees as its event `connect_error`.
///
/// ```
/// use fullduplex_socketio::ConnectError;
///
/// let error = ConnectError::new("not authorized").with_data(("retry in", 5));
/// assert_eq!(error.message(), "not authorized");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectError {
    message: String,
    data: Option<Value>,
}

impl ConnectError {
    /// Refuses with this message, the `message` of the client's error.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }

    /// Adds details, the `data` of the client's error. A value that is not JSON is left out.
    #[must_use]
    pub fn with_data(mut self, data: impl Serialize) -> Self {
        let json = serde_json::to_vec(&data).ok();
        self.data = json.and_then(|json| serde_json::from_slice(&json).ok());
        self
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The packet's payload.
    pub(super) fn into_value(self) -> Value {
        let mut members = vec![("message".to_owned(), Value::String(self.message))];
        members.extend(self.data.map(|data| ("data".to_owned(), data)));
        Value::Object(members)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConnectError {}

impl From<ArgsError> for ConnectError {
    /// Refuses a client whose `auth` is not what the application expects.
    fn from(_: ArgsError) -> Self {
        Self::new("invalid auth")
    }
}
