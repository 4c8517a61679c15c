//! A client of Socket.IO on a WebSocket, whose work is small beside the server's.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A packet of Engine.IO with its type.
    Text(String),
    /// A Close frame with its code and its reason.
    Close(u16, String),
}

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Where what is not handled yet begins.
    start: usize,
    out: Vec<u8>,
}

impl Client {
    /// Connects to the main namespace, and waits until the server has said so.
    pub async fn connect(server: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {server}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
        }
        let mut client = Self { stream, buffer: Vec::new(), start: 0, out: Vec::new() };
        client.expect("0").await?;
        client.queue("40");
        client.flush().await?;
        client.expect("40").await?;
        // What is not needed is not held, as there are thousands.
        (client.buffer, client.start) = (Vec::new(), 0);
        Ok(client)
    }

    async fn expect(&mut self, prefix: &str) -> io::Result<()> {
        match self.receive().await? {
            Received::Text(text) if text.starts_with(prefix) => Ok(()),
            other => Err(io::Error::other(format!("{other:?} instead of {prefix}"))),
        }
    }

    /// Adds a message to what [`flush`](Self::flush) sends. Its mask is zero, which costs nothing.
    pub fn queue(&mut self, text: &str) {
        let len = u8::try_from(text.len()).ok().filter(|len| *len < 126);
        self.out.extend([0x81, 0x80 | len.expect("short messages only"), 0, 0, 0, 0]);
        self.out.extend(text.as_bytes());
    }

    pub async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// Returns the next message. Pings are answered by the next flush.
    pub async fn receive(&mut self) -> io::Result<Received> {
        loop {
            if let Some(received) = self.next_if_there()? {
                return Ok(received);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Returns the next message, if it is there already.
    pub fn next_if_there(&mut self) -> io::Result<Option<Received>> {
        while let Some(received) = self.parse()? {
            match received {
                Received::Text(text) if text == "2" => self.queue("3"),
                received => return Ok(Some(received)),
            }
        }
        Ok(None)
    }

    fn parse(&mut self) -> io::Result<Option<Received>> {
        let Some((kind, len, head)) = header(&self.buffer[self.start..]) else { return Ok(None) };
        let begin = self.start + head;
        let Some(payload) = self.buffer.get(begin..begin + len) else { return Ok(None) };
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).map_err(|_| io::Error::other("not UTF-8"))
        };
        let received = match (kind, payload) {
            (1, payload) => Received::Text(text(payload)?),
            (8, [a, b, reason @ ..]) => {
                Received::Close(u16::from_be_bytes([*a, *b]), text(reason)?)
            }
            _ => return Err(io::Error::other(format!("a frame with opcode {kind}"))),
        };
        self.start = begin + len;
        Ok(Some(received))
    }
}

/// Returns the opcode, the length of the payload and that of the header.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let (len, head) = match second {
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into(), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        len => (len.into(), 2),
    };
    Some((first & 15, len, head))
}
