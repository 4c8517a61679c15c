//! Requests that two servers might read in two ways.

use std::io::Write;

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::sockets::{connect_from, read_some, upgrade};

/// A second request, which must not be answered where the first is taken for something else.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn answers(server: &AttackedServer, before: &str, request: &str) -> String {
    let mut socket = connect_from(0, server.address);
    let _ = socket.write_all(format!("{before}{request}").as_bytes());
    read_some(&mut socket)
}

#[test]
fn attack_by_ambiguous_requests() {
    AttackedServer::new(short_deadlines()).under_attack("request smuggling", |server| {
        let chunked = format!("Transfer-Encoding: chunked\r\nX: {}\r\n", "y");
        let upgrade_with = |more: &str, content: &str| upgrade("/", more) + content;
        let length = HIDDEN.len();
        let page = "GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n";
        // Each as the first request of a connection, and behind a page, where hyper reads it.
        for before in ["", page] {
            for request in [
                upgrade_with(&format!("Content-Length: {length}\r\n"), HIDDEN),
                upgrade_with(&chunked, &format!("0\r\n\r\n{HIDDEN}")),
                upgrade_with("Content-Length: 0\r\nContent-Length: 5\r\n", HIDDEN),
                upgrade_with("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", HIDDEN),
                // Refused for its version, and a request behind it.
                upgrade("/", "").replace("Version: 13", "Version: 8") + HIDDEN,
                // Refused for its key.
                upgrade("/", "").replace("dGhl", "") + HIDDEN,
                // A page in the place of an origin that may not.
                upgrade("/", "Origin: http://evil.example\r\n") + HIDDEN,
                upgrade("/", "").replace("Host: localhost\r\n", "") + HIDDEN,
                upgrade("/", "Host: evil.example\r\n") + HIDDEN,
                upgrade("/", " folded: yes\r\n") + HIDDEN,
                upgrade("/", "Bad Name: x\r\n") + HIDDEN,
                upgrade("/", "Content-Length : 5\r\n") + HIDDEN,
                upgrade("/", "X: a\u{0}b\r\n") + HIDDEN,
                upgrade("/", "").replace("GET", "POST") + HIDDEN,
            ] {
                let said = answers(server, before, &request);
                let last = said.rsplit("HTTP/1.1 ").next().unwrap();
                // Whoever reads on where the content would end says so with its length.
                let by_length = request.contains(&format!("Content-Length: {length}\r\n"));
                assert!(!said.contains("101 Switching"), "{before}{request}\n→ {said}");
                assert!(last.starts_with('4') || before == page, "{before}{request}\n→ {said}");
                assert!(!said.contains("hidden") || !by_length, "{before}{request}\n→ {said}");
                if before.is_empty() {
                    assert!(!said.contains("page /hidden"), "{request}\n→ {said}");
                }
            }
        }
        // Behind an upgrade, all is frames.
        let said = answers(server, "", &(upgrade("/", "") + HIDDEN));
        assert!(said.starts_with("HTTP/1.1 101 ") && !said.contains("hidden"), "{said}");
        let said = answers(server, page, &(upgrade("/", "") + HIDDEN));
        assert!(said.contains("page /first") && !said.contains("hidden"), "{said}");
        // Pages: what has two lengths is not answered as if it had one.
        for more in [
            "Content-Length: 3\r\nContent-Length: 4\r\n",
            "Content-Length: +3\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Transfer-Encoding: chunked, identity\r\n",
        ] {
            let request = format!("POST /upload HTTP/1.1\r\nHost: a\r\n{more}\r\nabc{HIDDEN}");
            let said = answers(server, "", &request);
            assert!(!said.contains("hidden"), "{request}\n→ {said}");
        }
        (0, 0)
    });
}
