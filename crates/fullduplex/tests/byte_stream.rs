//! A WebSocket as a stream of bytes: which ends are ends of the stream and which are errors, and
//! that its two directions end on their own.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::io::{Error as IoError, ErrorKind as Io};
use std::time::Duration;

use common::{open, pair};
use fullduplex::server::Server;
use fullduplex::{ByteStream, CloseCause, CloseCode, Config, Error, Initiator, Role, Transport};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const MANY: usize = 400_000;
const S: Duration = Duration::from_secs(1);

fn inside(error: &IoError) -> &Error {
    error.get_ref().unwrap().downcast_ref().unwrap()
}

/// What can be read, and the error at its end.
async fn read<S: Transport>(stream: &mut ByteStream<S>) -> (usize, Option<IoError>) {
    let mut received = Vec::new();
    let error = stream.read_to_end(&mut received).await.err();
    (received.len(), error)
}

/// The commonest of all errors: the sender fails in the middle, and its stream is dropped.
#[tokio::test]
async fn byte_stream_of_a_sender_that_failed_ends_with_an_error() {
    for (panics, code) in [
        (None, None),
        (Some(false), Some(CloseCode::GOING_AWAY)),
        (Some(true), Some(CloseCode::INTERNAL_ERROR)),
    ] {
        let (client, server) = pair(1 << 12);
        let (mut sender, mut reader) = (client.into_byte_stream(), server.into_byte_stream());
        let sending: JoinHandle<()> = tokio::spawn(async move {
            sender.write_all(&vec![7; MANY]).await.unwrap();
            match panics {
                None => sender.shutdown().await.unwrap(),
                Some(false) => {}
                Some(true) => panic!("in the middle, as this test has it"),
            }
        });
        let (len, error) = read(&mut reader).await;
        assert_eq!(len, MANY);
        let Some(code) = code else {
            assert!(error.is_none(), "{error:?}");
            continue;
        };
        let error = error.unwrap();
        assert_eq!(error.kind(), Io::ConnectionAborted, "{error}");
        let info = inside(&error).close_info().unwrap();
        assert_eq!((info.code(), info.initiator), (code, Initiator::Peer));
        assert!(!info.is_normal());
        // Who reads on is not told that all is well either.
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap_err().kind(), Io::ConnectionAborted);
        let _ = sending.await;
    }
}

/// What a peer does, byte for byte.
#[tokio::test(start_paused = true)]
async fn byte_stream_ends_as_its_peer_closes() {
    let close = |code: u16| [&[0x88, 2][..], &code.to_be_bytes()].concat();
    let aborted = Some((Io::ConnectionAborted, CloseCause::Handshake));
    let cases = [
        (close(1000), true, None),
        (vec![0x88, 0], true, None),
        (close(1001), true, aborted),
        (close(1011), true, aborted),
        (close(1013), true, aborted),
        (close(4000), true, aborted),
        (vec![], false, Some((Io::UnexpectedEof, CloseCause::TransportEnd))),
        // In the middle of a message.
        (vec![0x02, 3, 1, 2, 3], false, Some((Io::UnexpectedEof, CloseCause::TransportEnd))),
        (vec![], true, Some((Io::TimedOut, CloseCause::KeepaliveTimeout))),
    ];
    for (bytes, stays, expected) in cases {
        let (a, mut b) = pipe(1 << 12);
        let mut stream = open(a, Role::Client, Config::default()).into_byte_stream();
        b.write_all(&[0x82, 3, 1, 2, 3]).await.unwrap();
        b.write_all(&bytes).await.unwrap();
        let _kept = stays.then_some(b);
        let (len, error) = read(&mut stream).await;
        assert_eq!(len, 3, "{bytes:02x?}");
        let found = error.map(|error| (error.kind(), inside(&error).close_info().unwrap().cause));
        assert_eq!(found, expected, "{bytes:02x?}");
    }
    let (a, mut b) = pipe(1 << 12);
    let mut stream = open(a, Role::Client, Config::default()).into_byte_stream();
    b.write_all(&[0x83, 0]).await.unwrap();
    let (_, error) = read(&mut stream).await;
    assert_eq!(error.unwrap().kind(), Io::InvalidData);
}

/// A peer that answers this end's shutdown with 1001 had more to send.
#[tokio::test]
async fn byte_stream_ends_with_an_error_where_the_answer_is_not_normal() {
    let (client, server) = pair(1 << 12);
    let (mut client, mut server) = (client.into_byte_stream(), server.into_byte_stream());
    client.write_all(b"all of it").await.unwrap();
    client.shutdown().await.unwrap();
    let (len, end) = read(&mut server).await;
    assert_eq!((len, end.map(|end| end.kind())), (9, None));
    server.write_all(b"a part of it").await.unwrap();
    drop(server);
    let (len, error) = read(&mut client).await;
    let error = error.unwrap();
    assert_eq!((len, error.kind()), (12, Io::ConnectionAborted));
    assert!(error.to_string().contains("1001"), "{error}");
}

/// A question, its end, and an answer that takes longer than the closing may, but flows.
#[tokio::test(start_paused = true)]
async fn byte_stream_half_close_leaves_the_answer_its_way() {
    for asks in [Role::Client, Role::Server] {
        let (client, server) = pair(1 << 12);
        let (asking, answering) =
            if asks == Role::Client { (client, server) } else { (server, client) };
        let (mut asking, mut answering) = (asking.into_byte_stream(), answering.into_byte_stream());
        let answer = tokio::spawn(async move {
            let (len, error) = read(&mut answering).await;
            assert_eq!((len, error.map(|error| error.kind())), (MANY, None));
            for _ in 0..5 {
                sleep(8 * S).await;
                answering.write_all(&vec![1; MANY / 5]).await.unwrap();
            }
            answering.shutdown().await.unwrap();
            answering
        });
        asking.write_all(&vec![1; MANY]).await.unwrap();
        asking.shutdown().await.unwrap();
        asking.write_all(b"more").await.unwrap_err();
        let (len, error) = read(&mut asking).await;
        assert_eq!((len, error.map(|error| error.kind())), (MANY, None), "{asks:?}");
        drop(asking);
        let answering = answer.await.unwrap();
        let info = answering.get_ref().close_info().unwrap();
        assert!(info.is_clean() && info.is_normal(), "{info:?}");
    }
}

/// One that neither sends nor ends is not waited for without end, and nobody takes what there is
/// for all of it.
#[tokio::test(start_paused = true)]
async fn byte_stream_half_close_has_the_close_deadline() {
    let (client, server) = pair(1 << 12);
    let (mut asking, mut answering) = (client.into_byte_stream(), server.into_byte_stream());
    asking.shutdown().await.unwrap();
    let start = Instant::now();
    let answering = tokio::spawn(async move {
        assert_eq!(read(&mut answering).await.0, 0);
        answering.write_all(b"a part").await.unwrap();
        sleep(25 * S).await;
        let refused = answering.write_all(b"the rest").await.unwrap_err();
        assert!(matches!(refused.kind(), Io::BrokenPipe | Io::ConnectionAborted), "{refused:?}");
    });
    let (len, error) = read(&mut asking).await;
    let error = error.unwrap();
    assert_eq!(len, 6);
    assert!(matches!(error.kind(), Io::TimedOut | Io::ConnectionAborted), "{error:?}");
    assert!((10..=21).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    answering.await.unwrap();
}

/// One that was dropped waits no longer than any other WebSocket for what nobody reads.
#[tokio::test(start_paused = true)]
async fn byte_stream_that_was_dropped_has_the_close_deadline_though_its_peer_goes_on() {
    for (role, shuts_down) in [(Role::Client, true), (Role::Server, true), (Role::Server, false)] {
        let (a, mut b) = pipe(1 << 12);
        let mut stream = open(a, role, Config::default()).into_byte_stream();
        // The beginning of a long message, whose bytes come one by one.
        let head: &[u8] = &[0x82, 0x7e, 0xff, 0xff];
        let masked: &[u8] = &[0x82, 0xfe, 0xff, 0xff, 0, 0, 0, 0];
        b.write_all(if role == Role::Client { head } else { masked }).await.unwrap();
        if shuts_down {
            stream.shutdown().await.unwrap();
        }
        drop(stream);
        let start = Instant::now();
        while b.write_all(&[0]).await.is_ok() {
            assert!(start.elapsed() < 30 * S, "{role:?}, {shuts_down}: it goes on");
            sleep(9 * S).await;
        }
    }
}

/// What is not written is not shut down: the peer ended its side without a Close, or left with
/// bytes on their way.
#[tokio::test(start_paused = true)]
async fn byte_stream_shutdown_fails_where_it_is_in_vain() {
    let (a, mut b) = pipe(1 << 12);
    let mut stream = open(a, Role::Client, Config::default()).into_byte_stream();
    b.shutdown().await.unwrap();
    read(&mut stream).await.1.unwrap();
    let error = stream.shutdown().await.unwrap_err();
    assert_eq!(error.kind(), Io::UnexpectedEof, "{error}");
    assert_eq!(inside(&error).close_info().unwrap().cause, CloseCause::TransportEnd);

    let (a, mut b) = pipe(1 << 10);
    let mut stream = open(a, Role::Client, Config::default()).into_byte_stream();
    stream.write_all(&vec![7; 20_000]).await.unwrap();
    b.write_all(&[0x88, 2, 0x03, 0xe8]).await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    drop(b);
    let error = timeout(S, stream.shutdown()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Io::BrokenPipe, "{error}");
    assert!(!inside(&error).close_info().unwrap().close_sent);
}

/// The peer closes and waits, as a browser does: a byte stream that has nothing more to send
/// answers as soon as it ends, and one that is dropped, or ended with a code, at once.
#[tokio::test(start_paused = true)]
async fn byte_stream_answers_a_close_when_it_ends() {
    for code in [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::INTERNAL_ERROR] {
        let (a, mut b) = pipe(1 << 12);
        let mut stream = open(a, Role::Server, Config::default()).into_byte_stream();
        b.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await.unwrap();
        let (len, error) = read(&mut stream).await;
        assert_eq!((len, error.map(|error| error.kind())), (0, None));
        match code {
            CloseCode::NORMAL => stream.shutdown().await.unwrap(),
            CloseCode::GOING_AWAY => drop(stream),
            _ => {
                stream.get_mut().start_close(code, "").unwrap();
                drop(stream.into_inner());
            }
        }
        let mut answer = [0; 4];
        timeout(S, b.read_exact(&mut answer)).await.unwrap().unwrap();
        let code = u16::from(code);
        assert_eq!(
            (answer[..2].to_vec(), answer[2..].to_vec()),
            (vec![0x88, 2], code.to_be_bytes().to_vec())
        );
    }
}

/// TCP through two ends of ours, as a tunnel has it: a client that shuts its side down, as
/// `nc -N` does, hears the answer; and a reset is no end.
#[tokio::test]
async fn byte_stream_tunnel_carries_half_close_and_resets() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target_at = target.local_addr().unwrap();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(move |websocket| async move {
        let mut tcp = TcpStream::connect(target_at).await.unwrap();
        let _ = copy_bidirectional(&mut websocket.into_byte_stream(), &mut tcp).await;
    }));
    let entrance = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let entrance_at = entrance.local_addr().unwrap();
    let tunnel = tokio::spawn(async move {
        let mut copied = Vec::new();
        for _ in 0..2 {
            let (mut tcp, _) = entrance.accept().await.unwrap();
            let client = common::direct().build().unwrap();
            let (websocket, _) = client.connect(&url).await.unwrap();
            copied.push(copy_bidirectional(&mut tcp, &mut websocket.into_byte_stream()).await);
        }
        copied
    });
    for resets in [false, true] {
        let mut client = TcpStream::connect(entrance_at).await.unwrap();
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut tcp, _) = target.accept().await.unwrap();
        let mut question = Vec::new();
        timeout(10 * S, tcp.read_to_end(&mut question)).await.unwrap().unwrap();
        assert_eq!(question, b"question");
        tcp.write_all(b"answer").await.unwrap();
        if resets {
            let mut part = [0; 6];
            timeout(10 * S, client.read_exact(&mut part)).await.unwrap().unwrap();
            tcp.set_zero_linger().unwrap();
        }
        drop(tcp);
        let mut answer = Vec::new();
        let read = timeout(10 * S, client.read_to_end(&mut answer)).await.unwrap();
        if !resets {
            assert_eq!((read.unwrap(), &*answer), (6, &b"answer"[..]));
        }
    }
    let copied = timeout(10 * S, tunnel).await.unwrap().unwrap();
    assert_eq!(copied[0].as_ref().unwrap(), &(8, 6));
    assert_eq!(copied[1].as_ref().unwrap_err().kind(), Io::ConnectionAborted);
}

/// After the error nothing of the message that failed is handed out.
#[tokio::test]
async fn message_reader_has_nothing_of_a_message_that_failed() {
    // A fragment, and then a message inside of it, or the end.
    for (then, kind) in [(&[0x81, 0][..], Io::InvalidData), (&[], Io::UnexpectedEof)] {
        let (a, mut b) = pipe(1 << 12);
        let mut websocket = open(a, Role::Client, Config::default());
        b.write_all(b"\x01\x03abc").await.unwrap();
        b.write_all(then).await.unwrap();
        drop(b);
        let error = websocket.next().await.unwrap().unwrap_err();
        assert_eq!(IoError::from(error).kind(), kind);
        assert!(websocket.next_reader().await.unwrap().is_none());
    }
}

/// A Close inside a message ends it early, however clean it is.
#[tokio::test]
async fn message_reader_fails_where_the_peer_closes_inside_the_message() {
    let (a, mut b) = pipe(1 << 12);
    let mut websocket = open(a, Role::Client, Config::default());
    b.write_all(b"\x01\x03abc\x88\x00").await.unwrap();
    b.shutdown().await.unwrap();
    let mut text = Vec::new();
    let mut reader = websocket.next_reader().await.unwrap().unwrap();
    let error = reader.read_to_end(&mut text).await.unwrap_err();
    assert_eq!((error.kind(), &*text), (Io::UnexpectedEof, &b"abc"[..]));
    assert!(inside(&error).close_info().unwrap().close_received);
}
