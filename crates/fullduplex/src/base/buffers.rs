//! Buffers of a thread, lent to its connections while they have bytes in them, so that an idle
//! connection owns none.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use bytes::{BufMut, BytesMut};
use fullduplex_proto::SendBuffer;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes of one read.
pub(crate) const READ_SIZE: usize = 64 << 10;
/// The least capacity for a read: with less, more system calls would be needed.
const MIN_READ_CAPACITY: usize = 16 << 10;
/// The most bytes of one read of a handshake, including what follows its head: the memory is kept
/// until the handshake is done.
const HEAD_READ: usize = 4 << 10;
/// The initial capacity of a send buffer.
const WRITE_SIZE: usize = 1 << 10;
/// The largest send buffer that is cached.
const MAX_CACHED_WRITE: usize = 128 << 10;
/// The most bytes of send buffers that a thread caches: enough to send a message on a thousand
/// connections.
const MAX_CACHED_WRITE_TOTAL: usize = 1 << 20;

thread_local! {
    static READ: RefCell<BytesMut> = RefCell::default();
    static WRITE: RefCell<FreeBuffers> =
        const { RefCell::new(FreeBuffers { buffers: Vec::new(), bytes: 0 }) };
}

/// Cached send buffers.
struct FreeBuffers {
    #[allow(clippy::vec_box, reason = "they are lent as they are")]
    buffers: Vec<Box<SendBuffer>>,
    bytes: usize,
}

/// Takes the thread's receive buffer, empty and with capacity to read into.
///
/// It is taken out of the thread rather than borrowed, because a transport can itself be a
/// WebSocket's byte stream, whose read calls this, too: that one gets a new buffer.
pub(crate) fn take_read() -> BytesMut {
    let mut buffer = READ.take();
    if buffer.capacity() < MIN_READ_CAPACITY {
        // Reuses the whole block if no message refers to it any more.
        buffer.reserve(READ_SIZE);
    }
    buffer
}

/// Returns the receive buffer to the thread, with the read bytes split off.
pub(crate) fn return_read(buffer: BytesMut) {
    READ.set(buffer);
}

/// Reads what is available of a head, and appends it to `bytes`. The memory has just that size, as
/// most heads arrive whole and a server reads many at a time.
pub(crate) async fn read_to<R>(reader: &mut R, bytes: &mut BytesMut) -> io::Result<usize>
where
    R: AsyncRead + Unpin,
{
    poll_fn(|cx| {
        let mut block = take_read();
        let mut limited = (&mut block).limit(HEAD_READ);
        let read = pin!(reader.read_buf(&mut limited)).poll(cx);
        bytes.extend_from_slice(&block);
        block.clear();
        return_read(block);
        read
    })
    .await
}

/// Takes a buffer to queue messages in until they are written.
#[inline]
#[allow(clippy::unnecessary_box_returns, reason = "a connection has space for the pointer only")]
pub(crate) fn take_write() -> Box<SendBuffer> {
    let cached = WRITE.with_borrow_mut(|cache| {
        let buffer = cache.buffers.pop()?;
        cache.bytes -= buffer.capacity();
        Some(buffer)
    });
    cached.unwrap_or_else(|| Box::new(SendBuffer::with_capacity(WRITE_SIZE)))
}

/// Returns an empty send buffer to the thread's cache.
#[inline]
pub(crate) fn return_write(buffer: Box<SendBuffer>) {
    let bytes = buffer.capacity();
    WRITE.with_borrow_mut(|cache| {
        if bytes <= MAX_CACHED_WRITE && cache.bytes + bytes <= MAX_CACHED_WRITE_TOTAL {
            cache.buffers.push(buffer);
            cache.bytes += bytes;
        }
    });
}
