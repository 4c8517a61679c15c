//! The rules of the WHATWG's WebSocket that are checked before its object is used, so that they are
//! the same in every browser.

use fullduplex_proto::{CloseCause, CloseCode, CloseFrame, CloseInfo, Initiator};

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};

/// Returns the URL to connect to for an absolute URL in the form of the URL standard: with the
/// scheme ws or wss, also for http or https.
///
/// # Errors
/// What is wrong: another scheme, or a fragment, be it empty.
pub(crate) fn websocket_url(href: &str) -> Result<String, &'static str> {
    let (scheme, rest) = href.split_once(':').unwrap_or(("", href));
    let scheme = match scheme {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        _ => return Err("the scheme must be ws or wss (RFC 6455 §3), or http or https"),
    };
    // In this form, a # is nowhere else.
    if rest.contains('#') {
        return Err("a WebSocket URI has no fragment; write # as %23 (RFC 6455 §3)");
    }
    Ok(format!("{scheme}:{rest}"))
}

/// Returns the arguments of `close()` for a code and a reason of the application, or `None` for a
/// Close without a code, which is what 1005 means.
pub(crate) fn close_frame(code: CloseCode, reason: &str) -> Result<Option<CloseFrame>, Error> {
    if code == CloseCode::NO_STATUS && reason.is_empty() {
        return Ok(None);
    }
    // Checks the length of the reason, too.
    let frame = CloseFrame::new(code, reason).map_err(Error::of)?;
    if !matches!(code.get(), 1000 | 3000..=4999) {
        let message = format!(
            "in a browser the close code may be 1000, 3000 to 4999, or 1005 for none, not {code} \
             (WHATWG WebSockets)"
        );
        return Err(Error::new(ErrorKind::Misuse, message));
    }
    Ok(Some(frame))
}

/// What a browser says of the end of a connection: its `CloseEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseEvent {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) was_clean: bool,
}

impl CloseEvent {
    /// Returns how the connection ended. `begun` is what was known before: that this end had
    /// started to close it.
    pub(crate) fn close_info(self, begun: Option<CloseInfo>) -> CloseInfo {
        let Self { code, reason, was_clean } = self;
        let code = CloseCode::new(code);
        // With 1006, a browser says that no Close arrived, or that it must not say anything. Deno
        // has 0 then.
        let close_received = was_clean || !matches!(code.get(), 0 | 1006);
        let mut info = begun.unwrap_or_else(|| {
            let cause =
                if close_received { CloseCause::Handshake } else { CloseCause::Undisclosed };
            CloseInfo::new(Initiator::Peer, cause)
        });
        if !close_received && info.cause == CloseCause::Handshake {
            info.cause = CloseCause::Undisclosed;
        }
        info.close_received = close_received;
        info.close_sent = was_clean;
        if close_received && code != CloseCode::NO_STATUS {
            info.received = Some(CloseFrame { code, reason });
        }
        info
    }
}

/// Checks the subprotocol that the server has selected, as not every program outside of a browser
/// does: one that was offered, and not none if some were.
pub(crate) fn check_subprotocol(offered: &[String], selected: &str) -> Result<(), Error> {
    let is_valid = match offered {
        [] => selected.is_empty(),
        offered => offered.iter().any(|name| name == selected),
    };
    if is_valid {
        return Ok(());
    }
    let message = "the server has selected none of the subprotocols that were offered";
    Err(Error::new(ErrorKind::Handshake, message))
}

/// Returns the error for a connection that ended before it was open.
///
/// A page does not learn why, so that it can't explore a network: whether the host is unknown or
/// does not answer, its certificate is not trusted, or its response rejects the WebSocket. Programs
/// outside of a browser may give a reason.
pub(crate) fn not_opened(event: &CloseEvent) -> Error {
    let mut message = "the WebSocket could not be opened".to_owned();
    if event.reason.is_empty() {
        message.push_str("; a browser does not say why, its console does");
    } else {
        message.push_str(": ");
        message.push_str(&event.reason);
    }
    // It may be anything, so another attempt may succeed.
    let failure = AttemptFailure::Ended { code: None };
    Error::new(ErrorKind::Handshake, message).with_failure(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_schemes_of_pages_are_those_of_websockets() {
        for (href, url) in [
            ("ws://h/", "ws://h/"),
            ("wss://h:1/a?b", "wss://h:1/a?b"),
            ("http://h/x?y=http://z", "ws://h/x?y=http://z"),
            ("https://u:p@h:8443/", "wss://u:p@h:8443/"),
        ] {
            assert_eq!(websocket_url(href).as_deref(), Ok(url));
        }
    }

    #[test]
    fn url_faults_are_named() {
        for (href, fault) in [
            ("ftp://h/", "ws or wss"),
            ("about:blank", "ws or wss"),
            ("blob:http://h/x", "ws or wss"),
            ("", "ws or wss"),
            ("ws://h/#", "fragment"),
            ("https://h/a#b", "fragment"),
        ] {
            assert!(websocket_url(href).unwrap_err().contains(fault), "{href}");
        }
    }

    #[test]
    fn close_codes_are_those_of_the_standard() {
        let arguments = |code, reason| close_frame(CloseCode::new(code), reason);
        assert_eq!(arguments(1005, "").unwrap(), None);
        for code in [1000, 3000, 4000, 4999] {
            assert_eq!(arguments(code, "why").unwrap().unwrap().code, code);
        }
        let refused = (1001..=1015).chain([0, 999, 1016, 2999, 5000, u16::MAX]);
        for code in refused.filter(|code| *code != 1005) {
            let error = arguments(code, "").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{code}");
        }
        assert!(arguments(1001, "").unwrap_err().to_string().contains("3000 to 4999"));
        // Without a code there is no reason.
        assert!(arguments(1005, "x").is_err());
    }

    #[test]
    fn close_reasons_have_at_most_123_bytes() {
        let fits = "é".repeat(61) + "x";
        assert_eq!(fits.len(), 123);
        assert!(close_frame(CloseCode::NORMAL, &fits).is_ok());
        assert!(close_frame(CloseCode::NORMAL, &"é".repeat(62)).is_err());
    }

    #[test]
    fn close_event_says_how_the_connection_ended() {
        let event = |code, reason: &str, was_clean| CloseEvent {
            code,
            reason: reason.to_owned(),
            was_clean,
        };
        // The peer closed.
        let info = event(4001, "bye", true).close_info(None);
        assert_eq!((info.code(), info.reason()), (CloseCode::new(4001), "bye"));
        assert_eq!((info.initiator, info.cause), (Initiator::Peer, CloseCause::Handshake));
        assert!(info.is_clean());
        // It had no code.
        let info = event(1005, "", true).close_info(None);
        assert_eq!((info.code(), info.received.clone()), (CloseCode::NO_STATUS, None));
        assert!(info.is_clean() && info.is_normal());
        // This end closed, and the peer answered.
        let mut begun = CloseInfo::new(Initiator::Local, CloseCause::Handshake);
        begun.sent = CloseFrame::new(CloseCode::NORMAL, "").ok();
        let info = event(1000, "", true).close_info(Some(begun.clone()));
        assert_eq!((info.initiator, info.sent.clone()), (Initiator::Local, begun.sent.clone()));
        assert!(info.is_clean());
        // The peer's Close arrived, and the transport ended before the answer was sent.
        let info = event(1001, "", false).close_info(None);
        assert_eq!((info.code(), info.is_clean()), (CloseCode::GOING_AWAY, false));
    }

    #[test]
    fn subprotocol_is_one_that_was_offered() {
        let offered = ["chat".to_owned(), "v2".to_owned()];
        for (offered, selected, is_valid) in [
            (&offered[..], "v2", true),
            (&offered, "V2", false),
            (&offered, "", false),
            (&[], "", true),
            (&[], "v2", false),
        ] {
            let checked = check_subprotocol(offered, selected);
            assert_eq!(checked.is_ok(), is_valid, "{selected:?} of {offered:?}");
        }
    }

    #[test]
    fn close_event_with_1006_has_no_cause() {
        let event = |code| CloseEvent { code, reason: String::new(), was_clean: false };
        let mut begun = CloseInfo::new(Initiator::Local, CloseCause::Handshake);
        for (code, before) in [(1006, None), (1006, Some(begun.clone())), (0, None)] {
            let info = event(code).close_info(before);
            assert_eq!((info.code(), info.cause), (CloseCode::ABNORMAL, CloseCause::Undisclosed));
            assert!(!info.close_received && !info.is_clean());
        }
        // What this end knows stays.
        begun.cause = CloseCause::MaxBuffered;
        assert_eq!(event(1006).close_info(Some(begun)).cause, CloseCause::MaxBuffered);
    }
}
