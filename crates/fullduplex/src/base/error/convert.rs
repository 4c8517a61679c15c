//! Conversions of other errors to [`Error`], and of [`Error`] to `io::Error`.

use std::error::Error as _;
use std::io;
use std::str::Utf8Error;

use fullduplex_proto::close::InvalidClose;
use fullduplex_proto::deflate::DeflateError;
use fullduplex_proto::handshake::{client, http1, server};
use fullduplex_proto::{
    CloseCause, ConfigError, FromUtf8Error, Initiator, ProtocolError, SendError,
};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};

/// The errors of the protocol core, which only this library converts: as `From` they would be part
/// of its public interface.
pub(crate) trait IntoError {
    fn into_error(self) -> Error;
}

impl Error {
    /// Converts an error of the protocol core.
    pub(crate) fn of(error: impl IntoError) -> Self {
        error.into_error()
    }
}

impl IntoError for ProtocolError {
    fn into_error(self) -> Error {
        let kind = if self.is_limit() { ErrorKind::Limit } else { ErrorKind::Protocol };
        let failure = AttemptFailure::Ended { code: None };
        let mut this = Error::new(kind, self.to_string()).with_failure(failure);
        this.0.close_code = Some(self.close_code());
        this.0.initiator = Some(Initiator::Library);
        this
    }
}

impl IntoError for ConfigError {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Misuse, self.to_string())
    }
}

impl IntoError for SendError {
    fn into_error(self) -> Error {
        let kind = match self {
            SendError::Full => ErrorKind::Limit,
            SendError::Closing => ErrorKind::Closed,
            _ => ErrorKind::Misuse,
        };
        Error::new(kind, self.to_string())
    }
}

impl IntoError for http1::HeadError {
    fn into_error(self) -> Error {
        use http1::HeadError as E;
        let kind = match self {
            E::TooLarge { .. } | E::TooManyFields { .. } => ErrorKind::Limit,
            _ => ErrorKind::Handshake,
        };
        let mut this = Error::new(kind, self.to_string());
        this.0.source = Some(Box::new(self));
        this.0.message_includes_source = true;
        this
    }
}

impl IntoError for http1::HeadWriteError {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Misuse, self.to_string())
    }
}

impl IntoError for client::RequestError {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Misuse, self.to_string())
    }
}

impl IntoError for server::NotOffered {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Misuse, self.to_string())
    }
}

impl IntoError for client::ResponseError {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Handshake, self.to_string())
    }
}

impl IntoError for DeflateError {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Handshake, self.to_string())
    }
}

impl IntoError for InvalidClose {
    fn into_error(self) -> Error {
        Error::new(ErrorKind::Misuse, self.to_string())
    }
}

/// Converts an error of the system, or of a library that has that type. An [`Error`] inside of it
/// is returned as it was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(|error: io::Error| {
            let mut this = Self::new(ErrorKind::Io, error.to_string());
            this.0.source = Some(Box::new(error));
            this.0.message_includes_source = true;
            this
        })
    }
}

/// Converts the error of [`Message::into_text`](crate::Message::into_text).
impl From<FromUtf8Error> for Error {
    fn from(error: FromUtf8Error) -> Self {
        error.utf8_error().into()
    }
}

/// Converts the error of [`Message::to_text`](crate::Message::to_text).
impl From<Utf8Error> for Error {
    fn from(error: Utf8Error) -> Self {
        let message = format!("a message is not UTF-8 from byte {} on", error.valid_up_to());
        let mut this = Self::new(ErrorKind::InvalidData, message);
        this.0.source = Some(Box::new(error));
        this.0.message_includes_source = true;
        this
    }
}

/// Converts the error of [`Message::parse_json`](crate::Message::parse_json) and
/// [`Message::json`](crate::Message::json).
#[cfg(feature = "json")]
impl From<fullduplex_proto::JsonError> for Error {
    fn from(error: fullduplex_proto::JsonError) -> Self {
        let mut this = Self::new(ErrorKind::InvalidData, error.to_string());
        this.0.source = Some(Box::new(error));
        this.0.message_includes_source = true;
        this
    }
}

/// Converts for the adapters whose traits have `io::Error`. The error itself is inside, for
/// [`downcast`](io::Error::downcast), with its [`close_info`](Error::close_info). The kind is that
/// of [`io_kind`](Error::io_kind).
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.io_kind(), error)
    }
}

impl Error {
    /// Returns the kind that this error has as an [`io::Error`].
    ///
    /// It is that of the operating system's or transport's error if that is the cause, such as
    /// `ConnectionRefused`. Otherwise it is `UnexpectedEof` if the transport ended without a Close,
    /// `ConnectionAborted` if the peer closed with a code other than 1000, `BrokenPipe` if nothing
    /// can be sent any more, `TimedOut`, `InvalidData` if a rule was broken or a limit exceeded,
    /// and `InvalidInput` for a wrong call.
    pub fn io_kind(&self) -> io::ErrorKind {
        let of_cause = self.io_cause().map(io::Error::kind);
        match (self.kind(), self.close_info().map(|info| info.cause)) {
            (ErrorKind::Closed, Some(_)) => io::ErrorKind::ConnectionAborted,
            (ErrorKind::Closed, None) => io::ErrorKind::BrokenPipe,
            (ErrorKind::Timeout, _) => io::ErrorKind::TimedOut,
            (ErrorKind::Protocol | ErrorKind::Limit | ErrorKind::InvalidData, _) => {
                io::ErrorKind::InvalidData
            }
            (ErrorKind::Misuse, _) => io::ErrorKind::InvalidInput,
            (_, Some(CloseCause::TransportEnd)) => io::ErrorKind::UnexpectedEof,
            (_, Some(_)) => of_cause.unwrap_or(io::ErrorKind::ConnectionReset),
            (_, None) => of_cause.unwrap_or(io::ErrorKind::Other),
        }
    }

    /// Returns the first `io::Error` among the causes. One of another library may be below its own.
    fn io_cause(&self) -> Option<&io::Error> {
        let mut cause = self.source();
        while let Some(error) = cause {
            match error.downcast_ref::<io::Error>() {
                Some(error) if error.kind() != io::ErrorKind::Other => return Some(error),
                _ => cause = error.source(),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_keeps_the_kind_of_an_io_error() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        for kind in [ErrorKind::Io, ErrorKind::Tls, ErrorKind::Proxy, ErrorKind::Handshake] {
            let direct = Error::new(kind, "doing this").with_source(reset());
            assert_eq!(direct.io_kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(io::Error::from(direct).kind(), io::ErrorKind::ConnectionReset);
            let below =
                Error::new(kind, "doing this").with_source(io::Error::other(Error::from(reset())));
            assert_eq!(below.io_kind(), io::ErrorKind::ConnectionReset);
        }
    }

    #[test]
    fn error_that_went_through_an_io_error_is_itself() {
        let error = Error::new(ErrorKind::Limit, "it is too long");
        let back = Error::from(io::Error::from(error));
        assert_eq!((back.kind(), back.to_string()), (ErrorKind::Limit, "it is too long".into()));
    }

    #[test]
    fn error_of_the_system_is_named_once() {
        let error = Error::from(io::Error::from(io::ErrorKind::AddrInUse));
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Io, "address in use".into()));
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::AddrInUse));
    }
}
