//! What is printed and written to files.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;

use fullduplex_inspect::har;
use fullduplex_inspect::proto::Role;
use fullduplex_inspect::recording::{Record, RecordKind};

use crate::relay::{expect, open, relay};

#[test]
fn inspect_prints_and_writes_what_it_saw() {
    let folder = std::env::temp_dir().join(format!("fdx-inspect-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (record, har) = (folder.join("a.fdxr"), folder.join("a.har"));
    let (record, har) = (record.to_str().unwrap(), har.to_str().unwrap());
    let (listener, relay) = relay(&["--redact", "--record", record, "--har", har]);
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate\r\nSet-Cookie: a=hidden\r\n";
    let (mut client, mut server) = open(&listener, &relay, deflate);
    // "Hello", and the same with the context of the first (RFC 7692 §7.2.3).
    let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
    server.write_all(hello).unwrap();
    expect(&mut client, hello);
    let secret = b"\x81\x16{\"password\": \"hidden\"}";
    server.write_all(secret).unwrap();
    expect(&mut client, secret);
    let steering = "\x1b[31m\u{9b}\u{202e}".as_bytes();
    let mut frame = vec![0x81, 0x80 | u8::try_from(steering.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(steering);
    client.write_all(&frame).unwrap();
    expect(&mut server, &frame);
    drop(client);
    drop(server);
    relay.line("ended: ");
    let lines = relay.lines().join("\n");
    assert!(!lines.contains(['\x1b', '\u{9b}', '\u{202e}']), "{lines}");
    for words in [
        "#1 > 0.",
        "GET /x?token=*** HTTP/1.1",
        &format!("  Host: {} (was {})", listener.local_addr().unwrap(), relay.address),
        "  Set-Cookie: ***",
        "text fin rsv1 len7 7 B, text message of 5 B from 7 B compressed, 140.0 % \"Hello\"",
        r#""{\"password\": \"***\"}""#,
        "text fin rsv1 len7 5 B, text message of 5 B from 5 B compressed, 100.0 % \"Hello\"",
    ] {
        assert!(lines.contains(words), "{words:?} in {lines}");
    }
    assert_eq!(relay.end(), Some(143));
    let recorded = fs::read_to_string(record).unwrap();
    let records: Vec<Record> =
        recorded.lines().filter_map(|line| Record::parse(line).unwrap()).collect();
    let of_server = records.iter().filter_map(|record| match &record.kind {
        RecordKind::Bytes { sender: Role::Server, bytes } => Some(bytes.as_slice()),
        _ => None,
    });
    // With --redact, they are made of what is shown.
    assert_eq!(
        of_server.collect::<Vec<_>>().concat(),
        b"\x81\x05Hello\x81\x05Hello\x81\x13{\"password\": \"***\"}"
    );
    assert!(recorded.starts_with("{\"fullduplex-recording\":1,\"redacted\":true}\n"), "{recorded}");
    let written = har::read(&fs::read_to_string(har).unwrap()).unwrap();
    assert_eq!(written, har::of_recording(&records, fullduplex_inspect::DecoderLimits::default()));
    assert_eq!(written[0].messages.len(), 4);
    assert!(written[0].opening.url.ends_with("/x?token=***"), "{}", written[0].opening.url);
    assert!(!recorded.contains("hidden"));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn filter_prints_only_what_matches() {
    let (listener, relay) = relay(&["--filter", "json.type=price path:/x or kind:end"]);
    let (mut client, mut server) = open(&listener, &relay, "");
    let frames = b"\x81\x10{\"type\":\"price\"}\x81\x0f{\"type\":\"size\"}";
    server.write_all(frames).unwrap();
    expect(&mut client, frames);
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop(client);
    relay.line("> ");
    let lines = relay.lines();
    let of_connection: Vec<_> = lines.iter().filter(|line| line.starts_with('#')).collect();
    assert_eq!(of_connection.len(), 3, "{lines:#?}");
    assert!(of_connection[0].contains(r#""{\"type\":\"price\"}""#), "{lines:#?}");
    assert!(
        of_connection[1].ends_with("end: FIN") && of_connection[2].contains("> "),
        "{lines:#?}"
    );
}

#[test]
fn inspect_does_not_write_what_it_reads() {
    let folder = std::env::temp_dir().join(format!("fdx-read-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (file, link) = (folder.join("a.fdxr"), folder.join("link"));
    let content = format!("{}\n", fullduplex_inspect::recording::HEADER);
    fs::write(&file, &content).unwrap();
    fs::hard_link(&file, &link).unwrap();
    let other = folder.join("other");
    for (options, rule) in [
        (["--record", link.to_str().unwrap()].as_slice(), "is what --read reads"),
        (&["--har", file.to_str().unwrap()], "is what --read reads"),
        (
            &["--record", other.to_str().unwrap(), "--har", other.to_str().unwrap()],
            "--record and --har are one file",
        ),
    ] {
        let mut fdx = Command::new(env!("CARGO_BIN_EXE_fdx"));
        let output = fdx.args(["inspect", "--read"]).arg(&file).args(options).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && errors.contains(rule), "{errors}");
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
    fs::remove_dir_all(folder).unwrap();
}
