//! Sockets of attackers, blocking unless said otherwise, and frames by hand.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

/// The bytes that attackers have written without waiting.
pub(crate) static FLOODED: AtomicU64 = AtomicU64::new(0);

/// What the system may keep of a flood on the attacker's side, so that what is written is soon
/// what the server has read.
const SEND_BUFFER: usize = 32 << 10;

/// Connects from one of many addresses of this machine.
pub(crate) fn connect_from(i: usize, address: SocketAddr) -> TcpStream {
    let source = Ipv4Addr::new(
        127,
        0,
        1 + u8::try_from(i / 250 % 250).unwrap(),
        1 + u8::try_from(i % 250).unwrap(),
    );
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

pub(crate) fn connect_many(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|i| connect_from(i, address)).collect()
}

/// Whether the other end has ended it: reads what has come, without waiting.
pub(crate) fn gone(socket: &mut TcpStream) -> bool {
    socket.set_nonblocking(true).unwrap();
    let mut block = [0; 16 << 10];
    let gone = loop {
        match socket.read(&mut block) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break false,
            Err(_) => break true,
        }
    };
    socket.set_nonblocking(false).unwrap();
    gone
}

/// How many were ended by the other end.
pub(crate) fn count_gone(sockets: &mut [TcpStream]) -> usize {
    sockets.iter_mut().map(|socket| usize::from(gone(socket))).sum()
}

/// What has come, and comes within a moment.
pub(crate) fn read_some(socket: &mut TcpStream) -> String {
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut text = Vec::new();
    let _ = socket.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes without waiting: how much was taken, or `None` if the other end is gone.
pub(crate) fn write_now(socket: &mut TcpStream, bytes: &[u8]) -> Option<usize> {
    socket.set_nonblocking(true).unwrap();
    let written = socket.write(bytes);
    socket.set_nonblocking(false).unwrap();
    match written {
        Ok(n) => {
            FLOODED.fetch_add(n as u64, Relaxed);
            Some(n)
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}

/// Writes as much as is taken, all over again, until the other end is gone.
pub(crate) fn flood(mut socket: TcpStream, bytes: &[u8], at_most: Duration) -> bool {
    let deadline = Instant::now() + at_most;
    SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER).unwrap();
    let mut from = 0;
    while Instant::now() < deadline {
        match write_now(&mut socket, &bytes[from..]) {
            Some(0) => thread::sleep(Duration::from_millis(1)),
            Some(n) => from = (from + n) % bytes.len(),
            None => return true,
        }
    }
    gone(&mut socket)
}

/// The same from many sockets at once, each in a thread; how many were cut.
pub(crate) fn flood_many(sockets: Vec<TcpStream>, bytes: &[u8], at_most: Duration) -> usize {
    thread::scope(|scope| {
        let floods: Vec<_> = sockets
            .into_iter()
            .map(|socket| scope.spawn(|| flood(socket, bytes, at_most)))
            .collect();
        floods.into_iter().filter_map(|flood| flood.join().unwrap().then_some(())).count()
    })
}

/// The head of a request for a WebSocket.
pub(crate) fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// A WebSocket, with its frames in the attacker's hands.
pub(crate) fn open(i: usize, address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = connect_from(i, address);
    socket.write_all(upgrade(path, "").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    socket
}

pub(crate) fn open_many(address: SocketAddr, path: &str, count: usize) -> Vec<TcpStream> {
    (0..count).map(|i| open(i, address, path)).collect()
}

/// A frame with a mask of zeros (RFC 6455 §5.2); `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..0x1_0000 => {
            frame.push(0xFE);
            frame.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            frame.push(0xFF);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// The code of the Close frame that ends what the server has sent.
pub(crate) fn close_code(socket: &mut TcpStream) -> Option<u16> {
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all);
    let at =
        all.windows(2).rposition(|bytes| bytes[0] == 0x88 && bytes[1] >= 2 && bytes[1] < 126)?;
    let code = all.get(at + 2..at + 4)?;
    Some(u16::from_be_bytes([code[0], code[1]]))
}
