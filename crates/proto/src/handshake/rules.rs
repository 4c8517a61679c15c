//! The rules of the opening handshake, one by one, for a report that shows each.
//!
//! An endpoint uses [`server::HandshakeRequest`](super::server::HandshakeRequest) and
//! [`client::ClientHandshake`](super::client::ClientHandshake), which stop at the first rule that
//! is broken.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::extension::parse_extensions;
use super::grammar::{is_token, list, list_contains};
use super::headers::{AtMostOne, HeaderSource, at_most_one, names};
use super::key::SecKey;
use super::server::{HandshakeRequest, HttpCarrier, WEBSOCKET};

/// What one rule of the opening handshake says about a head.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuleVerdict {
    /// The rule in a few words, such as `Upgrade lists websocket`.
    pub rule: &'static str,
    /// Where it is, such as `RFC 6455 §4.1 item 5`.
    pub section: &'static str,
    /// Whether the head obeys it.
    pub is_obeyed: bool,
    /// What the head has, such as `Upgrade: websocket`.
    pub found: String,
}

/// Checks a request against each rule (RFC 6455 §4.1, RFC 8441 §4 and §5).
///
/// ```
/// use fullduplex_proto::handshake::rules::request_rules;
/// use fullduplex_proto::handshake::server::HttpCarrier;
///
/// let fields = [("Host", "example.com"), ("Upgrade", "websocket")];
/// let verdicts = request_rules("GET", HttpCarrier::Http1 { minor: 1 }, &fields);
/// let broken: Vec<_> = verdicts.iter().filter(|verdict| !verdict.is_obeyed).collect();
/// assert_eq!(broken[0].rule, "Connection lists Upgrade");
/// assert_eq!(broken[0].found, "no Connection");
/// ```
pub fn request_rules<'h>(
    method: &'h str,
    carrier: HttpCarrier<'h>,
    headers: impl HeaderSource<'h>,
) -> Vec<RuleVerdict> {
    let field = |name| shown(headers, name);
    let mut verdicts = match carrier {
        HttpCarrier::Http1 { minor } => upgrade_rules(method, minor, headers),
        HttpCarrier::Stream { protocol } => Vec::from([
            verdict("the method is CONNECT", "RFC 8441 §4", method == "CONNECT", method.into()),
            verdict(
                ":protocol is websocket",
                "RFC 8441 §5",
                protocol.is_some_and(|name| name.eq_ignore_ascii_case(WEBSOCKET)),
                protocol.map_or_else(|| "no :protocol".into(), |name| format!(":protocol {name}")),
            ),
        ]),
    };
    let version = at_most_one(headers, names::VERSION) == AtMostOne::One(b"13");
    verdicts.push(verdict(
        "Sec-WebSocket-Version is 13",
        "RFC 6455 §4.1 item 9",
        version,
        field("Sec-WebSocket-Version"),
    ));
    if headers.values(names::SUBPROTOCOL).next().is_some() {
        let mut offered = list(headers.values(names::SUBPROTOCOL)).peekable();
        let are_tokens = offered.peek().is_some() && offered.all(is_token);
        verdicts.push(verdict(
            "subprotocols are tokens",
            "RFC 6455 §4.1 item 10",
            are_tokens,
            field("Sec-WebSocket-Protocol"),
        ));
    }
    if headers.values(names::EXTENSIONS).next().is_some() {
        verdicts.push(verdict(
            "extensions follow the grammar",
            "RFC 6455 §9.1",
            parse_extensions(headers.values(names::EXTENSIONS)).is_ok(),
            field("Sec-WebSocket-Extensions"),
        ));
    }
    verdicts
}

/// Checks the rules that only a request to upgrade HTTP/1.1 has to obey.
fn upgrade_rules<'h>(
    method: &'h str,
    minor: u8,
    headers: impl HeaderSource<'h>,
) -> Vec<RuleVerdict> {
    let field = |name| shown(headers, name);
    let carrier = HttpCarrier::Http1 { minor };
    let has_host = HandshakeRequest::new(method, carrier, None, headers).host().is_ok()
        && headers.values(names::HOST).next().is_some();
    let has_key = match at_most_one(headers, names::KEY) {
        AtMostOne::One(value) => SecKey::parse(value).is_ok(),
        AtMostOne::Missing | AtMostOne::Repeated => false,
    };
    Vec::from([
        verdict("the method is GET", "RFC 6455 §4.1 item 2", method == "GET", method.into()),
        verdict("HTTP/1.1 or later", "RFC 6455 §4.1 item 2", minor >= 1, format!("HTTP/1.{minor}")),
        verdict("one valid Host", "RFC 6455 §4.1 item 4", has_host, field("Host")),
        verdict(
            "Upgrade lists websocket",
            "RFC 6455 §4.1 item 5",
            list_contains(headers.values(names::UPGRADE), WEBSOCKET),
            field("Upgrade"),
        ),
        verdict(
            "Connection lists Upgrade",
            "RFC 6455 §4.1 item 6",
            list_contains(headers.values(names::CONNECTION), "upgrade"),
            field("Connection"),
        ),
        verdict(
            "Sec-WebSocket-Key is 16 bytes in base64",
            "RFC 6455 §4.1 item 7",
            has_key,
            field("Sec-WebSocket-Key"),
        ),
    ])
}

/// Checks a response against each rule (RFC 6455 §4.1, "client MUST validate"; RFC 8441 §5).
///
/// `request` are the fields of the request. Without them, as for a response that was pasted without
/// it, what must match the request is not checked. `is_stream` is whether HTTP/2 or HTTP/3 carries
/// them.
///
/// ```
/// use fullduplex_proto::handshake::rules::response_rules;
///
/// let fields = [("Upgrade", "websocket"), ("Connection", "close")];
/// let verdicts = response_rules(None::<&[(&str, &str)]>, false, 101, &fields);
/// let broken: Vec<_> = verdicts.iter().filter(|verdict| !verdict.is_obeyed).collect();
/// assert_eq!(broken[0].rule, "Connection lists Upgrade");
/// assert_eq!(broken[0].section, "RFC 6455 §4.1 response item 3");
/// ```
pub fn response_rules<'r, 'h>(
    request: Option<impl HeaderSource<'r>>,
    is_stream: bool,
    status: u16,
    headers: impl HeaderSource<'h>,
) -> Vec<RuleVerdict> {
    let mut verdicts = Vec::new();
    if is_stream {
        // RFC 9110 §9.3.6.
        let is_open = (200..300).contains(&status);
        verdicts.push(verdict("the status is 2xx", "RFC 8441 §5", is_open, status.to_string()));
        if !is_open {
            return verdicts;
        }
    } else {
        let rule = "the status is 101";
        let section = "RFC 6455 §4.1 response item 1";
        verdicts.push(verdict(rule, section, status == 101, status.to_string()));
        if status != 101 {
            // The other rules are about a response that accepts.
            return verdicts;
        }
        switching_rules(request, headers, &mut verdicts);
    }
    chosen_rules(request, headers, &mut verdicts);
    verdicts
}

/// Checks the rules of a 101.
fn switching_rules<'r, 'h>(
    request: Option<impl HeaderSource<'r>>,
    headers: impl HeaderSource<'h>,
    verdicts: &mut Vec<RuleVerdict>,
) {
    verdicts.push(verdict(
        "Upgrade is websocket",
        "RFC 6455 §4.1 response item 2",
        is_upgrade_to_websocket(headers),
        shown(headers, "Upgrade"),
    ));
    verdicts.push(verdict(
        "Connection lists Upgrade",
        "RFC 6455 §4.1 response item 3",
        lists_upgrade(headers),
        shown(headers, "Connection"),
    ));
    let key = request.map(|request| match at_most_one(request, names::KEY) {
        AtMostOne::One(key) => SecKey::parse(key).ok(),
        AtMostOne::Missing | AtMostOne::Repeated => None,
    });
    let is_accepted = match (at_most_one(headers, names::ACCEPT), key) {
        (AtMostOne::One(value), Some(Some(key))) => key.accept().matches(value),
        (AtMostOne::One(_), None) => true,
        _ => false,
    };
    let mut found = shown(headers, "Sec-WebSocket-Accept");
    if let (false, Some(Some(key))) = (is_accepted, key) {
        found = format!("{found}; {} is due", key.accept().as_str());
    }
    let rule = if request.is_some() {
        "Sec-WebSocket-Accept matches the key"
    } else {
        "one Sec-WebSocket-Accept"
    };
    verdicts.push(verdict(rule, "RFC 6455 §4.1 response item 4", is_accepted, found));
}

/// Checks the rules about the extensions and the subprotocol that the server chose.
fn chosen_rules<'r, 'h>(
    request: Option<impl HeaderSource<'r>>,
    headers: impl HeaderSource<'h>,
    verdicts: &mut Vec<RuleVerdict>,
) {
    let chosen = parse_extensions(headers.values(names::EXTENSIONS));
    let offered = request.map(|request| parse_extensions(request.values(names::EXTENSIONS)));
    let are_offered = match (&chosen, &offered) {
        (Ok(chosen), Some(Ok(offered))) => {
            chosen.iter().all(|one| offered.iter().any(|other| other.name() == one.name()))
        }
        (Ok(chosen), Some(Err(_))) => chosen.is_empty(),
        (Ok(_), None) => true,
        (Err(_), _) => false,
    };
    verdicts.push(verdict(
        "extensions are among those offered",
        "RFC 6455 §4.1 response item 5",
        are_offered,
        shown(headers, "Sec-WebSocket-Extensions"),
    ));
    let is_offered = match at_most_one(headers, names::SUBPROTOCOL) {
        AtMostOne::Missing => true,
        AtMostOne::Repeated => false,
        AtMostOne::One(chosen) => {
            let is_among = request.is_none_or(|request| {
                list(request.values(names::SUBPROTOCOL)).any(|offered| offered == chosen)
            });
            is_token(chosen) && is_among
        }
    };
    verdicts.push(verdict(
        "the subprotocol is one of those offered",
        "RFC 6455 §4.1 response item 6",
        is_offered,
        shown(headers, "Sec-WebSocket-Protocol"),
    ));
}

/// Returns whether the value of `Upgrade` is `websocket`, not a list that contains it.
pub(super) fn is_upgrade_to_websocket<'h>(headers: impl HeaderSource<'h>) -> bool {
    let mut upgrade = list(headers.values(names::UPGRADE)).peekable();
    upgrade.peek().is_some() && upgrade.all(|name| name.eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Returns whether `Connection` lists `Upgrade`.
pub(super) fn lists_upgrade<'h>(headers: impl HeaderSource<'h>) -> bool {
    list_contains(headers.values(names::CONNECTION), "upgrade")
}

const fn verdict(
    rule: &'static str,
    section: &'static str,
    is_obeyed: bool,
    found: String,
) -> RuleVerdict {
    RuleVerdict { rule, section, is_obeyed, found }
}

/// Returns all fields of a name as text.
fn shown<'h>(headers: impl HeaderSource<'h>, name: &str) -> String {
    let values: Vec<_> = headers.values(name).map(String::from_utf8_lossy).collect();
    match values.as_slice() {
        [] => format!("no {name}"),
        values => format!("{name}: {}", values.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    type Fields = Vec<(&'static str, &'static str)>;

    fn request() -> Fields {
        Vec::from([
            ("Host", "example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "keep-alive, Upgrade"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ])
    }

    fn response() -> Fields {
        Vec::from([
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", ACCEPT),
            ("Sec-WebSocket-Protocol", "chat"),
        ])
    }

    /// The fields with another value for one name, or without it if the value is empty.
    fn with(mut fields: Fields, name: &'static str, value: &'static str) -> Fields {
        fields.retain(|(field, _)| *field != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
        fields
    }

    fn broken(verdicts: &[RuleVerdict]) -> Vec<&'static str> {
        verdicts.iter().filter(|verdict| !verdict.is_obeyed).map(|verdict| verdict.rule).collect()
    }

    #[test]
    fn rules_of_a_valid_handshake_are_obeyed() {
        let http1 = HttpCarrier::Http1 { minor: 1 };
        let verdicts = request_rules("GET", http1, request().as_slice());
        assert_eq!((broken(&verdicts), verdicts.len()), (Vec::new(), 9));
        let (request, response) = (request(), response());
        let verdicts = response_rules(Some(request.as_slice()), false, 101, response.as_slice());
        assert_eq!((broken(&verdicts), verdicts.len()), (Vec::new(), 6));
        let stream = HttpCarrier::Stream { protocol: Some("websocket") };
        let fields = [("Sec-WebSocket-Version", "13")];
        assert_eq!(broken(&request_rules("CONNECT", stream, &fields)), [""; 0]);
        let none: [(&str, &str); 0] = [];
        assert_eq!(broken(&response_rules(Some(&fields), true, 200, &none)), [""; 0]);
    }

    #[test]
    fn rules_that_a_request_breaks_are_each_named() {
        for (name, value, rule) in [
            ("Host", "", "one valid Host"),
            ("Host", "a b", "one valid Host"),
            ("Upgrade", "h2c", "Upgrade lists websocket"),
            ("Connection", "close", "Connection lists Upgrade"),
            ("Sec-WebSocket-Key", "short", "Sec-WebSocket-Key is 16 bytes in base64"),
            ("Sec-WebSocket-Version", "8", "Sec-WebSocket-Version is 13"),
            ("Sec-WebSocket-Protocol", "a b", "subprotocols are tokens"),
            ("Sec-WebSocket-Extensions", "a;=", "extensions follow the grammar"),
        ] {
            let fields = with(request(), name, value);
            let http1 = HttpCarrier::Http1 { minor: 1 };
            assert_eq!(broken(&request_rules("GET", http1, fields.as_slice())), [rule]);
        }
        let old = request_rules("POST", HttpCarrier::Http1 { minor: 0 }, request().as_slice());
        assert_eq!(broken(&old), ["the method is GET", "HTTP/1.1 or later"]);
        let stream = HttpCarrier::Stream { protocol: None };
        let fields = [("Sec-WebSocket-Version", "13")];
        assert_eq!(broken(&request_rules("CONNECT", stream, &fields)), [":protocol is websocket"]);
    }

    #[test]
    fn rules_that_a_response_breaks_are_each_named() {
        let request = request();
        for (name, value, rule) in [
            ("Upgrade", "websocket, h2c", "Upgrade is websocket"),
            ("Connection", "", "Connection lists Upgrade"),
            ("Sec-WebSocket-Accept", KEY, "Sec-WebSocket-Accept matches the key"),
            ("Sec-WebSocket-Extensions", "x", "extensions are among those offered"),
            ("Sec-WebSocket-Protocol", "other", "the subprotocol is one of those offered"),
        ] {
            let fields = with(response(), name, value);
            let verdicts = response_rules(Some(request.as_slice()), false, 101, fields.as_slice());
            assert_eq!(broken(&verdicts), [rule]);
        }
        let verdicts = response_rules(Some(request.as_slice()), false, 200, response().as_slice());
        assert_eq!(broken(&verdicts), ["the status is 101"]);
    }

    #[test]
    fn rules_of_a_response_alone_need_no_key() {
        let none = None::<&[(&str, &str)]>;
        let verdicts = response_rules(none, false, 101, response().as_slice());
        assert_eq!(broken(&verdicts), [""; 0]);
        let fields = with(response(), "Sec-WebSocket-Accept", "");
        let verdicts = response_rules(none, false, 101, fields.as_slice());
        assert_eq!(broken(&verdicts), ["one Sec-WebSocket-Accept"]);
    }

    #[test]
    fn rules_name_the_accept_value_that_is_due() {
        let (request, fields) = (request(), with(response(), "Sec-WebSocket-Accept", KEY));
        let verdicts = response_rules(Some(request.as_slice()), false, 101, fields.as_slice());
        let found = &verdicts[3].found;
        assert!(found.contains(KEY) && found.ends_with(&format!("{ACCEPT} is due")), "{found}");
    }
}
