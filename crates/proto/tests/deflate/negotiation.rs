//! What real peers offer and answer, and what else the rules allow (§7.1).

use fullduplex_proto::DeflateConfig;
use fullduplex_proto::handshake::{Extension, parse_extensions};
use proptest::prelude::*;

fn parse(header: &str) -> Vec<Extension> {
    parse_extensions(std::iter::once(header.as_bytes())).unwrap()
}

fn answer(config: DeflateConfig, offers: &str) -> Option<String> {
    config.accept(&parse(offers)).map(|(response, deflate)| {
        // What we hold to is what we say.
        assert_eq!(parse(&response.to_string()).len(), 1);
        let shown = deflate.params().to_string();
        let windows_of_15 = ["; server_max_window_bits=15", "; client_max_window_bits=15"];
        let said = windows_of_15.iter().fold(response.to_string(), |s, w| s.replace(w, ""));
        assert_eq!(said, shown);
        response.to_string()
    })
}

const D: &str = "permessage-deflate";

#[test]
fn deflate_offers_of_real_clients_are_answered() {
    let (small, balanced, smallest) =
        (DeflateConfig::small_memory(), DeflateConfig::balanced(), DeflateConfig::smallest_bytes());
    let no_takeover = "; server_no_context_takeover; client_no_context_takeover";
    for (peer, offer, to_small, to_balanced, to_smallest) in [
        (
            "Chromium, node ws",
            "permessage-deflate; client_max_window_bits",
            no_takeover.to_string(),
            "; client_max_window_bits=12".to_string(),
            String::new(),
        ),
        (
            "Firefox, Safari, Jetty",
            "permessage-deflate",
            no_takeover.to_string(),
            String::new(),
            String::new(),
        ),
        (
            "Python websockets",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
            format!("{no_takeover}; server_max_window_bits=12; client_max_window_bits=12"),
            "; server_max_window_bits=12; client_max_window_bits=12".to_string(),
            "; server_max_window_bits=12; client_max_window_bits=12".to_string(),
        ),
        (
            "Boost.Beast",
            "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
            format!("{no_takeover}; server_max_window_bits=15"),
            "; server_max_window_bits=12; client_max_window_bits=12".to_string(),
            "; server_max_window_bits=15".to_string(),
        ),
        (
            "Boost.Beast with 9 bits",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
            format!("{no_takeover}; server_max_window_bits=9; client_max_window_bits=9"),
            "; server_max_window_bits=9; client_max_window_bits=9".to_string(),
            "; server_max_window_bits=9; client_max_window_bits=9".to_string(),
        ),
        (
            "uWebSockets' and Autobahn's hints",
            "permessage-deflate; client_no_context_takeover; client_max_window_bits",
            no_takeover.to_string(),
            "; client_no_context_takeover; client_max_window_bits=12".to_string(),
            "; client_no_context_takeover".to_string(),
        ),
        (
            "Safari before 2021, with its own extension",
            "x-webkit-deflate-frame, permessage-deflate",
            no_takeover.to_string(),
            String::new(),
            String::new(),
        ),
    ] {
        for (config, expected) in
            [(small, to_small), (balanced, to_balanced), (smallest, to_smallest)]
        {
            assert_eq!(answer(config, offer), Some(format!("{D}{expected}")), "{peer}: {offer}");
        }
    }
}

#[test]
fn deflate_takes_the_first_good_offer() {
    let config = DeflateConfig::smallest_bytes();
    for bad in [
        "unknown",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=8.0",
        "server_max_window_bits=a",
        "client_max_window_bits=16",
        "client_max_window_bits=0",
        "client_max_window_bits=99999999999999999999",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits; client_max_window_bits=9",
        "Server_no_context_takeover",
    ] {
        assert_eq!(answer(config, &format!("{D}; {bad}")), None, "{bad}");
        let with_fallback =
            format!("{D}; {bad}, foo; x=1, {D}; server_max_window_bits=\"10\", {D}");
        let expected = format!("{D}; server_max_window_bits=10");
        assert_eq!(answer(config, &with_fallback), Some(expected), "{bad}");
    }
    assert_eq!(answer(config, "permessage-bzip2, x-foo"), None);
}

/// Some clients fail on a parameter that they did not offer (nhooyr.io/websocket up to 1.8.7);
/// RFC 7692 §7.1.2.1 does not ask for it.
#[test]
fn deflate_window_of_the_server_is_named_only_where_offered() {
    for bits in 8..15 {
        let config = DeflateConfig::balanced().send_window_bits(bits);
        let (response, deflate) = config.accept(&parse(D)).unwrap();
        assert_eq!(response.to_string(), D);
        assert_eq!(deflate.params().server_max_window_bits, 15);
        let offered = answer(config, &format!("{D}; server_max_window_bits=15")).unwrap();
        assert_eq!(offered, format!("{D}; server_max_window_bits={bits}"));
    }
}

#[test]
fn deflate_serves_the_smallest_window() {
    let expected = format!("{D}; server_max_window_bits=8; client_max_window_bits=8");
    let offer = format!("{D}; server_max_window_bits=8; client_max_window_bits=8");
    assert_eq!(answer(DeflateConfig::balanced(), &offer), Some(expected));
}

fn offers(config: DeflateConfig) -> Vec<String> {
    config.offers().iter().map(ToString::to_string).collect()
}

#[test]
fn deflate_client_offers_what_it_wants_and_a_fallback() {
    assert_eq!(offers(DeflateConfig::smallest_bytes()), [format!("{D}; client_max_window_bits")]);
    assert_eq!(
        offers(DeflateConfig::balanced()),
        [
            format!("{D}; server_max_window_bits=12; client_max_window_bits=12"),
            format!("{D}; client_max_window_bits=12"),
        ]
    );
    assert_eq!(
        offers(DeflateConfig::small_memory()),
        [format!(
            "{D}; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
        )]
    );
}

#[test]
fn deflate_responses_of_servers_are_checked() {
    let config = DeflateConfig::smallest_bytes();
    let check = |answer: &str| config.check(&parse(&format!("foo, {answer}")));
    assert_eq!(config.check(&[]), Ok(None));
    assert_eq!(config.check(&parse("foo; bar")), Ok(None));
    for good in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
         server_max_window_bits=8; client_max_window_bits=9",
    ] {
        let deflate = check(good).unwrap().unwrap();
        assert_eq!(deflate.params().to_string(), good);
    }
    for (bad, says) in [
        ("permessage-deflate; foo", "foo"),
        ("permessage-deflate; client_max_window_bits", "without a value"),
        ("permessage-deflate; server_max_window_bits", "without a value"),
        ("permessage-deflate; server_max_window_bits=16", "server_max_window_bits=16"),
        ("permessage-deflate; client_max_window_bits=7", "client_max_window_bits=7"),
        ("permessage-deflate; server_no_context_takeover=1", "takeover=1"),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", "twice"),
        ("permessage-deflate, permessage-deflate", "several offers"),
    ] {
        let error = check(bad).unwrap_err().to_string();
        assert!(error.contains(says), "{bad}: {error}");
        assert!(error.contains("RFC 7692"), "{error}");
    }
}

#[test]
fn deflate_client_refuses_context_takeover_it_excluded() {
    let error = DeflateConfig::small_memory().check(&parse(D)).unwrap_err();
    assert!(error.to_string().contains("server_no_context_takeover"), "{error}");
}

fn configs() -> impl Strategy<Value = DeflateConfig> {
    (8..=15u8, any::<bool>(), 8..=15u8, any::<bool>()).prop_map(|(sb, st, rb, rt)| {
        DeflateConfig::balanced()
            .send_window_bits(sb)
            .send_context_takeover(st)
            .receive_window_bits(rb)
            .receive_context_takeover(rt)
    })
}

/// Headers of the words of the extension in any order, and of other text.
const HEADER: &str = concat!(
    "(permessage-deflate|; ?|, |=|server_max_window_bits|client_max_window_bits",
    "|server_no_context_takeover|[0-9]{1,2}|\"|[ -~]){0,24}",
);

proptest! {
    /// Whatever two ends of ours wish, they agree, and neither gets more than it allows.
    #[test]
    fn deflate_client_and_server_agree(client in configs(), server in configs()) {
        let (response, at_server) = server.accept(&client.offers()).unwrap();
        let at_client = client.check(&[response]).unwrap().unwrap();
        let params = at_client.params();
        prop_assert_eq!(params, at_server.params());
        prop_assert!(params.server_max_window_bits <= client.receive_window_bits);
        prop_assert!(params.client_max_window_bits <= server.receive_window_bits);
        prop_assert!(params.server_no_context_takeover || client.receive_context_takeover);
        prop_assert!(params.client_no_context_takeover || server.receive_context_takeover);
    }

    /// No header makes the negotiation panic, and what is accepted is well formed.
    #[test]
    fn deflate_negotiation_survives_any_header(header in HEADER) {
        if let Ok(extensions) = parse_extensions(std::iter::once(header.as_bytes())) {
            let config = DeflateConfig::balanced();
            if let Some((response, deflate)) = config.accept(&extensions) {
                let read = config.check(&[response]).unwrap().unwrap();
                prop_assert_eq!(read.params(), deflate.params());
            }
            let _ = config.check(&extensions);
        }
    }
}
