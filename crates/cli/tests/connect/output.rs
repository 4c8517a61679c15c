//! What `fdx connect` reads and prints.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use crate::common::{FDX, serve};
use crate::peer::accepting;
use crate::{connect, connect_to_end};

#[test]
fn stdin_that_is_not_text_is_reported() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    for (options, input, code, output) in
        [(&[][..], &b"a\n\xff\n"[..], 1, &b"a\n"[..]), (&["--binary"], b"\xff", 0, b"\xff")]
    {
        let ended = connect_to_end(&[options, &[url.as_str()]].concat(), input, Stdio::piped());
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(code), output), "{said}");
        let is_told = said.contains("standard input: line 2 is not UTF-8");
        assert_eq!(is_told, code == 1, "{said}");
    }
}

#[test]
fn stderr_may_be_closed() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let (reader, stderr) = std::io::pipe().unwrap();
    drop(reader);
    let ended = connect_to_end(&["-v", &url], b"hello\n", stderr);
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(0), &b"hello\n"[..]));
}

#[test]
fn verbose_shows_the_steps_and_what_was_negotiated() {
    let server = serve(&["--subprotocol", "chat", "--deflate"]);
    let url = format!("ws://{}/echo", server.address);
    let (code, out, said) = connect(&["-v", "-s", "chat", "--deflate", &url], "hello\n");
    assert_eq!((code, out.as_str()), (Some(0), "hello\n"), "{said}");
    for words in [
        &format!("* connected to {} from 127.0.0.1:", server.address),
        "* HTTP/1.1, subprotocol chat, compression permessage-deflate",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let (_, _, said) = connect(&[&url], "");
    assert!(!said.contains('*'), "{said}");
}

#[test]
fn verbose_shows_tls_on_every_version() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    for (version, alpn, agreed) in
        [("1", "http/1.1", "HTTP/1.1"), ("2", "h2", "HTTP/2.0"), ("3", "h3", "HTTP/3.0")]
    {
        let (code, _, said) = connect(&["-v", "-k", "--http", version, &url], "");
        assert_eq!(code, Some(0), "{version}: {said}");
        for words in [
            &format!("* connected to 127.0.0.1:{port}"),
            "* TLSv1.3 with localhost",
            &format!(", ALPN {alpn} ("),
            "* certificate for localhost, valid for ",
            " days more, SHA-256 ",
            &format!("* {agreed}, subprotocol none, compression none"),
        ] {
            assert!(said.contains(words), "{version}: {words}: {said}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn text_and_close_reason_on_a_terminal_have_no_effect() {
    let (url, serving) = accepting(|mut stream| {
        let text = b"\x1b[31mred\x07\nfdx connect: closed\xe2\x80\xae";
        stream
            .write_all(&[&[0x81, u8::try_from(text.len()).unwrap()], &text[..]].concat())
            .unwrap();
        stream.write_all(b"\x88\x07\x0f\xa0\x1b]0;a").unwrap();
        // Until the client has gone.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let terminal = Command::new("script")
        .args(["-qec", &format!("'{FDX}' connect --proxy none {url} </dev/null"), "/dev/null"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serving.join().unwrap();
    let shown = String::from_utf8(terminal.stdout).unwrap().replace("\r\n", "\n");
    assert!(shown.contains("\\u{1b}[31mred\\u{7}\n  fdx connect: closed\\u{202e}\n"), "{shown:?}");
    assert!(shown.contains("closed by the peer with 4000"), "{shown:?}");
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
}

/// On a terminal, which `script` provides, bytes of the server's must not steer it.
#[cfg(target_os = "linux")]
#[test]
fn binary_on_a_terminal_is_hexadecimal() {
    let server = serve(&[]);
    let command = format!("'{FDX}' connect --binary --linger 1 ws://{}/echo", server.address);
    // Through a pipe its input would be the terminal's too.
    let command = format!("printf '\\033]0;title\\007\\377' | {command}");
    let terminal = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&terminal.stdout);
    assert!(shown.contains("1b 5d 30 3b 74 69 74 6c "), "{shown:?}");
    assert!(shown.contains("|.]0;titl"), "{shown:?}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn verbose_shows_heads_without_secrets() {
    let server = serve(&["--any-origin"]);
    let url = format!("ws://{}/echo?a=b", server.address);
    let options = ["-v", "--origin", "https://a.example", "--user", "me:SECRET"];
    let more = ["-H", "X-Key: SECRET", "--cookie", "a=SECRET", "-H", "Accept: text/\u{202e}", &url];
    let (code, _, said) = connect(&[&options[..], &more].concat(), "");
    assert_eq!(code, Some(0), "{said}");
    let said = said.to_lowercase();
    for line in [
        "> get /echo?a=b http/1.1",
        "> origin: https://a.example",
        "> authorization: ***",
        "> x-key: ***",
        "> cookie: ***",
        "> accept: text/\\u{202e}",
        "< http/1.1 101 switching protocols",
        "< upgrade: websocket",
    ] {
        assert_eq!(said.lines().filter(|other| *other == line).count(), 1, "{line}: {said}");
    }
    assert!(said.contains(" ms)\n") && !said.contains("secret"), "{said}");
    // Of a rejection too.
    let url = format!("ws://{}/nothing", server.address);
    let (code, _, said) = connect(&["-v", &url], "");
    assert!(code == Some(4) && said.contains("< HTTP/1.1 404 Not Found"), "{code:?} {said}");
}
