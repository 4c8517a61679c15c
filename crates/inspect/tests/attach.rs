//! The tap of running programs: what readers see of clients and servers, and when they lose.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "attach", unix))]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fullduplex::client::Proxies;
use fullduplex::server::{Server, ServerConfig};
use fullduplex::tap::Tap;
use fullduplex::{Client, CloseCode, DeflateConfig, WebSocket};
use fullduplex_inspect::Conversation;
use fullduplex_inspect::attach::{AttachConfig, AttachTap};
use fullduplex_inspect::proto::Role;
use fullduplex_inspect::recording::{Record, RecordKind};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// The longest time that a test waits for something.
const DEADLINE: Duration = Duration::from_secs(20);

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("fullduplex-attach-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server of an echo with the tap.
async fn echo(tap: &Arc<AttachTap>, deflate: Option<DeflateConfig>) -> SocketAddr {
    let config = ServerConfig::default().deflate(deflate).tap(tap.clone() as Arc<dyn Tap>);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|mut websocket: WebSocket| async move {
        while let Some(Ok(message)) = websocket.next().await {
            if websocket.send(message).await.is_err() {
                return;
            }
        }
    }));
    address
}

async fn connect(address: SocketAddr, deflate: Option<DeflateConfig>) -> WebSocket {
    let client = Client::builder().proxies(Proxies::none()).deflate(deflate).build().unwrap();
    client.connect(format!("ws://{address}/room?a=1")).await.unwrap().0
}

async fn say(websocket: &mut WebSocket, text: &str) {
    websocket.send(text).await.unwrap();
    let answer = timeout(DEADLINE, websocket.next()).await.unwrap();
    assert_eq!(answer.unwrap().unwrap().as_text(), Some(text));
}

/// A reader, with the first line, which it has read.
struct Reader {
    lines: BufReader<UnixStream>,
    greeting: Value,
}

impl Reader {
    async fn attach(path: &Path) -> Self {
        let path = path.to_owned();
        spawn_blocking(move || {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            Self { lines, greeting: serde_json::from_str(&line).unwrap() }
        })
        .await
        .unwrap()
    }

    /// Reads until the line that is asked for.
    async fn until(mut self, is_last: impl Fn(&Record) -> bool + Send + 'static) -> Vec<Record> {
        spawn_blocking(move || {
            let mut records = Vec::new();
            loop {
                let mut line = String::new();
                assert!(self.lines.read_line(&mut line).unwrap() > 0, "ended: {records:?}");
                if let Some(record) = Record::parse(&line).unwrap() {
                    records.push(record);
                    if is_last(records.last().unwrap()) {
                        return records;
                    }
                }
            }
        })
        .await
        .unwrap()
    }
}

fn is_end_of(sender: Role) -> impl Fn(&Record) -> bool + Send + 'static {
    move |record| matches!(&record.kind, RecordKind::End { sender: who, .. } if *who == sender)
}

/// What the frames of a side say, and what they break. The numbers are of bytes that were lost.
fn messages(records: &[Record], sender: Role) -> Vec<Result<String, u64>> {
    let mut said = Vec::new();
    let mut conversation = Conversation::new();
    for Record { at, kind, .. } in records {
        match kind {
            RecordKind::Open(opening) => {
                conversation = Conversation::new().with_deflate(opening.deflate());
            }
            RecordKind::Bytes { sender: who, bytes } => {
                conversation.push(*who, bytes, *at, |shown| {
                    assert_eq!(shown.frame.violation, None);
                    if let (Some(message), true) = (shown.frame.message, *who == sender) {
                        let text = String::from_utf8_lossy(&message.payload).into_owned();
                        let stop = message.inflation_stop.map(|stop| format!("{stop:?}"));
                        said.push(Ok(stop.unwrap_or(text)));
                    }
                });
            }
            RecordKind::Lost { sender: who, bytes } => {
                conversation.skip(*who);
                if *who == sender {
                    said.push(Err(*bytes));
                }
            }
            _ => {}
        }
    }
    said
}

#[tokio::test]
async fn attach_socket_is_of_its_user_and_replaces_no_other_file() {
    let folder = Folder::new("file");
    let path = folder.socket();
    fs::write(&path, "precious").unwrap();
    assert!(AttachTap::bind(&path).unwrap_err().to_string().contains("is not a socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    let tap = AttachTap::bind(&path).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert!(AttachTap::bind(&path).is_err(), "it listens");
    assert_eq!(tap.path(), path);
    // A reader that is there at the end learns of it.
    let mut reader = Reader::attach(&path).await;
    assert_eq!(reader.greeting["process"], std::process::id());
    assert_eq!(reader.greeting["unobserved"], 0);
    drop(tap);
    let end = spawn_blocking(move || reader.lines.read(&mut [0]).unwrap()).await.unwrap();
    assert_eq!(end, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn attach_shows_what_is_opened_after_it_and_counts_what_was_before() {
    let folder = Folder::new("after");
    let tap = Arc::new(AttachTap::bind(folder.socket()).unwrap());
    let deflate = Some(DeflateConfig::default());
    let address = echo(&tap, deflate).await;
    let mut before = connect(address, deflate).await;
    say(&mut before, "before").await;
    let reader = Reader::attach(&folder.socket()).await;
    assert_eq!(reader.greeting["unobserved"], 1);
    let mut after = connect(address, deflate).await;
    say(&mut before, "still not seen").await;
    let long = "long and long and ".repeat(9000);
    say(&mut after, &long).await;
    say(&mut after, "after").await;
    assert!(after.close(CloseCode::NORMAL, "bye").await.unwrap().is_clean());
    let records = reader.until(is_end_of(Role::Server)).await;
    let RecordKind::Open(opening) = &records[0].kind else { panic!("{records:?}") };
    assert_eq!(opening.url, format!("ws://{address}/room?a=1"));
    assert_eq!((&*opening.version, &*opening.method, opening.status), ("HTTP/1.1", "GET", 101));
    assert!(opening.response_field("sec-websocket-accept").is_some(), "{opening:?}");
    assert!(records.iter().all(|record| record.connection == 1), "{records:?}");
    for sender in [Role::Client, Role::Server] {
        let cut = Ok(long[..64 << 10].to_owned());
        assert_eq!(messages(&records, sender), [cut, Ok("after".to_owned())]);
    }
}

#[tokio::test]
async fn attach_that_follows_always_shows_earlier_websockets_from_their_next_message_on() {
    let folder = Folder::new("always");
    let config = AttachConfig::default().always(true);
    let tap = Arc::new(AttachTap::bind_with(folder.socket(), config).unwrap());
    for (deflate, expected) in
        [(None, "next ".repeat(40)), (Some(DeflateConfig::default()), "HistoryLost".into())]
    {
        let mut websocket = connect(echo(&tap, deflate).await, deflate).await;
        say(&mut websocket, &"first ".repeat(40)).await;
        let reader = Reader::attach(&folder.socket()).await;
        say(&mut websocket, &"next ".repeat(40)).await;
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
        let records = reader.until(is_end_of(Role::Server)).await;
        assert!(matches!(records[0].kind, RecordKind::Open(_)));
        let said = messages(&records, Role::Server);
        assert!(matches!(said[..], [Err(lost), Ok(_)] if lost > 4), "{said:?}");
        assert_eq!(said[1], Ok(expected));
    }
}

#[tokio::test]
async fn attach_reader_that_is_slow_loses_whole_messages_and_slows_nobody() {
    let folder = Folder::new("slow");
    let config = AttachConfig::default().max_waiting(64 << 10).max_readers(1);
    let tap = Arc::new(AttachTap::bind_with(folder.socket(), config).unwrap());
    let address = echo(&tap, None).await;
    let reader = Reader::attach(&folder.socket()).await;
    // More is let go.
    let mut second = UnixStream::connect(folder.socket()).unwrap();
    let end = spawn_blocking(move || second.read(&mut [0]).unwrap()).await.unwrap();
    assert_eq!(end, 0);
    let mut websocket = connect(address, None).await;
    let (count, len) = (2000_u64, 2000);
    for number in 0..count {
        say(&mut websocket, &format!("{number} {}", ".".repeat(len))).await;
    }
    websocket.close(CloseCode::NORMAL, "").await.unwrap();
    let records = reader.until(is_end_of(Role::Server)).await;
    let mut seen = 0;
    for record in &records {
        seen += match &record.kind {
            RecordKind::Bytes { sender: Role::Server, bytes } => bytes.len() as u64,
            RecordKind::Lost { sender: Role::Server, bytes } => *bytes,
            _ => 0,
        };
    }
    let digits: usize = (0..count).map(|number| number.to_string().len()).sum();
    // Each with a header of 4 bytes, and a Close of 4.
    assert_eq!(seen, count * (len as u64 + 1 + 4) + digits as u64 + 4);
    let said = messages(&records, Role::Server);
    assert!(said[0].as_ref().unwrap().starts_with("0 ."), "{:?}", said[0]);
    assert!(said.iter().any(Result::is_err), "it lost nothing");
}
