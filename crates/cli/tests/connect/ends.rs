//! When `fdx connect` leaves, and what it says then.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::serve;
use crate::peer::{accept, accepting, read_frame};
use crate::{connect, connect_to_end};

/// Answers the first message after this time, then the Close.
fn answering_after(delay: Duration) -> String {
    let (url, _) = accepting(move |mut stream| {
        read_frame(&mut stream);
        thread::sleep(delay);
        stream.write_all(b"\x81\x06answer").unwrap();
        let (_, close) = read_frame(&mut stream);
        stream.write_all(&[&[0x88, 2], &*close].concat()).unwrap();
    });
    url
}

#[test]
fn late_answer_is_waited_for() {
    let url = answering_after(Duration::from_millis(2500));
    let (code, out, said) = connect(&[&url], "question\n");
    assert_eq!((code, out.as_str(), said.as_str()), (Some(0), "answer\n", ""));
    // Nobody waits for it when told not to.
    let url = answering_after(Duration::from_millis(2500));
    let (code, out, said) = connect(&["--linger", "0.2", &url], "question\n");
    assert_eq!((code, out.as_str()), (Some(0), "answer\n"), "{said}");
    assert!(said.contains("nothing was received in 0.2 s after the end of the input"), "{said}");
    let url = answering_after(Duration::from_millis(2500));
    let (_, _, said) = connect(&["--quiet", "--linger", "0.2", &url], "question\n");
    assert_eq!(said, "");
}

#[test]
fn messages_option_leaves_after_as_many() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    for (input, options, code, out, words) in [
        ("a\nb\nc\n", &["-n", "2"][..], 0, "a\nb\n", ""),
        ("a\nb\n", &["-n", "3", "--linger", "0.2"], 8, "a\nb\n", "after 2 of 3 messages"),
        ("a\n", &["-n", "2", "--timeout", "1"], 8, "a\n", "--timeout"),
        ("", &["--timeout", "1", "--eof", "ignore"], 8, "", "--timeout"),
        ("", &["-n", "0"], 2, "", "--messages <N>"),
        ("", &["--timeout", "0"], 2, "", "--timeout <SECONDS>"),
    ] {
        let begun = Instant::now();
        let (got, printed, said) = connect(&[options, &[&url]].concat(), input);
        assert_eq!((got, printed.as_str()), (Some(code), out), "{options:?}: {said}");
        assert!(said.contains(words), "{options:?}: {said}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{options:?}");
    }
}

#[test]
fn messages_option_does_not_wait_for_the_end_of_the_transport() {
    let fast = (0..3).any(|_| {
        let (url, serving) = accepting(|mut stream| {
            stream.write_all(b"\x81\x02hi").unwrap();
            assert_eq!(read_frame(&mut stream), (0x88, vec![0x03, 0xe8]));
            stream.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
            let _ = stream.read(&mut [0]);
        });
        let begun = Instant::now();
        let (code, out, said) = connect(&["-n", "1", &url], "");
        serving.join().unwrap();
        assert_eq!((code, out.as_str()), (Some(0), "hi\n"), "{said}");
        begun.elapsed() < Duration::from_millis(400)
    });
    assert!(fast);
}

#[test]
fn timeout_ends_a_connection_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (code, _, said) = connect(&["--timeout", "0.3", &url], "");
    assert!(code == Some(3) && said.contains("--timeout"), "{code:?} {said}");
    let begun = Instant::now();
    let (code, _, said) = connect(&["--connect-timeout", "300ms", &url], "");
    assert!(code == Some(3) && said.contains("--connect-timeout (300ms)"), "{code:?} {said}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn end_shows_the_reason_of_the_peer_unchanged() {
    let server = serve(&["--max-message-size", "5"]);
    let (code, _, said) = connect(&[&format!("ws://{}/echo", server.address)], "hello world\n");
    let is_unchanged = said.contains("\"a message is larger than max_message_size (5 bytes)\"");
    assert!(code == Some(6) && is_unchanged, "{code:?} {said}");
}

#[test]
fn end_says_how_long_it_was_open_and_what_it_carried() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let (code, _, said) = connect(&["-v", &url], "hello\n");
    assert_eq!(code, Some(0), "{said}");
    let words =
        ["closed by this end with 1000", "; open for 1.", "idle for 1.", "1 message (5 bytes)"];
    assert!(words.iter().all(|words| said.contains(words)), "{said}");
    // A clean end is not mentioned in a pipe.
    assert_eq!(connect(&[&url], "hello\n").2, "");
}

#[test]
fn messages_of_the_command_line_are_sent_first() {
    let server = serve(&[]);
    let url = format!("ws://{}/echo", server.address);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("first");
    std::fs::write(&file, b"\xff\n").unwrap();
    let at_file = format!("@{}", file.display());
    let options = ["--send", "one", "--send", &at_file, "--send", "@@two", "--format", "jsonl"];
    let ended = connect_to_end(
        &[&options[..], &["--input-format", "lines", &url]].concat(),
        b"three\n",
        std::process::Stdio::piped(),
    );
    let out = String::from_utf8(ended.stdout).unwrap();
    let expected = [("text", "one"), ("binary", "/wo="), ("text", "@two"), ("text", "three")]
        .map(|(kind, data)| format!("{{\"type\":\"{kind}\",\"data\":\"{data}\"}}\n"));
    assert_eq!(out, expected.concat());
    let (code, _, said) = connect(&["--send", "@/nothing", &url], "");
    assert!(code == Some(1) && said.contains("--send: /nothing: No such file"), "{said}");
}

#[test]
fn reconnect_sends_the_first_messages_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let subscribed = |stream: &mut _| assert_eq!(read_frame(stream).1, b"subscribe");
        // The first connection is lost, the second is closed.
        let mut first = accept(&listener);
        subscribed(&mut first);
        first.write_all(b"\x81\x03one").unwrap();
        drop(first);
        let mut second = accept(&listener);
        subscribed(&mut second);
        second.write_all(b"\x81\x03two\x88\x02\x03\xe8").unwrap();
        let _ = second.read(&mut [0; 16]);
    });
    let options = ["--reconnect", "--send", "subscribe", "--eof", "ignore", "-v"];
    let (code, out, said) = connect(&[&options[..], &[&url]].concat(), "");
    serving.join().unwrap();
    assert_eq!((code, out.as_str()), (Some(0), "one\ntwo\n"), "{said}");
    for words in ["connecting again in", "connected again", "closed by the peer with 1000"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // What can't be reached by trying again ends it.
    let server = serve(&[]);
    let missing = format!("ws://{}/nothing", server.address);
    let (code, _, said) = connect(&["--reconnect", &missing], "");
    assert!(code == Some(4) && said.contains("404"), "{code:?}: {said}");
}
