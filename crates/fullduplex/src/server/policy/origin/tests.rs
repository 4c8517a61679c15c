use super::*;

fn check(policy: &OriginPolicy, origin: &str, host: &str) -> Result<(), OriginError> {
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, origin.parse().unwrap());
    policy.check(&headers, Some(host))
}

fn allows(policy: &OriginPolicy, origin: &str, host: &str) -> bool {
    check(policy, origin, host).is_ok()
}

#[test]
fn origin_of_the_same_host_only_by_default() {
    for (origin, host, expected) in [
        ("http://a.example", "a.example", true),
        ("https://A.example", "a.example:443", true),
        ("http://127.0.0.1:9001", "127.0.0.1:9001", true),
        ("http://[::1]:9001", "[::1]:9001", true),
        ("http://a.example:81", "a.example", false),
        ("http://evil-a.example", "a.example", false),
        ("http://a.example.evil.example", "a.example", false),
        ("http://b.example", "a.example", false),
        ("null", "a.example", false),
        ("null", "null", false),
        ("file://", "a.example", false),
        ("", "a.example", false),
    ] {
        let policy = OriginPolicy::default();
        assert_eq!(allows(&policy, origin, host), expected, "{origin} for {host}");
    }
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, "http://a.example".parse().unwrap());
    let error = OriginPolicy::SameHost.check(&headers, None).unwrap_err();
    assert!(error.to_string().contains("has no host to compare it with"), "{error}");
}

#[test]
fn origin_list_matches_whole_origins() {
    let list = ["https://a.example", "HTTPS://C.example:443/", "Capacitor://localhost/"];
    let policy = OriginPolicy::list(list).unwrap();
    for (origin, expected) in [
        ("https://a.example", true),
        ("https://A.example:443", true),
        ("https://c.example", true),
        ("capacitor://localhost", true),
        ("http://a.example", false),
        ("https://a.example:444", false),
        ("https://a.example.evil", false),
        ("https://b.example", false),
        ("capacitor://evil", false),
        ("null", false),
    ] {
        assert_eq!(allows(&policy, origin, "b.example"), expected, "{origin}");
    }
}

#[test]
fn origin_list_may_allow_the_same_host_too() {
    let policy = OriginPolicy::list_or_same_host(["https://a.example"]).unwrap();
    for (origin, host, expected) in [
        ("https://a.example", "b.example:9001", true),
        ("http://b.example:9001", "b.example:9001", true),
        ("http://localhost:8080", "localhost:8080", true),
        ("http://b.example", "b.example:9001", false),
        ("http://a.example", "b.example:9001", false),
        ("null", "null", false),
    ] {
        assert_eq!(allows(&policy, origin, host), expected, "{origin} for {host}");
    }
    let refused = check(&policy, "http://x", "b.example").unwrap_err().to_string();
    assert!(
        refused.ends_with("neither the host of the request nor in the list: https://a.example")
    );
}

#[test]
fn origin_that_no_page_can_send_is_refused_in_a_list() {
    for (entry, words) in [
        ("example.com", "an origin needs a scheme: https://example.com"),
        ("localhost:8080", "an origin needs a scheme: https://localhost:8080"),
        ("", "an origin needs a scheme"),
        ("null", "any page can send this"),
        ("*", "OriginPolicy::DangerousAny"),
        ("*.a.example", "OriginPolicy::suffixes([\"a.example\"])"),
        ("https://a.example/chat", "has only a scheme, host and port: https://a.example"),
        ("https://a.example//", "has only a scheme, host and port: https://a.example"),
        ("https://a.example?", "has only a scheme, host and port: https://a.example"),
        ("https://u:p@a.example", "has only a scheme, host and port: https://a.example"),
        ("https://*.a.example", "OriginPolicy::suffixes([\"a.example\"])"),
        ("https://", "https://example.com"),
        ("https://a.example:99999", "invalid port"),
        ("https://a b", "https://example.com"),
        ("wss://a.example", "not ws or wss: https://a.example"),
        ("ws://a.example/", "not ws or wss: http://a.example"),
        ("a b://c", "RFC 6454 §6.2"),
        ("x://a b", "RFC 6454 §6.2"),
    ] {
        let error = OriginPolicy::list(["https://fine.example", entry]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{entry}");
        let said = error.to_string();
        assert!(said.contains(words) && said.contains(&format!("{entry:?}")), "{said}");
    }
    for (entry, shown) in [
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:80", "http://[::1]"),
        ("file://", "file://"),
        ("chrome-extension://abc/", "chrome-extension://abc"),
    ] {
        assert_eq!(entry.parse::<Origin>().unwrap().to_string(), shown);
    }
}

#[test]
fn origin_suffix_is_a_host_and_its_subdomains() {
    let policy =
        OriginPolicy::suffixes(["Example.com", "http://b.example:8080", "127.0.0.1"]).unwrap();
    for (origin, expected) in [
        ("https://example.com", true),
        ("https://example.com:443", true),
        ("https://a.b.EXAMPLE.com", true),
        ("https://evil-example.com", false),
        ("https://example.com.evil", false),
        ("https://com", false),
        ("http://example.com", false),
        ("https://a.example.com:444", false),
        ("http://b.example:8080", true),
        ("http://a.b.example:8080", true),
        ("http://a.b.example", false),
        ("https://a.b.example:8080", false),
        ("https://127.0.0.1", true),
        ("https://1.127.0.0.1", false),
        ("wss://example.com", false),
        ("null", false),
        ("https://", false),
    ] {
        assert_eq!(allows(&policy, origin, "example.com"), expected, "{origin}");
    }
    for bad in
        ["", "*.example.com", ".example.com", "ftp://a", "a.example/path", "u@a.example", "a b"]
    {
        let error = OriginPolicy::suffixes([bad]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{bad}: {error}");
    }
}

#[test]
fn origin_may_be_absent_and_not_repeated() {
    let mut headers = HeaderMap::new();
    assert!(OriginPolicy::SameHost.check(&headers, None).is_ok());
    headers.append(ORIGIN, "http://a".parse().unwrap());
    headers.append(ORIGIN, "http://a".parse().unwrap());
    assert!(OriginPolicy::DangerousAny.check(&headers, None).is_err());
    let mut headers = HeaderMap::new();
    headers.insert(ORIGIN, http::HeaderValue::from_bytes(b"http://\xff").unwrap());
    assert!(OriginPolicy::DangerousAny.check(&headers, None).is_err());
    assert!(allows(&OriginPolicy::DangerousAny, "null", "a.example"));
}

#[test]
fn origin_rejection_names_the_origin_and_the_rule() {
    let suffixes = OriginPolicy::suffixes(["a.example"]).unwrap();
    let list = OriginPolicy::list(["https://a.example"]).unwrap();
    for (policy, origin, line) in [
        (
            &OriginPolicy::SameHost,
            "https://evil.example",
            "Origin https://evil.example is not allowed: it is not the host of the \
             request, a.example",
        ),
        (&list, "x", "Origin x is not allowed: it is not in the list: https://a.example"),
        (
            &suffixes,
            "https://b.example",
            "Origin https://b.example is not allowed: it is not in the list, with \
             subdomains: https://a.example",
        ),
        (&list, "null", "Origin null is not allowed: pages with an opaque origin may not connect"),
    ] {
        assert_eq!(check(policy, origin, "a.example").unwrap_err().to_string(), line);
    }
    let long = format!("http://{}\t\"", "a".repeat(9000));
    let refused = check(&list, &long, "a.example").unwrap_err();
    assert!(refused.origin().len() < 300 && refused.to_string().len() < 500);
}
