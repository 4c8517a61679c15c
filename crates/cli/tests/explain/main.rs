//! `fdx explain`: the steps, the rules, what is compared, and its object of JSON.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

#[path = "../common/mod.rs"]
mod common;

use common::{FDX, serve};
use serde_json::Value;

/// Runs `fdx explain` to its end, and returns its exit code and both outputs.
fn explain(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(FDX);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    command.env_remove("all_proxy").env_remove("SSLKEYLOGFILE").arg("explain").args(args);
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Runs `fdx explain --json`, and returns its exit code and its object.
fn explain_json(args: &[&str]) -> (Option<i32>, Value) {
    let (code, out, said) = explain(&[args, &["--json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {said}")))
}

/// A server that answers each request with these bytes, and ends.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 16 << 10];
            // A client of TLS or HTTP/2 gets it, too.
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer);
        }
    });
    format!("ws://{address}/chat?token=secret")
}

/// Returns the URL of a server of HTTP/2 without extended CONNECT (RFC 8441 §3).
fn http2_without_extended_connect() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // The end of the connection is the client's.
            let _ = answer_pings(stream.unwrap());
        }
    });
    format!("ws://{address}/")
}

/// Sends an empty SETTINGS frame, and answers each PING until the client ends the connection.
fn answer_pings(mut stream: TcpStream) -> std::io::Result<()> {
    const PREFACE: usize = 24;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    stream.read_exact(&mut [0; PREFACE])?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload)?;
        if head[3] == PING && head[4] != ACK {
            head[4] = ACK;
            stream.write_all(&[&head[..], &payload].concat())?;
        }
    }
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn explain_tells_each_step_on_every_version() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3", "--subprotocol", "chat"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    for (version, alpn, request, response) in [
        ("1", "http/1.1", "> GET /echo HTTP/1.1", "< HTTP/1.1 101 Switching Protocols"),
        ("2", "h2", "> :protocol: websocket", "< HTTP/2.0 200"),
        ("3", "h3", "> :protocol: websocket", "< HTTP/3.0 200"),
    ] {
        let (code, out, _) = explain(&["-k", "-s", "chat", "--http", version, &url]);
        assert_eq!(code, Some(0), "{version}: {out}");
        let (alpn, to) = (format!("ALPN {alpn}\n"), format!("connected to 127.0.0.1:{port}"));
        assert_has(
            &out,
            &[
                "DNS       localhost: ",
                &to,
                "TLSv1.3",
                &alpn,
                "certificate 1: for localhost",
                "issued by ",
                " days left\n",
                "SHA-256 ",
                request,
                response,
                "ok     Sec-WebSocket-Version is 13 (RFC 6455 §4.1 item 9)",
                "subprotocol chat",
                "pings ",
                "the server answered the Close with 1000",
                "the transport ended after ",
                "All is well",
            ],
        );
        for other in ["HTTP/1.1", "HTTP/2 (RFC 8441)", "HTTP/3 (RFC 9220)"] {
            let is_own = other.starts_with(&format!("HTTP/{version}"));
            assert_eq!(out.contains(&format!("  {other:28} opens\n")), !is_own, "{other}: {out}");
        }
    }
}

#[test]
fn explain_tries_the_other_versions_where_extended_connect_is_missing() {
    let (code, out, _) = explain(&["--http", "2", &http2_without_extended_connect()]);
    assert_eq!(code, Some(4), "{out}");
    assert_has(&out, &["SETTINGS_ENABLE_CONNECT_PROTOCOL", "  HTTP/1.1 "]);
}

#[test]
fn explain_names_the_rules_that_a_response_breaks() {
    for (answer, rule) in [
        ("Connection: close\r\n", "BROKEN Upgrade is websocket (RFC 6455 §4.1 response item 2)"),
        ("Connection: close\r\n", "Connection lists Upgrade"),
        (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n",
            "BROKEN Sec-WebSocket-Accept matches the key (RFC 6455 §4.1 response item 4): \
             Sec-WebSocket-Accept: AAAA; ",
        ),
    ] {
        let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{answer}\r\n");
        let (code, out, _) = explain(&[&answering(answer.leak().as_bytes())]);
        assert_eq!(code, Some(4), "{out}");
        assert_has(&out, &[rule, "ok     the method is GET (RFC 6455 §4.1 item 2)"]);
    }
}

#[test]
fn explain_shows_what_answered_in_place_of_a_websocket() {
    let (code, out, _) = explain(&[&answering(b"SSH-2.0-OpenSSH_9.2\r\n")]);
    assert_eq!(code, Some(4), "{out}");
    assert_has(&out, &["received  \"SSH-2.0-OpenSSH_9.2"]);
    let answer = b"HTTP/1.1 403 Forbidden\r\nServer: cloudflare\r\nCF-RAY: 1\r\n\
        Set-Cookie: id=secret\r\nContent-Length: 17\r\n\r\nerror code: 1020\n";
    let url = answering(answer);
    let (code, out, _) = explain(&["-H", "X-Key: secret", &url]);
    assert_eq!(code, Some(4), "{out}");
    assert_has(
        &out,
        &[
            "< HTTP/1.1 403 Forbidden",
            "< CF-RAY: 1",
            "< Set-Cookie: ***",
            "> X-Key: ***",
            "/chat?token=***",
            "body      error code: 1020",
            "Answered by: server: cloudflare",
        ],
    );
    assert!(!out.contains("secret"), "{out}");
    let (_, out) = explain_json(&["-H", "X-Key: secret", &url]);
    assert!(!out.to_string().contains("secret"), "{out}");
}

#[test]
fn explain_tells_a_close_of_the_server() {
    // A Close frame with 1011 follows the head at once.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 16 << 10];
            let read = stream.read(&mut head).unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            if let Some(answer) = common::accepting(&head) {
                let _ = stream.write_all(&[answer.as_bytes(), b"\x88\x06\x03\xf3oops"].concat());
                // The client's Close.
                let _ = stream.read(&mut [0; 100]);
            }
        }
    });
    let (code, out, _) = explain(&[&url]);
    assert_eq!(code, Some(6), "{out}");
    assert_has(&out, &["the connection ended before a Pong", "by itself: ", "1011", "oops"]);
}

#[test]
fn explain_finds_the_difference_that_decides() {
    // Only pages of its own host.
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    let (code, out) = explain_json(&["-k", "--from-origin", "https://other.example", &url]);
    assert_eq!((code, &out["response"]["status"]), (Some(4), &403.into()), "{out:#}");
    assert_eq!(out["deciding"], serde_json::json!(["no-origin", "same-origin"]), "{out:#}");
    // Asked for without TLS.
    let (code, out) = explain_json(&["-k", &url.replace("wss:", "ws:")]);
    assert_eq!(code, Some(4), "{out:#}");
    assert!(out["deciding"].to_string().contains("with-tls"), "{out:#}");
    // All is compared on request.
    let (code, out) = explain_json(&["-k", "--compare", &url]);
    assert_eq!(code, Some(0), "{out:#}");
    assert!(out["deciding"].to_string().contains("foreign-origin"), "{out:#}");
}

#[test]
fn explain_shows_the_certificate_that_is_not_accepted() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let port = server.address.split_once(':').unwrap().1;
    let (code, out, _) = explain(&[&format!("wss://localhost:{port}/echo")]);
    assert_eq!(code, Some(3), "{out}");
    assert_has(&out, &["is not accepted", "certificate 1: for localhost", "SHA-256 "]);
}

#[test]
fn explain_has_the_step_and_the_exit_code_of_each_failure() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("wss://{}/", silent.local_addr().unwrap());
    let plain = serve(&[]);
    for (args, code, step) in [
        (&["ws://nothing.invalid/"][..], 3, "resolve"),
        (&[&format!("ws://{closed}/")], 3, "tcp"),
        (&["--proxy", &format!("http://{closed}"), "ws://a.invalid/"], 3, "tcp"),
        (&["--connect-timeout", "0.3", &silent_url], 3, "tls"),
        (&[&format!("wss://{}/echo", plain.address)], 3, "tls"),
        (&[&format!("ws://{}/nothing", plain.address)], 4, "response"),
    ] {
        let (got, out) = explain_json(args);
        assert_eq!((got, &out["failed_step"]), (Some(code), &step.into()), "{args:?} {out:#}");
        assert_eq!(out["exit_code"], code);
        assert_eq!(out["ok"], false);
    }
}

#[test]
fn explain_shows_a_clock_while_it_waits() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}/", silent.local_addr().unwrap());
    let (code, _, said) = explain(&["--connect-timeout", "1.5", &url]);
    assert!(code == Some(3) && said.contains("1 s, waiting for the TLS handshake"), "{said}");
}

#[test]
fn explain_finds_that_silence_is_allowed() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let (code, out) = explain_json(&["--idle", "1", &url]);
    assert_eq!(code, Some(0), "{out:#}");
    assert_eq!(
        (&out["idle"]["cut_after_s"], &out["idle"]["pings_help"]),
        (&Value::Null, &true.into())
    );
}

/// A server that ends each connection, or forgets it, after this silence of the client's, and
/// answers control frames until then.
fn impatient(silence: Duration, forgets: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                let read = stream.read(&mut buffer).unwrap();
                let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
                let Some(answer) = common::accepting(&head) else { return };
                stream.write_all(answer.as_bytes()).unwrap();
                stream.set_read_timeout(Some(silence)).unwrap();
                // A masked control frame: two bytes, the masking key, and the payload.
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    let (head, payload) = buffer[..read].split_at(6);
                    let is_close = head[0] == 0x88;
                    let length = head[1] & 0x7f;
                    let masks = head[2..].iter().cycle();
                    let unmasked = payload.iter().zip(masks).map(|(byte, mask)| byte ^ mask);
                    let opcode = if is_close { 0x88 } else { 0x8a };
                    let answer: Vec<u8> = [opcode, length].into_iter().chain(unmasked).collect();
                    stream.write_all(&answer).unwrap();
                    if is_close {
                        return;
                    }
                }
                if forgets {
                    stream.set_read_timeout(None).unwrap();
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    url
}

#[test]
fn explain_finds_the_silence_that_a_server_does_not_allow() {
    let url = impatient(Duration::from_millis(1500), false);
    let (code, out) = explain_json(&["--idle", "4", &url]);
    let idle = &out["idle"];
    assert_eq!((code, &idle["pings_help"]), (Some(5), &true.into()), "{out:#}");
    let cut_after = idle["cut_after_s"].as_f64().unwrap();
    assert!((1.4..4.0).contains(&cut_after), "{idle:#}");
    assert_eq!(out["failed_step"], "open");
}

#[test]
fn explain_finds_a_connection_that_is_forgotten() {
    let url = impatient(Duration::from_millis(700), true);
    let (code, out) = explain_json(&["--idle", "2", &url]);
    let idle = &out["idle"];
    assert_eq!((code, &idle["cut_after_s"]), (Some(5), &Value::Null), "{out:#}");
    assert_eq!(
        (&idle["answered_after_s"], &idle["unanswered_after_s"]),
        (&0.5.into(), &1.0.into())
    );
    assert_eq!(idle["pings_help"], true, "{idle:#}");
}

#[test]
fn explain_json_has_stable_names() {
    let server = serve(&[]);
    let (code, out) = explain_json(&[&format!("ws://{}/echo", server.address)]);
    assert_eq!(code, Some(0), "{out:#}");
    let names: Vec<_> = out.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "answered_by",
        "body",
        "causes",
        "closing",
        "comparisons",
        "deciding",
        "error",
        "exit_code",
        "failed_step",
        "first_bytes",
        "http_version",
        "idle",
        "negotiated",
        "ok",
        "request",
        "response",
        "round_trips",
        "rules",
        "steps",
        "took_ms",
        "url",
    ];
    assert_eq!(names, expected);
    assert_eq!(out["closing"]["code"], 1000);
    assert_eq!(out["round_trips"]["ms"].as_array().unwrap().len(), 5);
    let rules = &out["rules"];
    let all = [&rules["request"], &rules["response"]].map(|rules| rules.as_array().unwrap());
    assert!(all.iter().all(|rules| rules.iter().all(|rule| rule["ok"] == true)), "{rules:#}");
}

#[test]
fn explain_marks_a_head_with_a_control_character_by_its_error() {
    let url = answering(b"HTTP/1.1 101 Switching\r\nX: a\x01b\r\n\r\n");
    let (code, out, said) = explain(&[&url]);
    assert_eq!(code, Some(4), "{out}{said}");
    assert!(!out.contains("BROKEN") && out.contains("The error above is what is wrong."), "{out}");
}

#[test]
fn explain_hex_knows_no_rule_about_the_length_of_a_message() {
    let (code, out, said) = explain(&["hex", "82 7f 00 00 00 00 00 20 00 00 41"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!out.contains("breaks a rule") && !out.contains("max_message_size"), "{out}");
    assert_has(&out, &["length 2097152", "limit of who receives", "2097151 bytes of the payload"]);
}
