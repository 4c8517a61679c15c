//! The URL of a server, also in its short forms.

use std::net::{IpAddr, Ipv6Addr};

/// Parses a URL, or a short form: `:9001/echo`, `localhost:9001/echo`, `example.com/chat`. The
/// client checks what follows the scheme. `@NAME` stays: it is a profile's. No error shows the URL,
/// which may have a password.
pub(crate) fn parse(url: &str) -> Result<String, String> {
    let has_scheme = scheme(url).is_some();
    match url {
        "" => Err("a URL such as ws://127.0.0.1:9001/echo".into()),
        "@" => Err("the name of a profile is missing".into()),
        _ if url.starts_with('@') => Ok(url.to_owned()),
        _ if has_scheme => Ok(url.to_owned()),
        _ => with_scheme(url),
    }
}

/// Returns whether a word of the command line is a URL in one of the forms that [`parse`] takes,
/// or `@NAME`, and not the name of a command.
pub(crate) fn looks_like_url(word: &str) -> bool {
    word == "localhost" || word.starts_with('@') || word.contains([':', '/', '.'])
}

/// Returns whether the URL is one with TLS.
pub(crate) fn has_tls(url: &str) -> bool {
    scheme(url).is_some_and(|scheme| {
        ["wss", "https", "wss+unix"].iter().any(|secure| scheme.eq_ignore_ascii_case(secure))
    })
}

/// Returns the path and query of a URL, `/` if it has none.
pub(crate) fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

/// Returns the scheme, if there is one. The `localhost` of `localhost:9001` is not one.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once(':')?;
    let is_of_socket =
        scheme.eq_ignore_ascii_case("ws+unix") || scheme.eq_ignore_ascii_case("wss+unix");
    (rest.starts_with("//") || is_of_socket).then_some(scheme)
}

fn with_scheme(url: &str) -> Result<String, String> {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, rest) = url.split_at(end);
    let (user, host_and_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (format!("{user}@"), host),
        None => (String::new(), authority),
    };
    let (host, port) = match host_and_port.rsplit_once(':') {
        _ if host_and_port.ends_with(']') => (host_and_port, None),
        // An IPv6 address without brackets, which has no port.
        Some((before, _)) if before.contains(':') && !before.ends_with(']') => {
            (host_and_port, None)
        }
        Some((host, port)) => (host, Some(port)),
        None => (host_and_port, None),
    };
    if host.is_empty() && port.is_none() {
        return Err("it has no host".into());
    }
    if port.is_some_and(|port| port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("it begins neither with ws:// or wss:// nor with HOST:PORT".into());
    }
    let scheme = if is_near(host) { "ws" } else { "wss" };
    let host = match host {
        "" => "localhost".into(),
        host if host.parse::<Ipv6Addr>().is_ok() => format!("[{host}]"),
        host => host.to_owned(),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Ok(format!("{scheme}://{user}{host}{port}{rest}"))
}

/// Returns whether a host without a scheme is asked without TLS: this machine, an IP address, or a
/// name without a dot. Other names are asked with TLS, so that nothing is sent readably by mistake.
fn is_near(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let bare = bare.split('%').next().unwrap_or(bare);
    bare.parse::<IpAddr>().is_ok() || !host.contains('.') || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_may_be_short() {
        for (text, expected) in [
            ("ws://a/b", "ws://a/b"),
            ("HTTPS://a/b", "HTTPS://a/b"),
            ("ws+unix:/s:/echo", "ws+unix:/s:/echo"),
            ("wss+unix:/s:/echo", "wss+unix:/s:/echo"),
            (":9001", "ws://localhost:9001"),
            (":9001/echo?a=b", "ws://localhost:9001/echo?a=b"),
            ("localhost", "ws://localhost"),
            ("localhost:9001/echo", "ws://localhost:9001/echo"),
            ("app.localhost:1", "ws://app.localhost:1"),
            ("127.0.0.1:9001", "ws://127.0.0.1:9001"),
            ("192.0.2.1/x:y@z", "ws://192.0.2.1/x:y@z"),
            ("[::1]:9001/", "ws://[::1]:9001/"),
            ("[::1]", "ws://[::1]"),
            ("::1/echo", "ws://[::1]/echo"),
            ("[fe80::1%25eth0]:1/", "ws://[fe80::1%25eth0]:1/"),
            ("build-host:80/x", "ws://build-host:80/x"),
            ("example.com", "wss://example.com"),
            ("example.com:8443/chat", "wss://example.com:8443/chat"),
            ("u:p@example.com/chat", "wss://u:p@example.com/chat"),
            ("u:p@localhost:1", "ws://u:p@localhost:1"),
            ("@feed", "@feed"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected));
        }
        for text in ["", "/echo", "?x", "localhost:", "localhost:x/", "user:secret@:", "@"] {
            match parse(text) {
                Err(why) => assert!(!why.contains("secret"), "{why}"),
                Ok(url) => panic!("{text}: {url}"),
            }
        }
    }

    #[test]
    fn url_has_a_path_without_its_fragment() {
        for (url, path) in [("ws://a:1/x?y#z", "/x?y"), ("ws://a?y", "?y"), ("ws://a#z", "/")] {
            assert_eq!(path_of(url), path, "{url}");
        }
    }

    #[test]
    fn url_with_tls_is_told_from_others() {
        for url in ["wss://a/", "HTTPS://a/", "wss+unix:/s"] {
            assert!(has_tls(url), "{url}");
        }
        for url in ["ws://a/", "http://wss:", "ws+unix:/s"] {
            assert!(!has_tls(url), "{url}");
        }
    }
}
