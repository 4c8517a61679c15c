//! Descriptions of other libraries' errors, whose texts name their types, crates and web pages. The
//! errors themselves remain the [`source`](std::error::Error::source).

use std::error::Error as StdError;
use std::io;

/// Describes an error that is, or contains, one of another library; `None` if its own text is
/// clear, such as that of the operating system.
pub(crate) fn describe(error: &(dyn StdError + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return describe_io(error);
    }
    #[cfg(feature = "_tls")]
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(crate::base::tls_text::describe(error));
    }
    #[cfg(feature = "http2")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return Some(describe_h2(error));
    }
    #[cfg(feature = "http3")]
    if let Some(error) = error.downcast_ref::<fullduplex_http3::quinn::ConnectionError>() {
        return Some(fullduplex_http3::Error::from(error.clone()).to_string());
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        return Some(describe_hyper(error));
    }
    None
}

fn describe_io(error: &io::Error) -> Option<String> {
    if let Some(inner) = error.get_ref() {
        #[cfg(feature = "http3")]
        if inner.is::<fullduplex_http3::Error>() {
            return None;
        }
        if let Some(words) = describe(inner) {
            return Some(words);
        }
    }
    // Either TLS without close_notify (RFC 8446 §6.1), or a read of an exact length.
    (error.kind() == io::ErrorKind::UnexpectedEof).then(|| "the peer ended the transport".into())
}

#[cfg(feature = "http2")]
fn describe_h2(error: &h2::Error) -> String {
    if let Some(error) = error.get_io() {
        // h2 reports this to the streams of a connection that has ended.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return "the peer ended the transport".into();
        }
        return describe_io(error).unwrap_or_else(|| error.to_string());
    }
    // The code's name in RFC 9113 §7.
    let Some(code) = error.reason().map(|reason| format!("{reason:?} (RFC 9113 §7)")) else {
        return "the stream is closed for sending".into();
    };
    let what = if error.is_go_away() { "connection" } else { "stream" };
    if error.is_remote() {
        format!("the peer ended the HTTP/2 {what} with {code}")
    } else if error.is_library() {
        format!("the peer broke a rule of HTTP/2, which ended the {what} with {code}")
    } else {
        format!("this end ended the HTTP/2 {what} with {code}")
    }
}

#[cfg(feature = "hyper")]
fn describe_hyper(error: &hyper::Error) -> String {
    if let Some(source) = error.source() {
        return describe(source).unwrap_or_else(|| source.to_string());
    }
    let words = if error.is_incomplete_message() {
        "the peer ended the transport inside a message"
    } else if error.is_parse() {
        // Names the part of the head that is invalid.
        return error.to_string();
    } else if error.is_timeout() {
        "the deadline for the head passed"
    } else if error.is_canceled() || error.is_closed() {
        "the HTTP connection has ended"
    } else if error.is_user() {
        "hyper has no upgrade for it; is its connection served with_upgrades()?"
    } else {
        "the HTTP connection failed"
    };
    words.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::{Error, ErrorKind};

    fn shown(source: impl StdError + Send + Sync + 'static) -> String {
        let error = Error::new(ErrorKind::Io, "reading").with_source(source);
        assert!(error.source().is_some(), "{error}");
        error.to_string()
    }

    #[test]
    fn error_text_of_foreign_errors_is_ours() {
        let close_notify =
            "peer closed connection without sending TLS close_notify: https://docs.rs";
        let end = io::Error::new(io::ErrorKind::UnexpectedEof, close_notify);
        assert_eq!(shown(end), "reading: the peer ended the transport");
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = Error::io("reading", reset);
        assert_eq!(error.to_string(), "reading: connection reset");
    }

    #[cfg(feature = "_tls")]
    #[test]
    fn error_text_of_tls_names_no_type() {
        use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerMisbehaved};
        for (error, words) in [
            (rustls::Error::DecryptError, "can't be decrypted"),
            (rustls::Error::PeerMisbehaved(PeerMisbehaved::TooManyEmptyFragments), "a rule of TLS"),
            (rustls::Error::InvalidMessage(InvalidMessage::MissingData("X")), "malformed"),
            (rustls::Error::InvalidCertificate(CertificateError::BadSignature), "signature"),
            (rustls::Error::AlertReceived(AlertDescription::DecodeError), "alert decode_error"),
        ] {
            let text = shown(io::Error::new(io::ErrorKind::InvalidData, error));
            assert!(text.contains(words), "{text}");
            let is_type = |word: &str| word.chars().skip(1).any(char::is_uppercase);
            assert!(!text.split(' ').any(|word| word != "TLS" && is_type(word)), "{text}");
        }
    }

    #[cfg(feature = "http2")]
    #[test]
    fn error_text_of_http2_names_the_code() {
        let error = h2::Error::from(h2::Reason::ENHANCE_YOUR_CALM);
        let text = shown(io::Error::new(io::ErrorKind::ConnectionReset, error));
        assert!(text.contains("HTTP/2 stream with ENHANCE_YOUR_CALM"), "{text}");
    }

    #[cfg(feature = "http3")]
    #[test]
    fn error_text_of_quic_is_a_sentence() {
        use fullduplex_http3::quinn::ConnectionError;
        for (error, words) in [
            (ConnectionError::TimedOut, "RFC 9000 §10.1"),
            (ConnectionError::Reset, "RFC 9000 §10.3"),
            (ConnectionError::VersionMismatch, "version of QUIC"),
        ] {
            let text = shown(io::Error::other(error));
            assert!(text.contains(words), "{text}");
        }
    }
}
