//! `fdx serve --socketio`: its page, its client, and a session that polls.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Served, serve};

/// Opens a session that polls, in a namespace, and returns its query.
fn connect(server: &Served, namespace: &str) -> String {
    let query = "/socket.io/?EIO=4&transport=polling";
    let opened = server.request("GET", query, "");
    let (_, rest) = opened.split_once(r#""sid":""#).unwrap_or_else(|| panic!("{opened}"));
    let query = format!("{query}&sid={}", rest.split('"').next().unwrap());
    post(server, &query, &format!("40{namespace}"));
    let connected = server.request("GET", &query, "");
    assert!(connected.contains(&format!("40{namespace}{{\"sid\":")), "{connected}");
    query
}

fn post(server: &Served, query: &str, packet: &str) {
    let head = format!("POST {query} HTTP/1.1\r\nHost: {}\r\n", server.address);
    let head = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n", packet.len());
    let answer = server.ask((head + packet).as_bytes());
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
}

#[test]
fn socketio_echoes_events_and_has_rooms() {
    let server = serve(&["--socketio"]);
    let query = connect(&server, "");
    post(&server, &query, r#"420["hello",1,{"a":null}]"#);
    let answer = server.request("GET", &query, "");
    assert!(answer.ends_with(r#"430[1,{"a":null}]"#), "{answer}");
    post(&server, &query, r#"42["hello",1]"#);
    let answer = server.request("GET", &query, "");
    assert!(answer.contains(r#"42["hello",1,""#), "with its offset: {answer}");

    let query = connect(&server, "/rooms,");
    post(&server, &query, r#"42/rooms,["join","a"]"#);
    post(&server, &query, r#"42/rooms,1["send","a","hello"]"#);
    let answer = server.request("GET", &query, "");
    assert!(answer.contains(r#"42/rooms,["message","a",""#), "{answer}");
}

#[test]
fn socketio_chat_tells_who_is_there() {
    let server = serve(&["--socketio", "--metrics"]);
    let query = connect(&server, "/chat,");
    post(&server, &query, r#"42/chat,7["who"]"#);
    let answer = server.request("GET", &query, "");
    assert!(answer.ends_with(r#"43/chat,7[["guest"]]"#), "{answer}");
    let metrics = server.request("GET", "/metrics", "");
    assert!(metrics.contains("\nfullduplex_socketio_sockets 1\n"), "{metrics}");
}

#[test]
fn socketio_page_loads_the_official_client() {
    let server = serve(&["--socketio"]);
    let page = server.request("GET", "/fdx/socketio", "");
    assert!(page.contains(r#"src="../socket.io/socket.io.js""#), "{page}");
    let client = server.request("GET", "/socket.io/socket.io.js", "");
    assert!(client.contains("Released under the MIT License") && client.contains("nosniff"));
    let foreign = "Origin: https://evil.example\r\n";
    let path = "/socket.io/?EIO=4&transport=polling";
    assert!(server.request("GET", path, foreign).starts_with("HTTP/1.1 403 "));

    let without = serve(&[]);
    for path in ["/fdx/socketio", "/socket.io/socket.io.js", path] {
        assert!(without.request("GET", path, "").starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn socketio_has_lines_in_the_log() {
    let server = serve(&["--socketio", "--log"]);
    let query = connect(&server, "/rooms,");
    post(&server, &query, "41/rooms,");
    let (_, log) = server.end();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" Socket.IO ")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].ends_with(" /rooms: connected by polling"), "{log}");
    assert!(lines[1].contains(" /rooms: disconnected after 0."), "{log}");
    assert!(lines[1].ends_with(" s: client namespace disconnect"), "{log}");

    let server = serve(&["--socketio", "--log=json"]);
    let query = connect(&server, "");
    post(&server, &query, "1");
    let (_, log) = server.end();
    for fields in [
        r#""event":"socketio-connect","socket":""#,
        r#""namespace":"/","transport":"polling","recovered":false}"#,
        r#""event":"socketio-disconnect""#,
        r#""reason":"transport close"}"#,
    ] {
        assert!(log.contains(fields), "{fields}: {log}");
    }
}
