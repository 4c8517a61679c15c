//! Conversions of the protocol's errors to [`Error`], and of [`Error`] to `io::Error`.

use std::io;

use fullduplex_proto::handshake::{client, http1, server};
use fullduplex_proto::{CloseCause, Initiator, ProtocolError, SendError};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        let kind = if error.is_limit() { ErrorKind::Limit } else { ErrorKind::Protocol };
        let failure = AttemptFailure::Ended { code: None };
        let mut this = Self::new(kind, error.to_string()).with_failure(failure);
        this.0.close_code = Some(error.close_code());
        this.0.initiator = Some(Initiator::Library);
        this
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Full => ErrorKind::Limit,
            SendError::Closing => ErrorKind::Closed,
            _ => ErrorKind::Misuse,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<http1::HeadError> for Error {
    fn from(error: http1::HeadError) -> Self {
        use http1::HeadError as E;
        let kind = match error {
            E::TooLarge { .. } | E::TooManyFields { .. } => ErrorKind::Limit,
            _ => ErrorKind::Handshake,
        };
        let mut this = Self::new(kind, error.to_string());
        this.0.source = Some(Box::new(error));
        this.0.message_includes_source = true;
        this
    }
}

impl From<http1::HeadWriteError> for Error {
    fn from(error: http1::HeadWriteError) -> Self {
        Self::new(ErrorKind::Misuse, error.to_string())
    }
}

impl From<client::RequestError> for Error {
    fn from(error: client::RequestError) -> Self {
        Self::new(ErrorKind::Misuse, error.to_string())
    }
}

impl From<server::NotOffered> for Error {
    fn from(error: server::NotOffered) -> Self {
        Self::new(ErrorKind::Misuse, error.to_string())
    }
}

impl From<client::ResponseError> for Error {
    fn from(error: client::ResponseError) -> Self {
        Self::new(ErrorKind::Handshake, error.to_string())
    }
}

impl From<fullduplex_proto::deflate::DeflateError> for Error {
    fn from(error: fullduplex_proto::deflate::DeflateError) -> Self {
        Self::new(ErrorKind::Handshake, error.to_string())
    }
}

impl From<fullduplex_proto::close::InvalidClose> for Error {
    fn from(error: fullduplex_proto::close::InvalidClose) -> Self {
        Self::new(ErrorKind::Misuse, error.to_string())
    }
}

/// Converts for the adapters whose traits have `io::Error`. The error itself is inside, for
/// [`downcast`](io::Error::downcast), with its [`close_info`](Error::close_info).
///
/// The kind is that of the transport's error if that failed. Otherwise it is `UnexpectedEof` if the
/// transport ended without a Close, `ConnectionAborted` if the peer closed with a code other than
/// 1000, `BrokenPipe` if nothing can be sent any more, `TimedOut`, `InvalidData` if a rule was
/// broken or a limit exceeded, and `InvalidInput` for a wrong call.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(error.io_kind(), error)
    }
}

impl Error {
    fn io_kind(&self) -> io::ErrorKind {
        let source = self.0.source.as_deref().and_then(|source| source.downcast_ref::<io::Error>());
        let of_source = source.map(io::Error::kind);
        match (self.kind(), self.close_info().map(|info| info.cause)) {
            (ErrorKind::Closed, Some(_)) => io::ErrorKind::ConnectionAborted,
            (ErrorKind::Closed, None) => io::ErrorKind::BrokenPipe,
            (ErrorKind::Timeout, _) => io::ErrorKind::TimedOut,
            (ErrorKind::Protocol | ErrorKind::Limit, _) => io::ErrorKind::InvalidData,
            (ErrorKind::Misuse, _) => io::ErrorKind::InvalidInput,
            (_, Some(CloseCause::TransportEnd)) => io::ErrorKind::UnexpectedEof,
            (_, Some(_)) => of_source.unwrap_or(io::ErrorKind::ConnectionReset),
            (_, None) => of_source.unwrap_or(io::ErrorKind::Other),
        }
    }
}
