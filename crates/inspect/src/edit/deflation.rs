//! The compression of single messages (RFC 7692), each without reference to another.
//!
//! The session of the protocol compresses: its frame is taken apart for the payload.

use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::frame::RawFrameHeader;
use fullduplex_proto::{
    Compression, Config, DeflateParams, MessageKind, Role, SendConfig, Session,
};

use crate::inflation::as_of_server;

/// The compression of messages that take the place of what one side sends.
#[derive(Debug)]
pub(super) struct Deflation {
    session: Session,
}

impl Deflation {
    /// Returns the compression with the window that was negotiated for `sender`.
    pub(super) fn new(params: DeflateParams, sender: Role) -> Option<Self> {
        let negotiated = as_of_server(params, sender, false)?;
        // A message is one frame.
        let send = SendConfig::default().fragment_size(usize::MAX);
        let config = Config::default().send(send);
        let mut session = Session::server(&config).with_deflate(&negotiated);
        session.open(Duration::ZERO);
        Some(Self { session })
    }

    /// Returns a message compressed; `None` if that does not make it shorter.
    pub(super) fn compress(&mut self, message: Bytes) -> Option<Vec<u8>> {
        let kind = MessageKind::Binary;
        self.session.send_with(kind, message, Compression::On).ok()?;
        let mut frame = Vec::new();
        self.session.outgoing().slices().for_each(|slice| frame.extend_from_slice(slice));
        self.session.outgoing().advance_with(frame.len(), drop);
        let header = RawFrameHeader::decode(&frame)?;
        let is_compressed = header.rsv() != 0 && header.fin();
        is_compressed.then(|| frame.split_off(header.header_len()))
    }
}
