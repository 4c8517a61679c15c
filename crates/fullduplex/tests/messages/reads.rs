//! How much of a long message is read at a time, and into which memory.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use fullduplex::{Config, Role};
use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use crate::common::open;

/// A read that returned bytes.
#[derive(Clone, Copy)]
struct Read {
    /// The address of the memory.
    address: usize,
    capacity: usize,
    len: usize,
}

/// A transport that notes its reads.
struct Observed {
    stream: DuplexStream,
    reads: Arc<Mutex<Vec<Read>>>,
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, capacity) = (buf.filled().len(), buf.remaining());
        let address = buf.initialize_unfilled().as_ptr() as usize;
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let len = buf.filled().len() - before;
        if len > 0 {
            self.reads.lock().unwrap().push(Read { address, capacity, len });
        }
        read
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn observed(capacity: usize) -> (DuplexStream, Observed) {
    let (peer, stream) = duplex(capacity);
    (peer, Observed { stream, reads: Arc::default() })
}

/// The header of a client's frame. Its masking key is zero, so that the payload goes as it is.
fn header(payload: u64) -> Vec<u8> {
    let mut header = vec![0x82, 0x80 | 127];
    header.extend_from_slice(&payload.to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    header
}

#[tokio::test]
async fn reads_of_a_long_message_are_limited() {
    let blocks = (0..=u8::MAX).cycle().flat_map(|byte| [byte; 1024]);
    let payload: Vec<u8> = blocks.take(4 << 20).collect();
    let (mut peer, stream) = observed(8 << 20);
    let reads = stream.reads.clone();
    peer.write_all(&header(payload.len() as u64)).await.unwrap();
    peer.write_all(&payload).await.unwrap();
    let mut config = Config::default();
    config.limits.max_message_size = None;
    let mut server = open(stream, Role::Server, config);
    let message = server.next().await.unwrap().unwrap();
    assert!(message.as_bytes() == &payload[..], "the message differs");
    let reads = reads.lock().unwrap();
    let most = reads.iter().map(|read| read.capacity).max().unwrap();
    assert_eq!(most, 256 << 10, "what is read must be unmasked while the caches have it");
    let total: usize = reads.iter().map(|read| read.len).sum();
    assert_eq!(total, payload.len() + header(0).len());
    assert!(reads.len() < 40, "{} reads", reads.len());
}

#[tokio::test]
async fn read_blocks_in_which_long_messages_begin_are_used_again_at_once() {
    // So much of the block that the next read needs another one, if this is still in use.
    let begun = 60 << 10;
    let mut unfinished = Vec::new();
    let mut blocks = Vec::new();
    for _ in 0..20 {
        let (mut peer, stream) = observed(1 << 20);
        let reads = stream.reads.clone();
        peer.write_all(&header(1 << 20)).await.unwrap();
        peer.write_all(&vec![7; begun]).await.unwrap();
        let mut server = open(stream, Role::Server, Config::default());
        assert!(server.next().now_or_never().is_none());
        let reads = reads.lock().unwrap().clone();
        assert_eq!(reads[0].len, header(0).len() + begun, "one read has all of it");
        blocks.push(reads[0].address);
        unfinished.push((peer, server));
        tokio::task::yield_now().await;
    }
    blocks.dedup();
    assert_eq!(blocks.len(), 1, "blocks for 20 connections");
    // And nothing of it is lost.
    for (peer, server) in &mut unfinished {
        peer.write_all(&vec![8; (1 << 20) - begun]).await.unwrap();
        let message = server.next().await.unwrap().unwrap();
        let (first, rest) = message.as_bytes().split_at(begun);
        assert!(first.iter().all(|byte| *byte == 7) && rest.iter().all(|byte| *byte == 8));
        assert_eq!(message.as_bytes().len(), 1 << 20);
    }
}
