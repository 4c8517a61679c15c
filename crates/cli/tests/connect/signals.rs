//! Ctrl-C and its kin, in every wait of `fdx connect`.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{FDX, serve};
use crate::peer::{accepting, read_frame};

/// The time within which the first signal ends it.
const QUICKLY: Duration = Duration::from_secs(1);

fn start(args: &[&str]) -> Child {
    let mut command = Command::new(FDX);
    command.args(["connect", "--proxy", "none"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Returns the exit code and how long it took, 20 s at most.
fn wait(child: &mut Child) -> (Option<i32>, Duration) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(2));
    }
    let took = begun.elapsed();
    let _ = child.kill();
    (child.wait().unwrap().code(), took)
}

/// Checks that a signal ends what this starts quickly. A busy machine has three attempts.
fn ends_quickly(name: &str, code: i32, start: impl Fn() -> Child) {
    let mut took = Vec::new();
    for _ in 0..3 {
        let mut child = start();
        signal(&child, name);
        let (ended, time) = wait(&mut child);
        assert_eq!(ended, Some(code), "{name} after {time:?}");
        if time < QUICKLY {
            return;
        }
        took.push(time);
    }
    panic!("{name}: {took:?}");
}

/// Gives what was started time for what it does next.
fn settled(child: Child) -> Child {
    thread::sleep(Duration::from_millis(300));
    child
}

#[test]
fn interrupt_ends_a_connection_attempt() {
    ends_quickly("-INT", 130, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let child = start(&[&format!("ws://{}/", listener.local_addr().unwrap())]);
        let (stream, _) = listener.accept().unwrap();
        // It lives as long as the process that is to be ended.
        thread::spawn(move || {
            let _stream = stream;
            thread::sleep(Duration::from_secs(30));
        });
        settled(child)
    });
}

#[test]
fn signals_close_though_the_server_is_silent() {
    for (name, code, close) in [("-INT", 130, 1000_u16), ("-TERM", 143, 1001), ("-HUP", 129, 1001)]
    {
        let (url, serving) = accepting(|mut stream| {
            let frame = read_frame(&mut stream);
            // It does not answer the Close.
            let _ = stream.read(&mut [0]);
            frame
        });
        let mut child = settled(start(&[&url]));
        signal(&child, name);
        assert_eq!(wait(&mut child).0, Some(code), "{name}");
        assert_eq!(serving.join().unwrap(), (0x88, close.to_be_bytes().to_vec()), "{name}");
    }
    ends_quickly("-INT", 130, || {
        let (url, _) = accepting(|mut stream| stream.read_to_end(&mut Vec::new()));
        settled(start(&[&url]))
    });
}

/// Starts a client whose server sends for ever and reads nothing.
fn flooded() -> Child {
    let (url, _) = accepting(|mut stream| {
        let block = b"\x81\x04tick".repeat(1000);
        while stream.write_all(&block).is_ok() {}
    });
    start(&[&url])
}

#[test]
fn interrupt_ends_a_flood_and_nothing_more_is_printed() {
    let mut child = flooded();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "tick\n");
    let (last, read) = mpsc::channel();
    thread::spawn(move || {
        let (mut last_read, mut buffer) = (Instant::now(), vec![0; 1 << 16]);
        while out.read(&mut buffer).unwrap() > 0 {
            last_read = Instant::now();
        }
        last.send(last_read).unwrap();
    });
    let mut child = settled(child);
    signal(&child, "-INT");
    let interrupted = Instant::now();
    assert_eq!(wait(&mut child).0, Some(130));
    let printed = read.recv_timeout(Duration::from_secs(10)).unwrap();
    // What was in the pipe already is read for a moment.
    let late = printed.saturating_duration_since(interrupted);
    assert!(late < Duration::from_millis(500), "{late:?}");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    ends_quickly("-INT", 130, || {
        let mut child = flooded();
        let mut out = child.stdout.take().unwrap();
        thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        settled(child)
    });
}

#[test]
fn interrupt_ends_it_though_nobody_reads_the_output() {
    ends_quickly("-INT", 130, || settled(flooded()));
}

/// Starts a flooded client with `--frames`, whose standard error is not read.
fn with_unread_frames(options: &[&str]) -> Child {
    let (url, _) = accepting(|mut stream| {
        let block = b"\x81\x04tick".repeat(1000);
        while stream.write_all(&block).is_ok() {}
    });
    let mut child = start(&[&["--frames"], options, &[&url]].concat());
    let mut out = child.stdout.take().unwrap();
    thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    child
}

#[test]
fn signals_end_it_though_nobody_reads_the_frames() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        ends_quickly(name, code, || settled(with_unread_frames(&[])));
    }
    let (ended, took) = wait(&mut with_unread_frames(&["--timeout", "0.5"]));
    assert_eq!(ended, Some(8), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn interrupt_ends_it_though_the_server_reads_nothing() {
    ends_quickly("-INT", 130, || {
        let (url, _) = accepting(|stream| {
            thread::sleep(Duration::from_secs(30));
            drop(stream);
        });
        let mut child = start(&[&url]);
        let mut input = child.stdin.take().unwrap();
        thread::spawn(move || {
            let lines = b"a line that nobody reads\n".repeat(10_000);
            while input.write_all(&lines).is_ok() {}
        });
        settled(child)
    });
}

#[test]
fn interrupt_ends_the_wait_for_answers_and_for_the_close() {
    for options in [&["--linger", "60"][..], &["--eof", "close"], &["--eof", "ignore"]] {
        ends_quickly("-INT", 130, || {
            let (url, _) = accepting(|mut stream| stream.read_to_end(&mut Vec::new()));
            let mut child = start(&[options, &[&url]].concat());
            drop(child.stdin.take());
            settled(child)
        });
    }
}

#[test]
fn second_interrupt_leaves_at_once() {
    // Without it, the answer to the Close is awaited for longer than this.
    let at_once = (0..5).any(|_| {
        let (url, _) = accepting(|mut stream| stream.read_to_end(&mut Vec::new()));
        let mut child = settled(start(&[&url]));
        let begun = Instant::now();
        signal(&child, "-INT");
        thread::sleep(Duration::from_millis(100));
        signal(&child, "-INT");
        assert_eq!(wait(&mut child).0, Some(130));
        begun.elapsed() < Duration::from_millis(500)
    });
    assert!(at_once);
}

/// As a job of a script in the background has it.
#[test]
fn interrupt_that_is_ignored_stays_ignored() {
    let server = serve(&[]);
    let command = "trap '' INT; exec \"$0\" \"$@\"";
    let mut child = Command::new("sh")
        .args(["-c", command, FDX, "connect", "--proxy", "none"])
        .arg(format!("ws://{}/echo", server.address))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    for text in ["before\n", "after\n"] {
        input.write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, text);
        signal(&child, "-INT");
    }
    drop(input);
    assert_eq!(wait(&mut child).0, Some(0));
}

#[test]
fn reader_that_goes_away_ends_it_without_a_word() {
    let mut child = flooded();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 10]).unwrap();
    drop(out);
    assert_eq!(wait(&mut child).0, Some(141));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
