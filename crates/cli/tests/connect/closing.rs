//! How `fdx connect` ends, and its exit codes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{FDX, serve};
use crate::connect;
use crate::peer::accepting;

/// The client sends a Close at a signal, so that the server need not time out.
#[test]
fn signal_closes_with_1001_and_is_the_exit_code() {
    for (signal, code) in [("-TERM", 143), ("-HUP", 129)] {
        let server = serve(&["--log"]);
        let mut command = Command::new(FDX);
        command.args(["connect", &format!("ws://{}/echo", server.address)]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(b"hello\n").unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        let (_, log) = server.end();
        assert!(log.contains("closed by the peer with 1001"), "{signal}: {log}");
    }
}

/// Chromium waits for 2 s; the library's own deadline is 10 s.
#[test]
fn close_ends_connect_though_the_server_keeps_the_connection() {
    let (url, serving) = accepting(|mut stream| {
        // A masked Close with 1000, and its answer (RFC 6455 §5.2).
        let mut close = [0; 8];
        stream.read_exact(&mut close).unwrap();
        stream.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
        // Until the client ends the connection.
        stream.read_to_end(&mut Vec::new()).unwrap()
    });
    let begun = Instant::now();
    let (code, _, said) = connect(&["-v", "--linger", "0", &url], "");
    let took = begun.elapsed();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("closed by this end with 1000"), "{said}");
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(8), "{took:?}");
    assert_eq!(serving.join().unwrap(), 0);
}

/// With another code than 1000 the server may have had more to send, however clean the closing was.
#[test]
fn close_with_another_code_than_1000_is_the_exit_code_6() {
    let close = |code: u16| [&[0x88, 2][..], &code.to_be_bytes()].concat();
    for (close, code) in
        [(close(1000), 0), (vec![0x88, 0], 0), (close(1001), 6), (close(1011), 6), (vec![], 5)]
    {
        let sent = [b"\x81\x02hi", &*close].concat();
        let (url, serving) = accepting(move |mut stream| {
            stream.write_all(&sent).unwrap();
            // The client's answer.
            let _ = stream.read(&mut [0; 16]);
        });
        let (ended, output, said) = connect(&[&url], "");
        serving.join().unwrap();
        assert_eq!((ended, &*output), (Some(code), "hi\n"), "{close:02x?}: {said}");
    }
}

/// The Close comes while messages still wait for a reader that takes longer than the server may
/// for the end of the connection.
#[test]
fn close_loses_no_message_that_waits_for_a_slow_reader() {
    const SIZE: usize = 64 << 10;
    let clients = (14..24).map(|count| {
        let (url, serving) = accepting(move |mut stream| {
            let head = [&[0x82, 127][..], &(SIZE as u64).to_be_bytes()].concat();
            let message = [head, vec![7; SIZE]].concat();
            stream.write_all(&message.repeat(count)).unwrap();
            stream.write_all(&[0x88, 2, 0x03, 0xe8]).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let mut command = Command::new(FDX);
        command.args(["connect", "--proxy", "none", "-b", "--eof", "ignore", &url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(3));
            let output = child.wait_with_output().unwrap();
            serving.join().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let ended = (output.status.code(), output.stdout.len());
            assert_eq!(ended, (Some(0), count * SIZE), "{said}");
        })
    });
    let clients: Vec<_> = clients.collect();
    for client in clients {
        client.join().unwrap();
    }
}
