//! The load: connections that keep so many messages in flight and count what comes back.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::payload::Deflate;

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub messages: u64,
    pub payload: u64,
}

/// Runs a load; `mark` is called when the warm-up is over and again at the end.
pub async fn run(
    address: &str,
    connections: usize,
    in_flight: usize,
    frames: Rc<Vec<Vec<u8>>>,
    deflate: Deflate,
    time: (Duration, Duration),
    mut mark: impl FnMut(),
) -> io::Result<Counts> {
    let counts = Rc::new(Cell::new(Counts::default()));
    let mut streams = Vec::new();
    for _ in 0..connections {
        streams.push(open(address, deflate).await?);
    }
    let local = tokio::task::LocalSet::new();
    for (i, stream) in streams.into_iter().enumerate() {
        local.spawn_local(talk(stream, in_flight, frames.clone(), i, counts.clone()));
    }
    let (warm_up, measured) = time;
    local
        .run_until(async {
            tokio::time::sleep(warm_up).await;
            mark();
            let before = counts.get();
            let start = Instant::now();
            tokio::time::sleep(measured).await;
            let after = counts.get();
            mark();
            assert!(start.elapsed() < measured * 2, "the load generator was held up");
            Ok(Counts {
                messages: after.messages - before.messages,
                payload: after.payload - before.payload,
            })
        })
        .await
}

/// Opens connections, and exchanges so many messages on each, one by one.
pub async fn one_by_one(
    address: &str,
    connections: usize,
    frames: &[Vec<u8>],
    messages: usize,
    deflate: Deflate,
) -> io::Result<Vec<TcpStream>> {
    let mut open_ones = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    for _ in 0..connections {
        let mut stream = open(address, deflate).await?;
        let (mut counts, mut reader) = (Counts::default(), Replies::default());
        for i in 0..messages {
            stream.write_all(&frames[i % frames.len()]).await?;
            while counts.messages <= i as u64 {
                let len = stream.read(&mut buffer).await?;
                reader.feed(&buffer[..len], &mut counts);
            }
        }
        open_ones.push(stream);
    }
    Ok(open_ones)
}

/// Does the opening handshake.
async fn open(address: &str, deflate: Deflate) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let offer = match deflate {
        Deflate::Off => "",
        Deflate::Each => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        }
        Deflate::Takeover => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    };
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    let agreed = head.contains("permessage-deflate");
    assert_eq!(agreed, deflate != Deflate::Off, "{head}");
    if agreed {
        let each = head.contains("server_no_context_takeover");
        assert_eq!(each, deflate == Deflate::Each, "{head}");
    }
    Ok(stream)
}

async fn talk(
    mut stream: TcpStream,
    in_flight: usize,
    frames: Rc<Vec<Vec<u8>>>,
    mut next: usize,
    counts: Rc<Cell<Counts>>,
) -> io::Result<()> {
    // With takeover the order matters, so all begin with the first.
    if frames.len() > 1 {
        next = 0;
    }
    let mut batch = Vec::new();
    let mut reader = Replies::default();
    let mut buffer = vec![0; 256 << 10];
    let mut free = in_flight;
    loop {
        batch.clear();
        for _ in 0..free {
            batch.extend_from_slice(&frames[next % frames.len()]);
            next += 1;
        }
        stream.write_all(&batch).await?;
        free = 0;
        while free == 0 {
            let len = stream.read(&mut buffer).await?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let mut total = counts.get();
            let before = total.messages;
            reader.feed(&buffer[..len], &mut total);
            free = (total.messages - before) as usize;
            counts.set(total);
        }
    }
}

/// Walks over the frames of a server.
#[derive(Default)]
struct Replies {
    header: Vec<u8>,
    remaining: u64,
    fin: bool,
}

impl Replies {
    fn feed(&mut self, mut bytes: &[u8], counts: &mut Counts) {
        while !bytes.is_empty() {
            if self.remaining > 0 {
                let step = self.remaining.min(bytes.len() as u64);
                self.remaining -= step;
                bytes = &bytes[step as usize..];
            } else {
                self.header.push(bytes[0]);
                bytes = &bytes[1..];
                let Some((fin, len)) = header(&self.header) else { continue };
                // A server that pings or closes is not asked to.
                assert!(self.header[0] & 8 == 0, "a control frame: {:02x?}", self.header);
                self.header.clear();
                (self.fin, self.remaining) = (fin, len);
                counts.payload += len;
            }
            if self.remaining == 0 && self.header.is_empty() && self.fin {
                counts.messages += 1;
                self.fin = false;
            }
        }
    }
}

fn header(bytes: &[u8]) -> Option<(bool, u64)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let len = match second & 0x7f {
        126 => u64::from(u16::from_be_bytes(*rest.first_chunk()?)),
        127 => u64::from_be_bytes(*rest.first_chunk()?),
        len => u64::from(len),
    };
    Some((first & 0x80 != 0, len))
}
