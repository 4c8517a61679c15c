//! The error type of this library.

mod convert;
mod kind;
pub(crate) mod retry;
mod step;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fullduplex_proto::handshake::http1;
use fullduplex_proto::{CloseCause, CloseCode, CloseInfo, Initiator};

use crate::base::error::retry::{AttemptFailure, is_worth_retrying};

pub use kind::ErrorKind;
pub use step::ConnectStep;

/// The most bytes that are kept of what is not a response.
#[cfg(feature = "client")]
const MAX_FIRST_BYTES: usize = 1024;

/// An error of this library. It is one pointer wide.
///
/// - [`kind`](Self::kind) is its category, [`is_retryable`](Self::is_retryable) whether to try
///   again, [`close_info`](Self::close_info) how an open connection ended, and
///   [`response`](Self::response) the answer of a server that rejected the handshake.
/// - `Display` says in one line what failed and why: the rule, with its RFC section, or the
///   setting, and the cause. The wording may change between versions.
/// - [`source`](StdError::source) is the direct cause, such as an `io::Error` or an error of
///   rustls, for `downcast_ref`. As the line names the cause already, a report that also prints all
///   sources says it twice, the second time in the words of the library below.
///   [`io_kind`](Self::io_kind) is the kind of the `io::Error` among the causes.
///
/// ```
/// use std::io;
///
/// use fullduplex::{Error, ErrorKind};
///
/// fn advice(error: &Error) -> &'static str {
///     match error.kind() {
///         _ if error.io_kind() == io::ErrorKind::ConnectionRefused => "is it started?",
///         ErrorKind::Tls => "is the certificate right?",
///         ErrorKind::Handshake if error.response().is_some_and(|r| r.status() == 401) => "log in",
///         _ if error.is_retryable() => "try again later",
///         _ => "report it",
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let proxies = fullduplex::client::Proxies::none();
/// let client = fullduplex::Client::builder().build()?;
/// # let client = fullduplex::Client::builder().proxies(proxies).build()?;
/// let error = client.connect("ws://127.0.0.1:9/").await.unwrap_err();
/// assert_eq!(advice(&error), "is it started?");
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[doc(alias("WebSocketError", "ConnectionError", "ProtocolError"))]
pub struct Error(Box<ErrorInner>);

struct ErrorInner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    close_code: Option<CloseCode>,
    initiator: Option<Initiator>,
    close_info: Option<CloseInfo>,
    response: Option<http::Response<Bytes>>,
    /// The kind of failure, if the category does not suffice for [`Error::is_retryable`].
    failure: Option<AttemptFailure>,
    step: Option<ConnectStep>,
    /// What arrived in place of a response; empty if it was one, or nothing arrived.
    first_bytes: Bytes,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// Whether the message includes the text of the source already.
    message_includes_source: bool,
    /// A suggestion that follows the message.
    hint: Option<Box<str>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(ErrorInner {
            kind,
            message: message.into(),
            close_code: None,
            initiator: None,
            close_info: None,
            response: None,
            failure: None,
            step: None,
            first_bytes: Bytes::new(),
            source: None,
            message_includes_source: false,
            hint: None,
        }))
    }

    /// Sets the source, with a description in the message if its own text is that of another
    /// library.
    pub(crate) fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        #[cfg(not(target_family = "wasm"))]
        if let Some(text) = crate::base::foreign_errors::describe(&source) {
            self = self.with_detail(&text);
            self.0.message_includes_source = true;
        }
        self.0.source = Some(Box::new(source));
        self
    }

    pub(crate) fn with_response(mut self, response: http::Response<Bytes>) -> Self {
        self.0.response = Some(response);
        self
    }

    pub(crate) fn with_failure(mut self, failure: AttemptFailure) -> Self {
        self.0.failure = Some(failure);
        self
    }

    /// Prefixes the message with the setting or the place where the error occurred.
    pub(crate) fn with_context(mut self, setting: &str) -> Self {
        self.0.message = format!("{setting}: {}", self.0.message).into();
        self
    }

    /// Appends details to the message.
    pub(crate) fn with_detail(mut self, words: &str) -> Self {
        self.0.message = format!("{}: {words}", self.0.message).into();
        self
    }

    /// Sets a suggestion that follows the message.
    pub(crate) fn with_hint(mut self, hint: String) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn io(doing: &'static str, error: io::Error) -> Self {
        Self::new(ErrorKind::Io, doing).with_source(error)
    }

    pub(crate) fn timeout(setting: &'static str, after: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("timed out: {setting} ({after:?})"))
    }

    /// Appends what the task was waiting for when the deadline passed, and what may be wrong.
    pub(crate) fn while_waiting(mut self, step: Option<ConnectStep>, what: &str) -> Self {
        if !what.is_empty() {
            self.0.message = format!("{} while {what}", self.0.message).into();
        }
        self.0.step = step;
        match step.and_then(ConnectStep::hint_of_silence) {
            Some(hint) => self.with_hint(hint.to_owned()),
            None => self,
        }
    }

    /// Sets the step at which the error occurred, if it has none.
    #[cfg(feature = "client")]
    pub(crate) fn with_step(mut self, step: ConnectStep) -> Self {
        self.0.step.get_or_insert(step);
        self
    }

    /// Keeps the first bytes of what arrived in place of a response.
    #[cfg(feature = "client")]
    pub(crate) fn with_first_bytes(mut self, received: &[u8]) -> Self {
        let kept = received.len().min(MAX_FIRST_BYTES);
        self.0.first_bytes = Bytes::copy_from_slice(&received[..kept]);
        self
    }

    /// Returns the transport's error, if that is the source.
    #[cfg(feature = "_tls")]
    pub(crate) fn transport_error(&self) -> Option<&io::Error> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }

    /// Whether a head was rejected because its HTTP version is not HTTP/1.
    pub(crate) fn is_other_http_version(&self) -> bool {
        let head = self.0.source.as_deref().and_then(|source| source.downcast_ref());
        head == Some(&http1::HeadError::Version)
    }

    /// Creates the error for a connection that ended other than normally.
    pub(crate) fn ended(info: &CloseInfo) -> Self {
        let kind = match info.cause {
            CloseCause::Protocol(error) if error.is_limit() => ErrorKind::Limit,
            CloseCause::Protocol(_) => ErrorKind::Protocol,
            CloseCause::KeepaliveTimeout | CloseCause::IdleTimeout | CloseCause::CloseTimeout => {
                ErrorKind::Timeout
            }
            CloseCause::TransportEnd | CloseCause::TransportError | CloseCause::Undisclosed => {
                ErrorKind::Io
            }
            CloseCause::MaxBuffered => ErrorKind::Limit,
            CloseCause::Unread => ErrorKind::Misuse,
            _ => ErrorKind::Closed,
        };
        // A browser reports only a few causes, and a page should be small.
        #[cfg(target_family = "wasm")]
        let message = match info.cause {
            CloseCause::Protocol(_) => "a message is larger than max_message_size",
            CloseCause::MaxBuffered => const { CloseCause::MaxBuffered.description() },
            CloseCause::CloseTimeout => const { CloseCause::CloseTimeout.description() },
            CloseCause::Undisclosed => const { CloseCause::Undisclosed.description() },
            _ => const { CloseCause::Handshake.description() },
        };
        #[cfg(not(target_family = "wasm"))]
        let message = match (info.cause, &info.received) {
            // The Close that this end sent is not the error.
            (CloseCause::Handshake, Some(frame)) if info.initiator != Initiator::Peer => {
                format!("the peer answered the Close with {frame}")
            }
            (CloseCause::Unread, _) => {
                format!("{info}: who sends must read too, or split and drop the receiving half")
            }
            _ => info.to_string(),
        };
        let mut error = Self::new(kind, message).with_failure(info.into());
        error.0.close_info = Some(info.clone());
        error.0.initiator = Some(info.initiator);
        error.0.close_code = Some(match info.cause {
            CloseCause::Protocol(error) => error.close_code(),
            _ => info.code(),
        });
        error
    }

    /// Creates the error for a connection that ended other than normally, perhaps because writing
    /// had failed.
    pub(crate) fn ended_by(info: &CloseInfo, failed: Option<io::ErrorKind>) -> Self {
        let error = Self::ended(info);
        match failed {
            Some(kind) if info.cause == CloseCause::TransportError => {
                error.with_source(io::Error::from(kind))
            }
            _ => error,
        }
    }

    /// Creates the error for a connection that was closed before everything queued was written.
    pub(crate) fn unsent(info: &CloseInfo, failed: Option<io::ErrorKind>) -> Self {
        let message = "the peer left before it had all that was sent";
        let mut error = Self::new(ErrorKind::Io, message).with_failure(info.into());
        error.0.close_info = Some(info.clone());
        error.0.initiator = Some(info.initiator);
        error.0.close_code = Some(info.code());
        match failed {
            Some(kind) => error.with_source(io::Error::from(kind)),
            None => error,
        }
    }

    /// Returns the category of the error, for a `match`.
    #[doc(alias("category", "code"))]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the close code that the local side sent or would report, if there is one.
    pub fn close_code(&self) -> Option<CloseCode> {
        self.0.close_code
    }

    /// Returns the party that ended the connection, if one was open.
    pub fn initiator(&self) -> Option<Initiator> {
        self.0.initiator
    }

    /// Returns how the connection ended, if its end is the error.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.0.close_info.as_ref()
    }

    /// Returns the response that rejected the opening handshake: status, headers, and up to 64 KiB
    /// of the body, of which a `Content-Encoding` is not decoded.
    pub fn response(&self) -> Option<&http::Response<Bytes>> {
        self.0.response.as_ref()
    }

    /// Returns the step of connecting at which the error occurred, or at which a deadline passed;
    /// `None` if connecting had not begun or was complete.
    pub fn connect_step(&self) -> Option<ConnectStep> {
        self.0.step
    }

    /// Returns the first bytes, at most 1 KiB, that the server sent in place of an HTTP/1.1
    /// response, such as the banner of another protocol. Empty if it sent a response or nothing.
    pub fn first_bytes(&self) -> &[u8] {
        &self.0.first_bytes
    }

    /// Returns the time after which a server that rejected the handshake asks for another attempt
    /// (`Retry-After`, RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        let headers = self.response()?.headers();
        retry::retry_after(headers, SystemTime::now())
    }

    /// Returns whether the same attempt may succeed later. It may after
    ///
    /// - a failure of the network, a name that was not found, and a deadline that passed;
    /// - a response of the server or of a proxy with 408, 425, 429 or 5xx, without 501, 505, 506,
    ///   508 and 510; and with any other status, except for redirections, that has a `Retry-After`;
    /// - a SOCKS5 proxy's reply that the server was not reached;
    /// - a TLS alert of a server that has no certificate yet (`internal_error`,
    ///   `unrecognized_name`, `access_denied`), or that is not about a fault of the local side
    ///   (`bad_record_mac`, `user_canceled`);
    /// - the end of an open connection, except if the peer closed it with 1000, or with a code for
    ///   a fault of the local side (1002, 1003, 1007 to 1010).
    ///
    /// It may not after everything else: a certificate that is not trusted, rejected credentials, a
    /// broken rule, a limit of the local side in the handshake, a wrong call.
    ///
    /// In a page each failure to connect counts as one of the network, as a browser does not tell
    /// why it failed.
    pub fn is_retryable(&self) -> bool {
        is_worth_retrying(match (&self.0.response, self.0.failure) {
            (Some(response), _) => AttemptFailure::Answered {
                status: response.status(),
                has_retry_after: self.retry_after().is_some(),
            },
            (None, Some(failure)) => failure,
            (None, None) => AttemptFailure::Other(self.kind()),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) if !self.0.message_includes_source => write!(f, ": {source}")?,
            _ => {}
        }
        match &self.0.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.0.source.as_deref()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_one_pointer_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
    }
}
