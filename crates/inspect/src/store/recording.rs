//! What a store has as a recording.

use std::time::Duration;

use fullduplex_proto::MessageKind;
use fullduplex_proto::frame::OpCode;

use super::Store;
use super::row::{Handling, Retention, Row, RowKind};
use crate::Frame;
use crate::recording::{Record, RecordKind, frame_bytes};

impl Store {
    /// Returns what is kept as a recording, in the order in which it was seen.
    ///
    /// Each message and each control frame is made into one frame, as
    /// [`MADE_HEADER`](crate::recording::MADE_HEADER) says: with as much of a long message as is
    /// kept, without frames that break a rule, and as its side sent it, also if something was
    /// changed in between: what was injected is left out. What is no longer kept, or is withheld,
    /// is [`RecordKind::Lost`].
    pub fn to_recording(&self) -> Vec<Record> {
        let openings = self.sockets().map(|socket| Record {
            connection: socket.id,
            at: Duration::ZERO,
            kind: RecordKind::Open(Box::new(socket.opening.clone())),
        });
        let kinds = self.rows(..).filter_map(|row| Some((row, kind(row)?)));
        let rows = kinds.map(|(row, kind)| Record { connection: row.socket, at: row.at, kind });
        openings.chain(rows).collect()
    }
}

fn kind(row: &Row) -> Option<RecordKind> {
    match &row.kind {
        RowKind::Frame { shown, handling, retention } => {
            if *handling == Handling::Injected {
                return None;
            }
            let (sender, frame) = (shown.sender, &shown.frame);
            let opcode = opcode(frame)?;
            Some(match retention {
                Retention::Kept | Retention::Redacted => {
                    RecordKind::Bytes { sender, bytes: frame_bytes(sender, opcode, row.payload()) }
                }
                Retention::Withheld | Retention::Dropped => {
                    RecordKind::Lost { sender, bytes: frame.wire_len() }
                }
            })
        }
        RowKind::End { sender, how } => Some(RecordKind::End { sender: *sender, how: how.clone() }),
        RowKind::Note { .. } => None,
    }
}

/// Returns the opcode of the message that is complete with a frame, or of a control frame.
fn opcode(frame: &Frame) -> Option<OpCode> {
    if frame.is_ignored || frame.violation.is_some() {
        return None;
    }
    match frame.message.as_ref().map(|message| message.kind) {
        Some(MessageKind::Text) => Some(OpCode::Text),
        Some(MessageKind::Binary) => Some(OpCode::Binary),
        None => frame.opcode().filter(|opcode| opcode.is_control()),
    }
}
