//! Texts of errors, close codes and ended connections as a log has them: the section of the RFC or
//! the setting, and the name, number or line at fault.
#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

use fullduplex_proto::close::InvalidClose;
use fullduplex_proto::handshake::client::RequestError;
use fullduplex_proto::handshake::http1::{HeadError, HeadWriteError};
use fullduplex_proto::handshake::server::{
    HandshakeError, HttpCarrier, NotOffered, RejectResponse,
};
use fullduplex_proto::handshake::{ExtensionError, ExtensionFault, InvalidKey, NotToken};
use fullduplex_proto::{
    CloseCause, CloseCode, CloseFrame, CloseInfo, Initiator, ProtocolError, SendError,
};

fn says(error: &dyn core::error::Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in {text:?}");
    }
}

#[test]
fn errors_of_the_peer_name_the_rule_or_the_setting() {
    use ProtocolError as E;
    for (error, words) in [
        (E::ReservedBits(0b101), &["101", "RFC 6455 §5.2"][..]),
        (E::MisplacedRsv1, &["RSV1", "RFC 7692 §6.1"]),
        (E::InvalidDeflate, &["DEFLATE", "RFC 7692 §7.2.2"]),
        (E::ReservedOpcode(11), &["0xb", "RFC 6455 §5.2"]),
        (E::FragmentedControl, &["control frame", "RFC 6455 §5.5"]),
        (E::ControlTooLong, &["125", "RFC 6455 §5.5"]),
        (E::Unmasked, &["client", "RFC 6455 §5.1"]),
        (E::Masked, &["server", "RFC 6455 §5.1"]),
        (E::LengthNotMinimal, &["length", "RFC 6455 §5.2"]),
        (E::LengthTopBit, &["64-bit", "RFC 6455 §5.2"]),
        (E::UnexpectedContinuation, &["continu", "RFC 6455 §5.4"]),
        (E::ExpectedContinuation, &["fragmented", "RFC 6455 §5.4"]),
        (E::InvalidUtf8, &["UTF-8", "RFC 6455 §8.1"]),
        (E::ClosePayloadTooShort, &["Close", "RFC 6455 §5.5.1"]),
        (E::CloseCode(CloseCode::NO_STATUS), &["1005", "RFC 6455 §7.4"]),
        (E::CloseReason, &["UTF-8", "RFC 6455 §5.5.1"]),
        (E::MessageTooBig { limit: 77 }, &["max_message_size", "77"]),
        (E::TooManyFragments { limit: 77 }, &["max_fragments", "77"]),
        (E::TooManyControlFrames { limit: 77 }, &["max_control_rate", "77"]),
        (E::TooManyMessages { limit: 77 }, &["max_message_rate", "77"]),
        (E::TooManyBytes { limit: 77 }, &["max_byte_rate", "77"]),
    ] {
        says(&error, words);
        // A limit is a setting of this end, and everything else a rule.
        assert_eq!(error.is_limit(), error.to_string().contains("max_"), "{error}");
    }
}

#[test]
fn errors_of_sending_name_the_rule_or_the_setting() {
    says(&SendError::Full, &["high_water"]);
    says(&SendError::Closing, &["RFC 6455 §5.5.1"]);
    says(&SendError::MessageUnderWay, &["RFC 6455 §5.4"]);
    says(&SendError::ControlTooLong, &["125", "RFC 6455 §5.5"]);
    says(&InvalidClose::Code(CloseCode::ABNORMAL), &["1006", "RFC 6455 §7.4"]);
    says(&InvalidClose::ReasonTooLong(124), &["124", "123", "RFC 6455 §5.5"]);
}

#[test]
fn errors_of_the_handshake_name_the_rule_and_the_name_at_fault() {
    says(&RequestError::Host("a b".into()), &["a b", "RFC 9110 §7.2"]);
    says(&RequestError::SubprotocolInvalid("a b".into()), &["a b", "RFC 6455 §4.1"]);
    says(&RequestError::SubprotocolRepeated("chat".into()), &["chat", "RFC 6455 §4.1"]);
    says(&NotOffered::Subprotocol("mqtt".into()), &["subprotocol", "mqtt", "RFC 6455 §4.2.2"]);
    says(&NotOffered::Extension("mux".into()), &["extension", "mux", "RFC 6455 §4.2.2"]);
    says(&NotToken("a b".into()), &["a b", "RFC 9110 §5.6.2"]);
    says(&InvalidKey, &["Sec-WebSocket-Key", "RFC 6455 §4.2.1"]);
    for fault in [
        ExtensionFault::Empty,
        ExtensionFault::ExpectedToken,
        ExtensionFault::UnexpectedByte,
        ExtensionFault::UnclosedQuote,
        ExtensionFault::QuotedValueNotToken,
        ExtensionFault::TooManyExtensions,
        ExtensionFault::TooManyParams,
    ] {
        let error = ExtensionError { fault, field: 3, offset: 77 };
        says(&error, &["Sec-WebSocket-Extensions", "field 3", "byte 77", "RFC 6455 §9.1"]);
    }
}

#[test]
fn errors_of_heads_name_the_rule_the_line_or_the_setting() {
    for (error, words) in [
        (HeadError::TooLarge { max_head_bytes: 77 }, &["max_head_bytes", "77"][..]),
        (HeadError::TooManyFields { max_fields: 77 }, &["max_fields", "77"]),
        (HeadError::LooksLikeTls, &["TLS"]),
        (HeadError::LooksLikeHttp2, &["HTTP/2"]),
        (HeadError::NotHttp, &["HTTP/1"]),
        (HeadError::StartLine, &["RFC 9112 §3"]),
        (HeadError::Version, &["RFC 9112 §2.3"]),
        (HeadError::Target, &["RFC 9112 §3.2"]),
        (HeadError::FieldName { line: 77 }, &["77", "RFC 9112 §5"]),
        (HeadError::FieldValue { line: 77 }, &["77", "RFC 9110 §5.5"]),
        (HeadError::SpaceBeforeColon { line: 77 }, &["77", "RFC 9112 §5.1"]),
        (HeadError::Folded { line: 77 }, &["77", "RFC 9112 §5.2"]),
        (HeadError::Incomplete, &["head"]),
    ] {
        says(&error, words);
        assert_eq!(HandshakeError::from(error).to_string(), error.to_string());
    }
    says(&HeadWriteError::Method, &["RFC 9112 §3.1"]);
    says(&HeadWriteError::Target, &["RFC 9112 §3.2"]);
    says(&HeadWriteError::Status, &["RFC 9112 §4"]);
    says(&HeadWriteError::ReasonPhrase, &["RFC 9112 §4"]);
    says(&HeadWriteError::FieldName("a b".into()), &["a b", "RFC 9110 §5.1"]);
    says(&HeadWriteError::FieldValue("Cookie".into()), &["Cookie", "RFC 9110 §5.5"]);
}

/// A rejection is what the developer of a client reads first.
#[test]
fn errors_of_refused_requests_name_the_rule() {
    for (reason, words) in [
        (HandshakeError::NotWebSocket, &["WebSocket", "RFC 6455 §4.2.1"][..]),
        (HandshakeError::UnknownProtocol, &[":protocol", "RFC 8441 §5"]),
        (HandshakeError::HttpVersion, &["HTTP/1.0", "RFC 6455 §4.2.1"]),
        (HandshakeError::Method, &["GET", "CONNECT", "RFC 8441 §4"]),
        (HandshakeError::BodyAnnounced, &["Content-Length", "RFC 9112 §6.3"]),
        (HandshakeError::HostMissing, &["Host", "RFC 9112 §3.2"]),
        (HandshakeError::HostRepeated, &["Host", "RFC 9112 §3.2"]),
        (HandshakeError::HostInvalid, &["Host", "RFC 9112 §3.2"]),
        (HandshakeError::HostConflict, &[":authority", "RFC 9113 §8.3.1"]),
        (HandshakeError::HostRejected, &["Host", "RFC 6455 §4.2.1"]),
        (HandshakeError::UpgradeMissing, &["Upgrade", "item 3"]),
        (HandshakeError::ConnectionMissing, &["Connection", "item 4"]),
        (HandshakeError::VersionMissing, &["Sec-WebSocket-Version", "item 6"]),
        (HandshakeError::VersionUnsupported, &["Sec-WebSocket-Version", "13", "item 6"]),
        (HandshakeError::KeyMissing, &["Sec-WebSocket-Key", "item 5"]),
        (HandshakeError::KeyRepeated, &["Sec-WebSocket-Key", "RFC 6455 §11.3.1"]),
        (HandshakeError::KeyInvalid, &["Sec-WebSocket-Key", "item 5"]),
        (HandshakeError::OriginInvalid, &["Origin", "RFC 6454 §7.1"]),
        (HandshakeError::OriginRejected, &["Origin", "RFC 6455 §10.2"]),
        (HandshakeError::SubprotocolInvalid, &["Sec-WebSocket-Protocol", "RFC 6455 §4.1"]),
        (HandshakeError::SubprotocolRepeated, &["Sec-WebSocket-Protocol", "RFC 6455 §4.1"]),
        (HandshakeError::SubprotocolsTooMany, &["Sec-WebSocket-Protocol", "64"]),
        (HandshakeError::TimedOut, &["time", "RFC 9110 §15.5.9"]),
    ] {
        says(&reason, words);
        let rejection = RejectResponse::new(reason.clone(), HttpCarrier::Http1 { minor: 1 });
        assert_eq!(rejection.to_string(), reason.to_string());
    }
}

#[test]
fn close_codes_are_shown_by_number_and_registered_name() {
    // RFC 6455 §7.4.1, and the IANA registry of close codes for 1012 to 1014.
    for (code, name) in [
        (1000, "normal"),
        (1001, "going away"),
        (1002, "protocol error"),
        (1003, "unsupported data"),
        (1005, "no status"),
        (1006, "abnormal"),
        (1007, "invalid payload"),
        (1008, "policy violation"),
        (1009, "too big"),
        (1010, "mandatory extension"),
        (1011, "internal error"),
        (1012, "service restart"),
        (1013, "try again later"),
        (1014, "bad gateway"),
        (1015, "TLS handshake"),
        // §7.4.2.
        (3000, "registered"),
        (3999, "registered"),
        (4000, "private"),
        (4999, "private"),
        (1004, "undefined"),
        (2999, "undefined"),
        (5000, "undefined"),
    ] {
        let shown = CloseCode::from(code).to_string();
        assert!(shown.starts_with(&code.to_string()) && shown.contains(name), "{shown}");
        assert_eq!(format!("{:?}", CloseCode::new(code)), shown);
        assert_eq!(u16::from(CloseCode::new(code)), code);
    }
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "deploy").unwrap();
    assert_eq!(frame.to_string(), format!("{}: \"deploy\"", CloseCode::GOING_AWAY));
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "").unwrap();
    assert_eq!(frame.to_string(), CloseCode::GOING_AWAY.to_string());
}

/// The info of a connection on which this end sent 4001 and the peer 4002.
fn info(initiator: Initiator, cause: CloseCause) -> CloseInfo {
    let frame = |code, reason| CloseFrame::new(CloseCode::new(code), reason).ok();
    let mut info = CloseInfo::new(initiator, cause);
    (info.sent, info.close_sent) = (frame(4001, "ours"), true);
    (info.received, info.close_received) = (frame(4002, "theirs"), true);
    info
}

#[test]
fn close_info_is_shown_by_who_closed_and_why() {
    let by = |initiator| info(initiator, CloseCause::Handshake).to_string();
    for (shown, words) in [
        // The first code is that of the end that closed first.
        (
            by(Initiator::Local),
            &["this end with 4001", "\"ours\", answered with 4002", "theirs"][..],
        ),
        (by(Initiator::Peer), &["the peer with 4002", "\"theirs\", answered with 4001", "ours"]),
        (by(Initiator::Library), &["the library with 4001", "answered with 4002"]),
    ] {
        assert!(words.iter().all(|word| shown.contains(word)), "{words:?}: {shown}");
    }
    let mut bare = info(Initiator::Local, CloseCause::Handshake);
    bare.sent = None;
    assert!(bare.to_string().contains("without a code, answered with 4002"), "{bare}");
    // An answer with the same code says nothing new.
    bare.received = CloseFrame::new(CloseCode::NORMAL, "").ok();
    assert!(bare.to_string().ends_with("without a code"), "{bare}");
    bare.sent = CloseFrame::new(CloseCode::NORMAL, "reason").ok();
    assert!(bare.to_string().ends_with("\"reason\""), "{bare}");
    let error = ProtocolError::TooManyMessages { limit: 77 };
    let ends = [
        (CloseCause::Protocol(error), &["1008", "max_message_rate", "77"][..]),
        (CloseCause::KeepaliveTimeout, &["keepalive_timeout"]),
        (CloseCause::IdleTimeout, &["idle_timeout"]),
        (CloseCause::CloseTimeout, &["close_timeout"]),
        (CloseCause::TransportEnd, &["Close"]),
        (CloseCause::TransportError, &["transport"]),
        (CloseCause::Dropped, &["handshake"]),
    ];
    for (cause, words) in ends {
        let shown = info(Initiator::Library, cause).to_string();
        assert!(words.iter().all(|word| shown.contains(word)), "{words:?}: {shown}");
    }
}

/// What the WebSocket API tells a page (§7.1.4 to §7.1.6), and what a program may rely on.
#[test]
fn close_info_has_the_peers_code_and_says_whether_all_was_sent() {
    let normal = CloseFrame::new(CloseCode::NORMAL, "done").ok();
    let away = CloseFrame::new(CloseCode::GOING_AWAY, "deploy").ok();
    let end = |received: &Option<CloseFrame>, close_received, cause| {
        let mut info = info(Initiator::Peer, cause);
        (info.received, info.close_received) = (received.clone(), close_received);
        info
    };
    let error = CloseCause::Protocol(ProtocolError::InvalidUtf8);
    for (info, code, reason, is_normal) in [
        (end(&normal, true, CloseCause::Handshake), 1000, "done", true),
        (end(&None, true, CloseCause::Handshake), 1005, "", true),
        (end(&away, true, CloseCause::Handshake), 1001, "deploy", false),
        (end(&None, false, CloseCause::TransportEnd), 1006, "", false),
        (end(&normal, true, CloseCause::IdleTimeout), 1000, "done", false),
        (end(&normal, true, error), 1000, "done", false),
    ] {
        assert_eq!((info.code().get(), info.reason()), (code, reason), "{info:?}");
        assert_eq!(CloseCode::from(&info), info.code());
        assert_eq!(info.is_normal(), is_normal, "{info:?}");
    }
    // §7.1.4: clean once both Close frames have been on the wire.
    for (close_sent, close_received) in [(false, false), (false, true), (true, false), (true, true)]
    {
        let mut info = info(Initiator::Peer, error);
        (info.close_sent, info.close_received) = (close_sent, close_received);
        assert_eq!(info.is_clean(), close_sent && close_received);
    }
}
