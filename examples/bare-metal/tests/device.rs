//! The client on a socket that does not block, against our server.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fullduplex::WebSocket;
use fullduplex::proto::mask::MaskSource;
use fullduplex::proto::{CloseCause, CloseCode, CloseInfo, Initiator, Message};
use fullduplex::server::Server;
use fullduplex_bare_metal::{Client, Link, Progress};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long a test may wait for the server.
const DEADLINE: Duration = Duration::from_secs(20);

/// A socket that gives and takes at most so many bytes at a time, as a slow UART does.
struct Socket {
    stream: TcpStream,
    at_most: usize,
}

impl Link for Socket {
    fn read(&mut self, into: &mut [u8]) -> Result<Option<usize>> {
        let end = self.at_most.min(into.len());
        match self.stream.read(&mut into[..end]) {
            Ok(0) => Ok(None),
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(0)),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.stream.write(&bytes[..self.at_most.min(bytes.len())]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => Ok(other?),
        }
    }

    fn finish(&mut self) {
        // The server may have ended the connection already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }
}

/// The numbers of a device's generator; here they are not random.
#[derive(Debug)]
struct Numbers(u32);

impl MaskSource for Numbers {
    fn next_key(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0.to_be_bytes()
    }
}

struct Device {
    client: Client<Socket>,
    start: Instant,
}

impl Device {
    fn connect(server: SocketAddr, path: &str, at_most: usize) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nonblocking(true).unwrap();
        let link = Socket { stream, at_most };
        let client = Client::new(link, &server.to_string(), path, Box::new(Numbers(1))).unwrap();
        Self { client, start: Instant::now() }
    }

    /// The main loop of a device, until something happens.
    fn next(&mut self) -> Result<Progress> {
        loop {
            match self.client.poll(self.start.elapsed())? {
                Progress::Idle(_) => thread::sleep(Duration::from_micros(100)),
                progress => return Ok(progress),
            }
            assert!(self.start.elapsed() < DEADLINE, "nothing happens");
        }
    }

    fn message(&mut self) -> Message {
        match self.next().unwrap() {
            Progress::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    fn closed(&mut self) -> CloseInfo {
        match self.next().unwrap() {
            Progress::Closed(info) => info,
            other => panic!("{other:?}"),
        }
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> CloseInfo {
        self.client.close(code, reason, self.start.elapsed()).unwrap();
        self.closed()
    }
}

/// What the server does: by the first message that it receives.
async fn serve(mut websocket: WebSocket) {
    while let Some(Ok(message)) = websocket.next().await {
        let sent = match message.as_text() {
            Some("close") => websocket.close(CloseCode::GOING_AWAY, "later").await.map(|_| ()),
            Some("long") => websocket.send(vec![0; 5000]).await,
            _ => websocket.send(message).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn with_server<T: Send + 'static>(run: impl FnOnce(SocketAddr) -> T + Send + 'static) -> T {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(serve));
    let device = tokio::task::spawn_blocking(move || run(address));
    tokio::time::timeout(2 * DEADLINE, device).await.unwrap().unwrap()
}

#[tokio::test]
async fn device_talks_and_closes() {
    let info = with_server(|address| {
        let mut device = Device::connect(address, "/", 3);
        assert!(matches!(device.next().unwrap(), Progress::Opened));
        for length in [0, 5, 125, 126, 4096] {
            device.client.send("x".repeat(length).into()).unwrap();
            assert_eq!(device.message().as_text().unwrap().len(), length);
        }
        device.client.send(vec![0, 255].into()).unwrap();
        assert_eq!(device.message(), Message::from(vec![0, 255]));
        device.close(CloseCode::NORMAL, "done")
    });
    let info = info.await;
    assert!(info.is_clean(), "{info}");
    assert_eq!((info.initiator, info.cause), (Initiator::Local, CloseCause::Handshake));
    assert_eq!((info.code(), info.reason()), (CloseCode::NORMAL, "done"));
}

#[tokio::test]
async fn device_learns_how_the_server_closes() {
    let info = with_server(|address| {
        let mut device = Device::connect(address, "/", 512);
        assert!(matches!(device.next().unwrap(), Progress::Opened));
        device.client.send("close".into()).unwrap();
        device.closed()
    });
    let info = info.await;
    assert!(info.is_clean(), "{info}");
    assert_eq!(info.initiator, Initiator::Peer);
    assert_eq!((info.code(), info.reason()), (CloseCode::GOING_AWAY, "later"));
}

#[tokio::test]
async fn device_refuses_a_long_message() {
    let info = with_server(|address| {
        let mut device = Device::connect(address, "/", 512);
        assert!(matches!(device.next().unwrap(), Progress::Opened));
        device.client.send("long".into()).unwrap();
        device.closed()
    });
    let info = info.await;
    assert_eq!(info.initiator, Initiator::Library);
    // It does not wait for the server's Close.
    assert_eq!(info.sent.map(|close| close.code), Some(CloseCode::MESSAGE_TOO_BIG));
}

#[tokio::test]
async fn device_declines_what_must_wait() {
    with_server(|address| {
        let mut device = Device::connect(address, "/", 512);
        let early = device.client.send("early".into());
        assert_eq!(early, Err(Message::from("early")));
        assert!(matches!(device.next().unwrap(), Progress::Opened));
        let message = Message::from(vec![7; 3000]);
        let sent = (0..10).take_while(|_| device.client.send(message.clone()).is_ok()).count();
        assert_eq!(sent, 3);
        for _ in 0..sent {
            assert_eq!(device.message(), message);
        }
        device.client.send(message).unwrap();
        device.message();
    })
    .await;
}

#[tokio::test]
async fn device_learns_why_it_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = socket.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /data HTTP/1.1\r\n"));
        socket.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    let error = Device::connect(address, "/data", 512).next().unwrap_err();
    answer.join().unwrap();
    assert!(error.to_string().contains("403"), "{error}");
}
