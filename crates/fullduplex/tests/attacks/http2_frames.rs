//! HTTP/2 by hand: frames (RFC 9113 §4) and literal header fields (RFC 7541 §6.2).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::attacked_server::AttackedServer;
use crate::sockets::connect_from;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(crate) const INITIAL_WINDOW: u16 = 4;

/// A frame as it was received.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An integer with a prefix of 7 bits (RFC 7541 §5.1).
fn integer(value: usize) -> Vec<u8> {
    let Some(mut rest) = value.checked_sub(127) else { return vec![u8::try_from(value).unwrap()] };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A field, with `0` as its first byte for one that is not remembered, `0x40` for one that is.
pub(crate) fn field_of(first: u8, name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![first];
    for part in [name, value] {
        bytes.extend(integer(part.len()));
        bytes.extend(part.as_bytes());
    }
    bytes
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field_of(0, name, value)).collect()
}

/// The fields of a request for a WebSocket (RFC 8441 §5).
pub(crate) fn websocket(path: &str) -> Vec<u8> {
    block(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("sec-websocket-version", "13"),
    ])
}

/// The fields of a request for a page.
pub(crate) fn get(path: &str) -> Vec<u8> {
    block(&[(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "localhost")])
}

/// A connection, with these settings.
pub(crate) fn connect(i: usize, server: &AttackedServer, settings: &[(u16, u32)]) -> TcpStream {
    connect_to(i, server.address, settings)
}

pub(crate) fn connect_to(i: usize, address: SocketAddr, settings: &[(u16, u32)]) -> TcpStream {
    let mut socket = connect_from(i, address);
    let mut values = Vec::new();
    for (name, value) in settings {
        values.extend(name.to_be_bytes());
        values.extend(value.to_be_bytes());
    }
    let mut begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    begin.extend(frame(SETTINGS, 0, 0, &values));
    socket.write_all(&begin).unwrap();
    socket
}

/// The frames that come until nothing has come for a moment, or the connection ends.
pub(crate) fn frames(socket: &mut TcpStream) -> Vec<Frame> {
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut all = Vec::new();
    let mut head = [0; 9];
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        if socket.read_exact(&mut payload).is_err() {
            break;
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        all.push(Frame { kind: head[3], stream, payload });
    }
    all
}
