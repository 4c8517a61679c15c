//! `fdx serve --exec`: a command for each WebSocket, of which nothing is left behind.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")] // /proc tells the processes that are left

use std::fs;
use std::future::Future;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fullduplex::{Client, CloseCode, Message, WebSocket};
use tokio::time::timeout;

mod common;

use common::{Served, serve, serve_limited};

/// The longest time that a test waits for something.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs a future to its end.
fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, future).await.unwrap() })
}

/// Opens a WebSocket, which is ended when the future that uses it is dropped.
async fn open(server: &Served, path: &str) -> WebSocket {
    fullduplex::connect(format!("ws://{}{path}", server.address)).await.unwrap().0
}

/// Returns all messages until the end, and the code and reason of the Close.
async fn all(mut websocket: WebSocket) -> (Vec<Message>, CloseCode, String) {
    let mut messages = Vec::new();
    while let Some(message) = websocket.next().await {
        messages.push(message.unwrap());
    }
    let info = websocket.close_info().unwrap();
    (messages, info.code(), info.reason().to_owned())
}

/// Starts a server whose processes have a variable of this name in their environment.
fn serve_marked(marker: &str, options: &[&str]) -> Served {
    serve_limited(&format!("export {marker}=1; ulimit -n 8192"), options)
}

/// Returns the processes that have the variable in their environment, other than the server, and
/// the children of the server, zombies too.
fn left(server: u32, marker: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap();
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_left = |id: &u32| {
        let folder = Path::new("/proc").join(id.to_string());
        let environment = fs::read(folder.join("environ")).unwrap_or_default();
        let marker = format!("{marker}=1");
        let has_marker = environment.split(|byte| *byte == 0).any(|one| one == marker.as_bytes());
        let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        let parent = after_name.split_whitespace().nth(1).and_then(|id| id.parse().ok());
        *id != server && (has_marker || parent == Some(server))
    };
    ids.filter(is_left).collect()
}

/// Waits until as many processes are left.
#[track_caller]
fn wait_until_left(server: u32, marker: &str, count: usize) {
    let begun = Instant::now();
    loop {
        let left = left(server, marker);
        if left.len() == count {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{} processes: {left:?}", left.len());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn exec_echoes_to_a_thousand_clients_and_leaves_nothing_behind() {
    let marker = "FDX_TEST_THOUSAND";
    let server = serve_marked(marker, &["--exec", "exec cat"]);
    run(async {
        let mut websockets = Vec::new();
        for i in 0..1000 {
            let mut websocket = open(&server, "/").await;
            websocket.send(format!("client {i}")).await.unwrap();
            websockets.push(websocket);
        }
        for (i, websocket) in websockets.iter_mut().enumerate() {
            let echo = websocket.next().await.unwrap().unwrap();
            assert_eq!(echo, Message::text(format!("client {i}")));
        }
        assert_eq!(left(server.id(), marker).len(), 1000);
        // Half of them closes, the others are gone.
        for (i, mut websocket) in websockets.into_iter().enumerate() {
            if i % 2 == 0 {
                let closed = websocket.close(CloseCode::NORMAL, "").await.unwrap();
                assert!(closed.is_normal(), "{closed}");
            } else {
                websocket.abort();
            }
        }
    });
    wait_until_left(server.id(), marker, 0);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn exec_closes_as_the_command_ends() {
    let command = "read word; echo \"got $word\"; [ $word = kill ] && kill -9 $$; exit $word";
    let server = serve(&["--exec", command]);
    for (word, code, reason) in [
        ("0", CloseCode::NORMAL, ""),
        ("3", CloseCode::INTERNAL_ERROR, "the command failed: exit status 3"),
        ("kill", CloseCode::INTERNAL_ERROR, "the command was ended by signal 9"),
    ] {
        let end = run(async {
            let mut websocket = open(&server, "/any/path").await;
            websocket.send(word).await.unwrap();
            all(websocket).await
        });
        let answer = vec![Message::text(format!("got {word}"))];
        assert_eq!(end, (answer, code, reason.into()), "{word}");
    }
}

#[test]
fn exec_ends_a_command_in_steps_when_the_client_is_gone() {
    let marker = "FDX_TEST_STEPS";
    let options = |command| ["--exec-grace", "0.3", "--exec", command];
    // A child of the shell ignores SIGTERM too.
    let stubborn = serve_marked(marker, &options("trap '' TERM; echo ready; sleep 1000 & wait"));
    run(async {
        let mut websocket = open(&stubborn, "/").await;
        assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("ready"));
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
    });
    wait_until_left(stubborn.id(), marker, 0);
    drop(stubborn);

    // The end of the input comes first, then SIGTERM; both can be acted on.
    let command = "trap 'echo terminated >&2; exit' TERM; echo ready; cat; echo over >&2; \
                   while :; do sleep 0.05; done";
    let server = serve_marked(marker, &options(command));
    run(async {
        let mut websocket = open(&server, "/room?secret").await;
        assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("ready"));
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
    });
    wait_until_left(server.id(), marker, 0);
    let (_, log) = server.end();
    for word in ["over", "terminated"] {
        let is_it = |line: &str| line.starts_with("127.0.0.1:") && line.ends_with(word);
        assert!(log.lines().any(is_it), "{word}: {log}");
    }
    assert!(log.contains("/room HTTP/1.1: over") && !log.contains("secret"), "{log}");
}

#[test]
fn exec_leaves_nothing_behind_at_shutdown() {
    let marker = "FDX_TEST_SHUTDOWN";
    let command = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";
    let server = serve_marked(marker, &["--exec", command, "--exec-grace", "0.3"]);
    let id = server.id();
    let (code, log) = run(async {
        let mut websocket = open(&server, "/").await;
        assert_eq!(websocket.next().await.unwrap().unwrap(), Message::text("ready"));
        let ending = tokio::task::spawn_blocking(move || server.end());
        let (_, code, _) = all(websocket).await;
        assert_eq!(code, CloseCode::GOING_AWAY);
        ending.await.unwrap()
    });
    assert_eq!(code, Some(0), "{log}");
    wait_until_left(id, marker, 0);
}

#[test]
fn exec_carries_any_bytes_by_the_other_formats() {
    let server = serve(&["--exec", "cat", "--exec-format", "length-prefixed"]);
    run(async {
        let mut websocket = open(&server, "/").await;
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        for message in [Message::binary(bytes), Message::text("a\nb"), Message::binary("")] {
            websocket.send(message.clone()).await.unwrap();
            assert_eq!(websocket.next().await.unwrap().unwrap(), message);
        }
    });
    let server = serve(&["--exec", "head -c 300000", "--exec-format", "raw"]);
    let bytes: Vec<u8> = (0..=255).rev().cycle().take(300_000).collect();
    let (messages, code, _) = run(async {
        let mut websocket = open(&server, "/").await;
        websocket.send(Message::binary(bytes.clone())).await.unwrap();
        all(websocket).await
    });
    let came: Vec<u8> = messages.iter().flat_map(|message| message.as_bytes().to_vec()).collect();
    assert!(came == bytes && messages.iter().all(Message::is_binary), "{} bytes", came.len());
    assert_eq!(code, CloseCode::NORMAL);
}

#[test]
fn exec_fails_for_output_that_is_no_text() {
    let server = serve(&["--exec", "printf 'a\\n\\377\\n'; cat", "--exec-grace", "0.3"]);
    let (messages, code, reason) = run(async { all(open(&server, "/").await).await });
    assert_eq!(messages, [Message::text("a")]);
    assert_eq!((code, &*reason), (CloseCode::INTERNAL_ERROR, "the output is not valid"));
    let (_, log) = server.end();
    assert!(log.contains("line 2 is not UTF-8") && log.contains("--exec-format raw"), "{log}");
}

#[test]
fn exec_describes_the_request_in_the_environment() {
    let server = serve(&["--exec", "env"]);
    let (messages, ..) = run(async {
        let client = Client::builder()
            .header("Proxy", "http://evil.example")
            .header("X-Thing", "1")
            .build()
            .unwrap();
        let url = format!("ws://{}/a%20b?c=d", server.address);
        all(client.connect(url).await.unwrap().0).await
    });
    let lines: Vec<String> =
        messages.iter().map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect();
    let port = server.address.rsplit_once(':').unwrap().1;
    for line in [
        "REMOTE_ADDR=127.0.0.1",
        "REQUEST_URI=/a%20b?c=d",
        "PATH_INFO=/a b",
        "QUERY_STRING=c=d",
        "HTTP_X_THING=1",
        "SERVER_NAME=127.0.0.1",
        &format!("SERVER_PORT={port}"),
    ] {
        assert!(lines.iter().any(|one| one == line), "{line}: {lines:?}");
    }
    assert!(!lines.iter().any(|line| line.contains("evil")), "{lines:?}");
}

#[test]
fn exec_runs_nothing_for_foreign_pages() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("exec-ran");
    let _ = fs::remove_file(&file);
    let command = format!("touch {}", file.display());
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = serve(&["--listen", listen, "--exec", &command]);
        for (host, origin, status) in [
            ("localhost", "Origin: http://evil.example\r\n", "403"),
            ("evil.example", "Origin: http://evil.example\r\n", "421"),
        ] {
            assert_eq!(server.status("/", host, origin), status, "{listen} {host}");
        }
        // The page is still there, and so are the other WebSockets.
        assert!(server.get("/").contains("<html"));
        assert_eq!(server.status("/echo", "localhost", ""), "101");
        let (_, log) = server.end();
        let is_warned = log.contains("can run the command of --exec");
        assert_eq!(is_warned, listen.starts_with("0.0.0.0"), "{log}");
    }
    assert!(!file.exists());
}

#[test]
fn exec_is_bounded_by_max_processes_and_by_slow_ends() {
    let marker = "FDX_TEST_BOUNDS";
    let options = ["--drain", "0.5", "--max-processes", "1", "--exec-grace", "0.3", "--exec"];
    // The first does not read what the client sends, the client does not read what the second
    // prints.
    for command in ["exec sleep 1000", "exec yes"] {
        let server = serve_marked(marker, &[&options[..], &[command]].concat());
        run(async {
            let mut websocket = open(&server, "/").await;
            wait_until_left(server.id(), marker, 1);
            assert_eq!(server.status("/", "localhost", ""), "503");
            if command == "exec sleep 1000" {
                let flood = async {
                    for _ in 0..200 {
                        websocket.send("x".repeat(1 << 20)).await.unwrap();
                    }
                };
                assert!(timeout(Duration::from_millis(500), flood).await.is_err());
            }
            websocket.abort();
        });
        if command == "exec yes" {
            wait_until_left(server.id(), marker, 0);
        }
        // The end of the other's client is noticed by missing Pongs only, but the server's is not
        // late.
        let id = server.id();
        let (code, log) = server.end();
        assert_eq!(code, Some(0), "{log}");
        wait_until_left(id, marker, 0);
    }
}
