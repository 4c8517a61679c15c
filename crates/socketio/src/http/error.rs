//! The errors that are sent to clients, with the codes of the official server.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

use crate::engine::{AdmissionError, Engine, PollingError, RejectReason};

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    UnknownTransport,
    UnknownSession,
    HandshakeMethod,
    BadRequest,
    /// The Origin is not allowed.
    Forbidden,
    UnsupportedVersion,
    ContentTooLarge,
    ContentTimeout,
    /// The engine has been shut down, or has too many sessions.
    Unavailable,
    /// The client's address has too many sessions.
    TooMany,
}

impl RequestError {
    fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::ContentTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn code_and_message(self) -> (u8, &'static str) {
        match self {
            Self::UnknownTransport => (0, "Transport unknown"),
            Self::UnknownSession => (1, "Session ID unknown"),
            Self::HandshakeMethod => (2, "Bad handshake method"),
            Self::UnsupportedVersion => (5, "Unsupported protocol version"),
            Self::Forbidden => (4, "Forbidden"),
            Self::Unavailable => (4, "Service unavailable"),
            Self::TooMany => (4, "Too many connections"),
            Self::ContentTooLarge => (3, "Payload too large"),
            Self::ContentTimeout => (3, "Payload timeout"),
            Self::BadRequest => (3, "Bad request"),
        }
    }

    /// Returns the reason that statistics know.
    fn reason(self) -> RejectReason {
        match self {
            Self::Forbidden => RejectReason::Origin,
            Self::UnknownSession => RejectReason::UnknownSession,
            Self::UnknownTransport => RejectReason::UnknownTransport,
            Self::UnsupportedVersion => RejectReason::UnsupportedVersion,
            Self::HandshakeMethod | Self::BadRequest => RejectReason::BadRequest,
            Self::ContentTooLarge => RejectReason::ContentTooLarge,
            Self::ContentTimeout => RejectReason::ContentTimeout,
            Self::Unavailable => RejectReason::Unavailable,
            Self::TooMany => RejectReason::TooManyOfAddress,
        }
    }

    /// Returns the response, and counts it.
    pub(super) fn reject(self, engine: &Engine) -> Response<Bytes> {
        engine.note_rejected(self.status().as_u16(), self.reason());
        self.response()
    }

    /// Returns the response.
    fn response(self) -> Response<Bytes> {
        let (code, message) = self.code_and_message();
        let content = match self {
            // As of the official server, which answers it before the request is handled.
            Self::ContentTooLarge => String::new(),
            _ => format!(r#"{{"code":{code},"message":"{message}"}}"#),
        };
        let mut response = Response::new(content.into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if self != Self::ContentTooLarge {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if matches!(self, Self::Unavailable | Self::TooMany) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<PollingError> for RequestError {
    fn from(error: PollingError) -> Self {
        match error {
            PollingError::Ended => Self::UnknownSession,
            PollingError::OtherTransport | PollingError::Overlap | PollingError::Malformed => {
                Self::BadRequest
            }
        }
    }
}

impl From<AdmissionError> for RequestError {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::PerAddress => Self::TooMany,
            AdmissionError::Total | AdmissionError::ShutDown => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_errors_have_the_official_codes() {
        let response = RequestError::UnknownSession.response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.body(), &br#"{"code":1,"message":"Session ID unknown"}"#[..]);
        assert_eq!(RequestError::Forbidden.response().status(), 403);
        let limited = RequestError::from(AdmissionError::PerAddress).response();
        assert_eq!(limited.status(), 429);
        assert!(limited.headers().contains_key(RETRY_AFTER));
        let too_large = RequestError::ContentTooLarge.response();
        assert!(too_large.status() == 413 && too_large.body().is_empty());
    }
}
