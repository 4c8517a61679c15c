//! Requests to a proxy (RFC 9112 §3.2.2), and those that the target expects in their place.

use super::head::{Change, Head};
use super::proxy::{HostPort, split_url};

/// The fields that are for the proxy.
const OF_PROXY: [&str; 2] = ["proxy-connection", "proxy-authorization"];

/// Returns whether a request has a URL of this host and port, or none.
pub(super) fn is_of(head: &Head, authority: &str) -> bool {
    let start_line = head.start_line();
    let target = start_line.split(' ').nth(1).unwrap_or_default();
    split_url(target).is_none_or(|(_, own, _)| {
        let own = HostPort::parse(own, Some(80));
        own.is_some() && own == HostPort::parse(authority, Some(80))
    })
}

/// Takes the URL and the fields for the proxy out of a request (RFC 9112 §3.2.1), and returns what
/// was changed.
///
/// The connection is that of one target, and the client may use it for others. So the target is
/// asked to end it, unless a WebSocket is to be opened.
pub(super) fn to_origin_form(head: &mut Head, authority: &str) -> Vec<Change> {
    let start_line = head.start_line();
    let mut words = start_line.splitn(3, ' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (Some((_, _, path)), Some(version)) = (split_url(target), words.next()) else {
        return Vec::new();
    };
    let path = match (path, method) {
        // RFC 9112 §3.2.4.
        ("", "OPTIONS") => "*".to_owned(),
        (path, _) if path.starts_with('/') => path.to_owned(),
        (path, _) => format!("/{path}"),
    };
    let mut changes = vec![head.replace_start_line(&format!("{method} {path} {version}"))];
    // The URL decides (RFC 9112 §3.2.2).
    changes.extend(head.replace("host", authority));
    for name in OF_PROXY {
        changes.extend(head.remove(name));
    }
    if head.values("upgrade").next().is_none() {
        if head.values("connection").next().is_some() {
            changes.extend(head.replace("connection", "close"));
        } else {
            head.append("Connection", "close");
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> (String, usize) {
        let mut head = Head::parse(text.into()).unwrap();
        let changes = to_origin_form(&mut head, "a.example");
        (String::from_utf8_lossy(head.bytes()).into_owned(), changes.len())
    }

    #[test]
    fn requests_to_a_proxy_become_those_to_their_target() {
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let text = "GET ws://A.example:80/x?y HTTP/1.1\r\nhOST: b\r\nProxy-Connection: x\r\n";
        let (sent, changes) = changed(&format!("{text}{upgrade}"));
        assert_eq!(sent, format!("GET /x?y HTTP/1.1\r\nhOST: a.example\r\n{upgrade}"));
        assert_eq!(changes, 3);
        let (sent, _) = changed("GET http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n");
        assert_eq!(sent, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        let (sent, _) = changed("OPTIONS http://a.example HTTP/1.1\r\nConnection: x\r\n\r\n");
        assert_eq!(sent, "OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn requests_to_a_proxy_are_of_one_target() {
        for (target, is_same) in [
            ("http://A.example/", true),
            ("ws://a.example:80", true),
            ("/", true),
            ("http://a.example:81/", false),
            ("http://b.example/", false),
            ("http://a.example:x/", false),
        ] {
            let head = Head::parse(format!("GET {target} HTTP/1.1\r\n\r\n").into()).unwrap();
            assert_eq!(is_of(&head, "a.example"), is_same, "{target}");
        }
    }
}
