//! The measured parts of the codec.

use std::hint::black_box;
use std::time::Duration;

use fullduplex_proto::bytes::{Buf, Bytes, BytesMut};
use fullduplex_proto::handshake::http1::{HeadFinder, HeadLimits, RequestHead, write_response};
use fullduplex_proto::mask::{self, MaskSource};
use fullduplex_proto::utf8::Utf8Validator;
use fullduplex_proto::{
    Assembler, Config, DeflateConfig, Limits, MessageKind, PerMessageDeflate, ReceiveBuffer,
    Receiver, Role, SendConfig, Session,
};

use crate::payload::{self, Random};

/// A piece of work of the codec.
pub struct Work {
    pub name: String,
    /// The payload bytes of one repetition.
    pub bytes: usize,
    /// The number of repetitions in one run.
    pub times: usize,
    pub make: Box<dyn Fn() -> Box<dyn FnMut()>>,
}

const SIZES: [usize; 5] = [16, 128, 1 << 10, 16 << 10, 1 << 20];
/// The number of frames in one read of case b.
const BATCH: usize = 16;

pub fn all() -> Vec<Work> {
    let mut works = Vec::new();
    for size in SIZES {
        works.push(work("parse", size, move || parse(size)));
        works.push(work("message", size, move || message(MessageKind::Binary, size, 1)));
        works.push(work("write", size, move || write(server(), size, 1)));
        works.push(work("write-masked", size, move || write(client(roomy()), size, 1)));
        works.push(work("mask", size, move || mask(size)));
    }
    works.push(batch("message-batch", 64, || message(MessageKind::Binary, 64, BATCH)));
    works.push(batch("text-batch", 64, || message(MessageKind::Text, 64, BATCH)));
    works.push(work("text", 1 << 10, || message(MessageKind::Text, 1 << 10, 1)));
    works.push(batch("write-batch", 64, || write(server(), 64, BATCH)));
    works.push(work("utf8-ascii", 16 << 10, || utf8(vec![b'a'; 16 << 10])));
    works.push(work("utf8-mixed", 16 << 10, || utf8(payload::mixed_text(16 << 10))));
    works.push(work("handshake", REQUEST.len(), handshake));
    works.push(work("deflate-shared", 1 << 10, || deflate(&DeflateConfig::small_memory())));
    works.push(work("deflate-balanced", 1 << 10, || deflate(&DeflateConfig::balanced())));
    works.push(work("inflate-shared", 1 << 10, || inflate(&DeflateConfig::small_memory())));
    works
}

fn work<F: Fn() -> Run + 'static>(name: &str, bytes: usize, make: F) -> Work {
    let name = format!("{name}/{bytes}");
    Work { name, bytes, times: 1, make: Box::new(make) }
}

fn batch<F: Fn() -> Run + 'static>(name: &str, bytes: usize, make: F) -> Work {
    Work { times: BATCH, ..work(name, bytes, make) }
}

type Run = Box<dyn FnMut()>;

#[derive(Debug)]
struct Keys(Random);

impl MaskSource for Keys {
    fn next_key(&mut self) -> [u8; 4] {
        *self.0.draw().to_ne_bytes().first_chunk().expect("eight bytes")
    }
}

fn roomy() -> SendConfig {
    SendConfig::default().high_water(4 << 20)
}

/// An open session of a server.
fn server() -> Session {
    open(Session::server(&Config::default().send(roomy())))
}

/// An open session of a client.
fn client(send: SendConfig) -> Session {
    let config = Config::default().send(send);
    open(Session::client(Box::new(Keys(Random(1))), &config))
}

fn open(mut session: Session) -> Session {
    session.open(Duration::ZERO);
    session
}

/// A client's frame.
fn frame(kind: MessageKind, payload: &[u8]) -> Vec<u8> {
    let config = roomy().fragment_size(usize::MAX);
    let mut session = client(config);
    session.send(kind, Bytes::copy_from_slice(payload)).expect("room");
    let mut out = session.outgoing();
    out.copy_to_bytes(out.remaining()).to_vec()
}

/// Header and payload of one frame, in place. What was unmasked is masked the next time.
fn parse(size: usize) -> Run {
    let mut bytes = frame(MessageKind::Binary, &vec![0x55; size]);
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    Box::new(move || {
        let step = receiver.receive(&mut bytes).expect("valid");
        assert_eq!(black_box(step).consumed, size + header(size));
    })
}

fn header(size: usize) -> usize {
    match size {
        0..126 => 6,
        126..0x1_0000 => 8,
        _ => 14,
    }
}

/// Whole messages from a read block, which is filled again each time.
fn message(kind: MessageKind, size: usize, count: usize) -> Run {
    let bytes = frame(kind, &vec![0x55; size]).repeat(count);
    let mut receiver = Receiver::new(Role::Server, Limits::default());
    let (mut input, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
    let mut block = BytesMut::new();
    Box::new(move || {
        block.reserve(bytes.len());
        block.extend_from_slice(&bytes);
        *input.bytes_mut() = block.split();
        for _ in 0..count {
            let found = input.next(&mut receiver, &mut assembler).expect("valid");
            assert!(black_box(found).is_some());
        }
    })
}

fn write(mut session: Session, size: usize, count: usize) -> Run {
    let payload = Bytes::from(vec![0x55; size]);
    Box::new(move || {
        for _ in 0..count {
            session.send(MessageKind::Binary, payload.clone()).expect("room");
        }
        let mut out = session.outgoing();
        while out.has_remaining() {
            let len = black_box(out.chunk()).len();
            out.advance(len);
        }
    })
}

fn mask(size: usize) -> Run {
    let mut bytes = vec![0x55; size];
    Box::new(move || {
        black_box(mask::apply(black_box(&mut bytes), [1, 2, 3, 4]));
    })
}

fn utf8(text: Vec<u8>) -> Run {
    Box::new(move || {
        let mut validator = Utf8Validator::default();
        validator.push(black_box(&text)).expect("text");
        assert!(validator.is_complete());
    })
}

/// A request as a browser sends it.
const REQUEST: &str = "GET /chat?room=7 HTTP/1.1\r\n\
    Host: example.com\r\n\
    Connection: Upgrade\r\n\
    Pragma: no-cache\r\n\
    Cache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Upgrade: websocket\r\n\
    Origin: https://example.com\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// From a request's bytes to a response's.
fn handshake() -> Run {
    Box::new(|| {
        let limits = HeadLimits::default();
        let request = black_box(REQUEST.as_bytes());
        let end = HeadFinder::request(limits).find(request).expect("a head").expect("whole");
        let head = RequestHead::parse(&request[..end], &limits).expect("a request");
        let offer = head.as_request().offer().expect("a good one");
        let accepted = offer.accept(None, Vec::new()).expect("nothing wrong");
        let fields = accepted.headers().map(|(name, value)| (name, value.as_bytes()));
        let response = write_response(accepted.status(), accepted.reason_phrase(), fields);
        black_box(response.expect("valid fields"));
    })
}

/// Returns the negotiated parameters if the client offers everything that this configuration wants.
fn agreed(config: &DeflateConfig) -> PerMessageDeflate {
    config.accept(&config.offers()).expect("its own offer").1
}

fn deflate(config: &DeflateConfig) -> Run {
    let mut session = server().with_deflate(&agreed(config));
    let messages = payload::messages(1 << 10, 8).into_iter().map(Bytes::from).collect::<Vec<_>>();
    let mut next = 0;
    Box::new(move || {
        session.send(MessageKind::Text, messages[next % messages.len()].clone()).expect("room");
        next += 1;
        let mut out = session.outgoing();
        out.advance(out.remaining());
    })
}

fn inflate(config: &DeflateConfig) -> Run {
    let agreed = agreed(config);
    let mut session = client(roomy()).with_deflate(&agreed);
    let message = payload::messages(1 << 10, 1).remove(0);
    session.send(MessageKind::Text, Bytes::from(message)).expect("room");
    let mut out = session.outgoing();
    let bytes = out.copy_to_bytes(out.remaining());
    let mut receiver = Receiver::new(Role::Server, Limits::default()).with_deflate(&agreed);
    let (mut input, mut assembler) = (ReceiveBuffer::default(), Assembler::default());
    Box::new(move || {
        input.bytes_mut().extend_from_slice(&bytes);
        let found = input.next(&mut receiver, &mut assembler).expect("valid");
        assert!(black_box(found).is_some());
    })
}
