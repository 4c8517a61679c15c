//! What the types of an open connection can be used for.

use std::panic::{RefUnwindSafe, UnwindSafe};

use fullduplex::{
    ByteStream, MessageReader, MessageWriter, NetStream, NextFuture, ReceiveHalf, ReuniteError,
    SendFuture, SendHalf, WebSocket,
};
use futures_util::stream::FusedStream;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

/// A program holds them without naming a transport.
#[allow(dead_code, reason = "it only has to compile")]
struct Holder<'a> {
    websocket: WebSocket,
    send: SendHalf,
    receive: ReceiveHalf,
    bytes: ByteStream,
    reader: MessageReader<'a>,
    writer: MessageWriter<'a>,
    next: NextFuture<'a>,
    sending: SendFuture<'a>,
    error: ReuniteError,
}

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn shared_for_a_while<T: Send + Sync + Unpin>() {}
fn unwind_safe<T: UnwindSafe + RefUnwindSafe>() {}
fn fused<T: FusedStream>() {}
fn bytes<T: AsyncRead + AsyncWrite>() {}

#[test]
fn types_are_send_and_sync_whatever_the_transport() {
    shared::<WebSocket>();
    shared::<SendHalf>();
    shared::<ReceiveHalf>();
    shared::<ByteStream>();
    shared::<NetStream>();
    shared::<ReuniteError>();
    shared::<WebSocket<DuplexStream>>();
    shared_for_a_while::<Holder<'_>>();
    #[cfg(feature = "server")]
    shared::<fullduplex::server::Handshake>();
}

#[test]
fn types_are_unwind_safe() {
    unwind_safe::<WebSocket>();
    unwind_safe::<SendHalf>();
    unwind_safe::<ReceiveHalf>();
    unwind_safe::<ByteStream>();
    unwind_safe::<NetStream>();
}

#[test]
fn types_have_the_traits_of_streams() {
    fused::<WebSocket>();
    fused::<ReceiveHalf>();
    bytes::<ByteStream>();
    bytes::<NetStream>();
}

/// Borrows a WebSocket while it waits, so the future is `Send` only if that is `Sync`.
async fn is_open(websocket: &WebSocket) -> bool {
    tokio::task::yield_now().await;
    websocket.close_info().is_none()
}

/// A transport that can be sent to another thread, but not shared.
#[tokio::test]
async fn types_are_sync_also_over_a_transport_that_is_not() {
    struct Counting(DuplexStream, std::cell::Cell<u32>);
    impl AsyncRead for Counting {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            self.1.set(self.1.get() + 1);
            std::pin::Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }
    impl AsyncWrite for Counting {
        fn poll_write(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
            buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::pin::Pin::new(&mut self.0).poll_write(cx, buf)
        }
        fn poll_flush(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_flush(cx)
        }
        fn poll_shutdown(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
    shared::<WebSocket<Counting>>();
    let (near, far) = tokio::io::duplex(100);
    let near = NetStream::new(Counting(near, std::cell::Cell::new(0)));
    let (mut client, mut server) = (WebSocket::client(near), WebSocket::server(far));
    client.send("hello").await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap().as_text(), Some("hello"));
    assert!(tokio::spawn(async move { is_open(&client).await }).await.unwrap());
}
