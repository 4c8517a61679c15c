use super::*;

fn peer(ip: &str) -> PeerAddr {
    PeerAddr::Inet(SocketAddr::new(ip.parse().unwrap(), 4000))
}

fn forwarding(header: ForwardedHeader) -> Forwarding {
    let trusted = "10.0.0.0/8, ::1, unix".parse().unwrap();
    Forwarding::default()
        .header(header)
        .trusted(trusted)
        .x_forwarded_proto(true)
        .x_forwarded_host(true)
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// The client in a line, and the protocol and host that are told.
fn told_by(by: ForwardedHeader, from: PeerAddr, fields: &[(&'static str, &str)]) -> String {
    match forwarding(by).client(from, &headers(fields)) {
        Ok(client) => {
            let proto = client.proto.map_or(String::new(), |proto| format!(" {proto:?}"));
            let host = client.host.as_ref().map_or(String::new(), |host| format!(" {host}"));
            format!("{client}{proto}{host}")
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn forwarded_header_is_believed_only_if_chosen_and_from_a_trusted_proxy() {
    use ForwardedHeader as H;
    let all = [
        ("forwarded", "for=192.0.2.1;proto=https;host=f.example"),
        ("x-forwarded-for", "192.0.2.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "x.example"),
    ];
    for (header, from, line) in [
        (H::Ignore, peer("10.0.0.1"), "10.0.0.1:4000 (the peer)"),
        (H::Forwarded, peer("11.0.0.1"), "11.0.0.1:4000 (the peer, not a trusted proxy)"),
        (H::XForwardedFor, peer("11.0.0.1"), "11.0.0.1:4000 (the peer, not a trusted proxy)"),
        (H::Forwarded, peer("10.0.0.1"), "192.0.2.1 (reported by a trusted proxy) Https f.example"),
        (
            H::Forwarded,
            peer("::ffff:10.0.0.1"),
            "192.0.2.1 (reported by a trusted proxy) Https f.example",
        ),
        (
            H::XForwardedFor,
            PeerAddr::Unix,
            "192.0.2.2 (reported by a trusted proxy) Http x.example",
        ),
    ] {
        assert_eq!(told_by(header, from, &all), line, "{header:?} from {from}");
    }
    for header in [H::Forwarded, H::XForwardedFor] {
        let line = told_by(header, PeerAddr::Unix, &[]);
        assert_eq!(line, "a Unix socket (a trusted proxy that reports no client)");
    }
    let client = forwarding(H::XForwardedFor).x_forwarded_proto(false).x_forwarded_host(false);
    let client = client.client(PeerAddr::Unix, &headers(&all)).unwrap();
    assert_eq!((client.proto, client.host), (None, None));
}

#[test]
fn forwarded_is_walked_from_the_right() {
    for (lines, expected) in [
        (&["for=6.6.6.6, for=192.0.2.1"][..], "192.0.2.1 (reported by a trusted proxy)"),
        (
            &["for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.9;proto=http"],
            "192.0.2.1 (reported by 2 trusted proxies) Https",
        ),
        (
            &["for=6.6.6.6", "for=\"192.0.2.1:5000\", for=10.0.0.9", "for=\"[::1]\""],
            "192.0.2.1:5000 (reported by 3 trusted proxies)",
        ),
        (&["for=10.0.0.7, for=10.0.0.8"], "10.0.0.7 (reported by 2 trusted proxies)"),
        (&["for=6.6.6.6, for=_hidden, for=10.0.0.8"], "_hidden (reported by 2 trusted proxies)"),
        (
            &["for=6.6.6.6, by=_me;host=a.example"],
            "unknown (reported by a trusted proxy) a.example",
        ),
        (&["for=\"::ffff:10.0.0.8\""], "10.0.0.8 (reported by a trusted proxy)"),
        // What a client sent in a line of its own does not matter, whatever it is.
        (&["for=\"open", "for=192.0.2.1"], "192.0.2.1 (reported by a trusted proxy)"),
        (
            &["for=\"open, for=192.0.2.1"],
            "forwarded is malformed: a quoted string has no end (RFC 7239 §4): for=\\\"open, \
             for=192.0.2.1",
        ),
        (
            &["for=someone"],
            "forwarded is malformed: not an IP address, \"unknown\" or a name with _ (RFC 7239 \
             §6): for=someone",
        ),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("forwarded", *line)).collect();
        assert_eq!(told_by(ForwardedHeader::Forwarded, peer("10.0.0.1"), &fields), expected);
    }
}

#[test]
fn x_forwarded_for_is_walked_from_the_right() {
    for (lines, expected) in [
        (&["6.6.6.6, 192.0.2.1"][..], "192.0.2.1 (reported by a trusted proxy)"),
        (&["6.6.6.6", "192.0.2.1,10.0.0.9"], "192.0.2.1 (reported by 2 trusted proxies)"),
        (&["nonsense, 192.0.2.1:5000"], "192.0.2.1:5000 (reported by a trusted proxy)"),
        (&["[2001:db8::1]:80"], "[2001:db8::1]:80 (reported by a trusted proxy)"),
        (&["2001:db8::1, ::1"], "2001:db8::1 (reported by 2 trusted proxies)"),
        (&["10.0.0.7"], "10.0.0.7 (reported by a trusted proxy)"),
        (&["192.0.2.1, unknown"], "unknown (reported by a trusted proxy)"),
        (&[", ,"], "10.0.0.1:4000 (a trusted proxy that reports no client)"),
        (
            &["192.0.2.1, a.example"],
            "x-forwarded-for is malformed: not an IP address, \"unknown\" or a name with _ (RFC \
             7239 §6): a.example",
        ),
    ] {
        let fields: Vec<_> = lines.iter().map(|line| ("x-forwarded-for", *line)).collect();
        let told = told_by(ForwardedHeader::XForwardedFor, peer("10.0.0.1"), &fields);
        assert_eq!(told, expected);
    }
}

#[test]
fn forwarded_proto_and_host_are_those_beside_the_client() {
    for (nodes, protos, expected) in [
        ("192.0.2.1", "https", Ok(Some(ForwardedProto::Https))),
        ("192.0.2.1, 10.0.0.9", "https, http", Ok(Some(ForwardedProto::Https))),
        // Set by the first proxy and let pass by the second.
        ("192.0.2.1, 10.0.0.9", "https", Ok(Some(ForwardedProto::Https))),
        // The client sends one along.
        ("192.0.2.1", "https, http", Ok(Some(ForwardedProto::Http))),
        ("192.0.2.1", "", Ok(None)),
        ("192.0.2.1", "gopher", Err("x-forwarded-proto is malformed")),
    ] {
        let fields = [("x-forwarded-for", nodes), ("x-forwarded-proto", protos)];
        let client =
            forwarding(ForwardedHeader::XForwardedFor).client(peer("10.0.0.1"), &headers(&fields));
        match (client, expected) {
            (Ok(client), Ok(expected)) => assert_eq!(client.proto, expected, "{protos}"),
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{error}"),
            (other, _) => panic!("{other:?} for {protos}"),
        }
    }
    let fields = [("x-forwarded-host", "a.example:8443")];
    let told = told_by(ForwardedHeader::XForwardedFor, PeerAddr::Unix, &fields);
    assert!(told.ends_with("reports no client) a.example:8443"), "{told}");
}

#[test]
fn forwarded_that_is_not_text_is_refused() {
    let mut headers = HeaderMap::new();
    let value = http::HeaderValue::from_bytes(b"for=\xff").unwrap();
    headers.insert(header::FORWARDED, value);
    let client = forwarding(ForwardedHeader::Forwarded).client(PeerAddr::Unix, &headers);
    let error = client.unwrap_err().to_string();
    assert_eq!(error, "forwarded is malformed: it is not UTF-8: for=\\xff");
}
