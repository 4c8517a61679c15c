//! Buffers of the thread, lent to its connections for as long as they have bytes in them,
//! so that an idle connection owns none.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;

use bytes::{BufMut, BytesMut};
use fullduplex_proto::SendBuffer;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How much one read may bring.
pub(crate) const READ_SIZE: usize = 64 << 10;
/// A read is not worth its call with less room than this.
const LEAST_ROOM: usize = 16 << 10;
/// How much of a head one read may bring, and of what stands behind it: it is kept until the
/// handshake is done with.
const HEAD_READ: usize = 4 << 10;
/// What a gathering buffer begins with.
const WRITE_SIZE: usize = 1 << 10;
/// A larger one is not kept.
const WRITE_KEEP: usize = 128 << 10;
/// What all that a thread keeps come to: enough for a message to a thousand.
const WRITE_KEEP_ALL: usize = 1 << 20;

thread_local! {
    static READ: RefCell<BytesMut> = RefCell::default();
    static WRITE: RefCell<FreeBuffers> = const { RefCell::new(FreeBuffers { buffers: Vec::new(), bytes: 0 }) };
}

/// Gathering buffers that wait to be used again.
struct FreeBuffers {
    #[allow(clippy::vec_box, reason = "they are lent as they are")]
    buffers: Vec<Box<SendBuffer>>,
    bytes: usize,
}

/// Takes the thread's receive buffer, empty and with room to read into.
///
/// It is taken out rather than borrowed, as a transport may itself be a WebSocket's byte
/// stream, whose read comes here too: that one gets a buffer of its own.
pub(crate) fn take_read() -> BytesMut {
    let mut buffer = READ.take();
    if buffer.capacity() < LEAST_ROOM {
        // Takes the whole block back if no message refers to it any more.
        buffer.reserve(READ_SIZE);
    }
    buffer
}

/// Gives what is left of the receive buffer back, its read bytes split off.
pub(crate) fn give_read(buffer: BytesMut) {
    READ.set(buffer);
}

/// Reads what there is of a head, and adds it to `bytes`: in memory of just that size, as most
/// come whole, and many at a time.
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
        give_read(block);
        read
    })
    .await
}

/// Takes a buffer to hold messages in until they leave.
#[inline]
#[allow(clippy::unnecessary_box_returns, reason = "a connection keeps room for the pointer alone")]
pub(crate) fn take_write() -> Box<SendBuffer> {
    let kept = WRITE.with_borrow_mut(|kept| {
        let buffer = kept.buffers.pop()?;
        kept.bytes -= buffer.capacity();
        Some(buffer)
    });
    kept.unwrap_or_else(|| Box::new(SendBuffer::with_capacity(WRITE_SIZE)))
}

/// Gives it back, with nothing in it.
#[inline]
pub(crate) fn give_write(buffer: Box<SendBuffer>) {
    let bytes = buffer.capacity();
    WRITE.with_borrow_mut(|kept| {
        if bytes <= WRITE_KEEP && kept.bytes + bytes <= WRITE_KEEP_ALL {
            kept.buffers.push(buffer);
            kept.bytes += bytes;
        }
    });
}
