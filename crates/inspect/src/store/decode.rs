//! What the messages of rows say.

use super::row::Row;
use super::socket::Socket;
use crate::payload::{Content, Decoded, decode};

impl Row {
    /// Decodes the payload of the message that is complete with a frame; `None` if there is none,
    /// or its format is not known. `socket` is its WebSocket, which says more of the format.
    pub fn decode(&self, socket: Option<&Socket>) -> Option<Decoded> {
        let message = self.as_frame()?.frame.message.as_ref()?;
        let content = Content::new(message.kind, &message.payload)
            .is_cut(message.len > message.payload.len() as u64)
            .subprotocol(socket.and_then(Socket::subprotocol))
            .path(socket.map_or("", Socket::path));
        decode(&content)
    }
}
