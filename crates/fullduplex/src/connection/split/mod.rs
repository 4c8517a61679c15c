//! The two halves of a WebSocket, for use on different tasks.

mod receive_half;
mod reunite;
mod send_half;

use bytes::BytesMut;
use fullduplex_proto::{Receiver, Session};

use crate::connection::reader::Reader;
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves;

pub use receive_half::{NextFuture, ReceiveHalf};
pub use reunite::ReuniteError;
pub use send_half::{SendFuture, SendHalf};

/// Creates both halves of a connection after its opening handshake.
///
/// `leftover` has the bytes that were received after the handshake.
pub(crate) fn new<S: Transport>(
    stream: S,
    receiver: Receiver,
    session: Session,
    low_water: usize,
    leftover: BytesMut,
) -> (SendHalf<S>, ReceiveHalf<S>) {
    let (read_half, write_half) = halves::split(stream);
    let writer = Writer::new(session, write_half, low_water);
    if !leftover.is_empty() {
        // These bytes were read from the transport, too.
        writer.record_received(leftover.len());
    }
    let reader = Box::new(Reader::new(read_half, receiver, leftover));
    (SendHalf::new(writer.clone()), ReceiveHalf::new(reader, writer))
}
