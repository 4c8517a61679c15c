//! The page of `--page`: which requests may open it, and which events it receives.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{FDX, ask, run};
use crate::relay::{Relay, expect, head, open, relay};

/// Returns the address and the token of the page.
fn page(relay: &Relay) -> (String, String) {
    let url = relay.page.as_deref().unwrap();
    let (address, token) = url.strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    (address.to_owned(), token.to_owned())
}

/// Returns the status of the answer to a request.
fn status(address: &str, target: &str, host: &str, more: &str) -> String {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
    let answer = ask(address, request.as_bytes());
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// Returns the status of the answer to a WebSocket handshake.
fn live(address: &str, target: &str, host: &str, more: &str) -> String {
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    );
    socket.write_all(request.as_bytes()).unwrap();
    head(&mut socket).split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn page_is_only_for_its_token_its_host_and_its_origin() {
    let (_listener, relay) = relay(&["--page"]);
    let (address, token) = page(&relay);
    let (good, wrong) = (format!("token={token}"), format!("token={}", "0".repeat(32)));
    for path in ["/", "/har"] {
        assert_eq!(status(&address, &format!("{path}?{good}"), &address, ""), "200", "{path}");
        for query in ["", "?token=", &format!("?{wrong}"), &format!("?{}", &good[..20])] {
            assert_eq!(status(&address, &format!("{path}{query}"), &address, ""), "403", "{query}");
        }
        let rebound = status(&address, &format!("{path}?{good}"), "rebound.example", "");
        assert!(rebound.starts_with('4'), "{rebound}");
    }
    let target = format!("/live?{good}");
    let own = format!("Origin: http://{address}\r\n");
    assert_eq!(live(&address, &target, &address, ""), "101");
    assert_eq!(live(&address, &target, &address, &own), "101");
    for (target, host, more) in [
        ("/live", &*address, &*own),
        (&format!("/live?{wrong}"), &address, &own),
        (&format!("/other?{good}"), &address, &own),
        (&target, &address, "Origin: http://foreign.example\r\n"),
        (&target, &address, "Origin: null\r\n"),
        (&target, "rebound.example", "Origin: http://rebound.example\r\n"),
    ] {
        let status = live(&address, target, host, more);
        assert!(status.starts_with('4'), "{target} {host} {more}: {status}");
    }
    let (code, why) =
        run(&["inspect", "--to", ":1", "--listen", "127.0.0.1:0", "--page=0.0.0.0:0"]);
    assert!(code == Some(1) && why.contains("not a loopback address"), "{code:?} {why}");
}

#[test]
fn page_is_told_of_what_its_filter_matches() {
    let (listener, relay) = relay(&["--page", "--redact"]);
    let (mut client, mut server) = open(&listener, &relay, "");
    server.write_all(b"\x81\x12{\"password\":\"old\"}\x83\x01x").unwrap();
    expect(&mut client, b"\x81\x12{\"password\":\"old\"}\x83\x01x");
    client.write_all(b"\x81\x82\0\0\0\0hi").unwrap();
    expect(&mut server, b"\x81\x82\0\0\0\0hi");
    let (address, token) = page(&relay);
    let url = format!("ws://{address}/live?token={token}");
    let mut fdx = Command::new(FDX)
        .args(["connect", "--proxy", "none", "--messages", "7", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = b"{\"filter\": \"dir:\"}\n{\"filter\": \"dir:in\"}\n{\"row\": 0}\n{\"row\": 1}\n";
    fdx.stdin.take().unwrap().write_all(asked).unwrap();
    let output = String::from_utf8(fdx.wait_with_output().unwrap().stdout).unwrap();
    let told = output.lines().map(|line| serde_json::from_str(line).unwrap());
    // What is held and paused is told beside.
    let told: Vec<Value> = told.filter(|told: &Value| told.get("acts").is_none()).collect();
    let rows = |message: &Value| message["rows"].as_array().map_or(0, Vec::len);
    assert_eq!(rows(&told[0]), 3, "{output}");
    assert_eq!(told[0]["sockets"][0]["status"], 101);
    assert!(told[1]["filter"].as_str().unwrap().contains("character"), "{output}");
    assert!(told[2]["filter"].is_null() && told[2].get("filter").is_some(), "{output}");
    assert!(told.iter().any(|message| message["reset"] == true && rows(message) == 2), "{output}");
    let details: Vec<_> = told.iter().filter_map(|message| message.get("detail")).collect();
    assert_eq!(details[0]["text"], "{\"password\":\"***\"}", "{output}");
    assert!(details[1]["violation"].as_str().unwrap().contains("RFC 6455"), "{output}");
}
