//! `--frames`: each frame as a line on standard error.

use std::io::Write as _;

use crate::common::serve;
use crate::connect;
use crate::peer::{accepting, read_frame};

/// Returns the lines of frames, without their times.
fn frames(said: &str) -> Vec<String> {
    let is_frame = |line: &&str| line.starts_with("> ") || line.starts_with("< ");
    let without_time = |line: &str| {
        let (mark, rest) = line.split_at(2);
        let (time, words) = rest.split_once(" s ").unwrap();
        assert!(time.parse::<f64>().unwrap() < 60.0, "{line}");
        format!("{mark}{words}")
    };
    said.lines().filter(is_frame).map(without_time).collect()
}

#[test]
fn frames_are_lines_on_every_http_version() {
    let server = serve(&["--tls-self-signed", "--h2", "--h3", "--deflate"]);
    let port = server.address.split_once(':').unwrap().1;
    let url = format!("wss://localhost:{port}/echo");
    let text = "all work and no play makes Jack a dull boy. ".repeat(30);
    for version in ["1", "2", "3"] {
        let options = ["--frames", "-k", "--deflate", "--http", version, "--messages", "2", &url];
        let (code, out, said) = connect(&options, &format!("hello\n{text}\n"));
        assert_eq!(code, Some(0), "{version}: {said}");
        assert_eq!(out, format!("hello\n{text}\n"), "{version}");
        let lines = frames(&said);
        for wanted in [
            "> text fin mask len7 5 B",
            "< text fin len7 5 B",
            "> close fin mask len7 2 B 1000 \"\" (the first)",
            "< close fin len7 2 B 1000 \"\" (the answer)",
            "< end of the transport: finished (FIN)",
            "> end of the transport: finished (FIN)",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{version}: {wanted}: {lines:#?}");
        }
        for mark in ["> text fin rsv1 mask", "< text fin rsv1 len"] {
            let line = lines.iter().find(|line| line.starts_with(mark));
            let line = line.unwrap_or_else(|| panic!("{version}: {mark}: {lines:#?}"));
            let wanted = format!(", text message of {} B from ", text.len());
            assert!(line.contains(&wanted) && line.ends_with(" %"), "{line}");
        }
    }
}

#[test]
fn frames_show_fragments_pings_and_what_is_illegal() {
    let (url, serving) = accepting(|mut stream| {
        stream.write_all(b"\x01\x03abc\x89\x02hi\x80\x03def").unwrap();
        let pong = read_frame(&mut stream);
        stream.write_all(b"\x83\x01\x1b").unwrap();
        pong
    });
    let (code, out, said) = connect(&["--frames", "--eof", "ignore", &url], "");
    assert_eq!((code, out.as_str()), (Some(7), "abcdef\n"), "{said}");
    assert_eq!(serving.join().unwrap(), (0x8a, b"hi".to_vec()));
    let mut lines = frames(&said);
    lines.retain(|line| !line.contains("end of the transport"));
    let after = lines[3].split_once(", ").map(|(before, _)| before.to_owned()).unwrap();
    assert_eq!(after, r#"> pong fin mask len7 2 B "hi""#);
    let shown = [&lines[..3], &lines[4..]].concat();
    assert_eq!(
        shown,
        [
            "< text #1 len7 3 B",
            r#"< ping fin len7 2 B "hi""#,
            "< continuation #2 fin len7 3 B, text message of 6 B in 2 fragments",
            r#"< reserved 0x3 fin len7 1 B "\u{1b}" !! opcode 0x3 is reserved (RFC 6455 §5.2)"#,
            &shown[4],
        ]
    );
    assert!(shown[4].starts_with("> close fin mask len7 ") && shown[4].contains(" 1002 "));
    let (url, _) = accepting(|mut stream| stream.write_all(b"\x81\x01a\x81\x7e\0").unwrap());
    let (code, _, said) = connect(&["--frames", "--eof", "ignore", &url], "");
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains(" s cut within a header: 81 7e 00\n"), "{said}");
    let (_, _, said) = connect(&["--eof", "close", &accepting(drop).0], "");
    assert!(frames(&said).is_empty(), "{said}");
}
