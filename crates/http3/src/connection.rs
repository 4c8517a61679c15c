//! What both roles do for a connection: control streams, settings, and its end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use quinn::{ConnectionError, ReadError, RecvStream, VarInt, WriteError};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::{FrameEvent, FrameReader, StreamKind};
use crate::frame_header::{self, FrameType};
use crate::receive_error::ReceiveError;
use crate::settings::{LocalSettings, PeerSettings};
use crate::varint;

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;

pub(crate) fn code(code: ErrorCode) -> VarInt {
    VarInt::from_u64(code.0).unwrap_or(VarInt::MAX)
}

/// The state of a connection.
pub(crate) struct ConnectionShared {
    pub(crate) quinn: quinn::Connection,
    pub(crate) settings: LocalSettings,
    pub(crate) is_client: bool,
    /// The peer's settings, once they have come.
    pub(crate) peer: watch::Sender<Option<PeerSettings>>,
    /// The identifier of the peer's last GOAWAY.
    pub(crate) peer_goes: watch::Sender<Option<u64>>,
    /// The identifier of the GOAWAY that is to be sent.
    pub(crate) we_go: watch::Sender<Option<u64>>,
    /// A client's connection that was unused for too long, and takes no more requests.
    pub(crate) is_retired: AtomicBool,
    /// How many of those that hold the [`ConnectionHandle`] are no use of the connection: streams that were
    /// dropped, and what was sent on them has not arrived.
    pub(crate) lingering: AtomicUsize,
    /// Why this end closed the connection.
    fault: OnceLock<RuleViolation>,
    /// Which of the peer's streams that may stand once are there.
    seen: RwLock<[bool; 3]>,
}

/// Held by all that use a connection: with the last one dropped, it is closed.
pub(crate) struct ConnectionHandle(pub(crate) Arc<ConnectionShared>, AbortHandle);

impl ConnectionHandle {
    /// How many use the connection.
    pub(crate) fn users(this: &Arc<Self>) -> usize {
        Arc::strong_count(this).saturating_sub(this.0.lingering.load(Ordering::Relaxed))
    }

    /// Whether the task of the connection is gone: because it has ended, or its runtime has.
    pub(crate) fn is_over(&self) -> bool {
        self.1.is_finished()
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.0.quinn.close(code(ErrorCode::NO_ERROR), b"");
    }
}

impl ConnectionShared {
    /// Begins HTTP/3 on a connection: its control streams run until it ends.
    pub(crate) fn begin(
        quinn: quinn::Connection,
        settings: LocalSettings,
        is_client: bool,
    ) -> (Arc<ConnectionHandle>, Arc<Self>) {
        let shared = Arc::new(Self {
            quinn,
            settings,
            is_client,
            peer: watch::Sender::new(None),
            peer_goes: watch::Sender::new(None),
            we_go: watch::Sender::new(None),
            is_retired: AtomicBool::new(false),
            lingering: AtomicUsize::new(0),
            fault: OnceLock::new(),
            seen: RwLock::default(),
        });
        let task = tokio::spawn(shared.clone().control()).abort_handle();
        (Arc::new(ConnectionHandle(shared.clone(), task)), shared)
    }

    /// Closes the connection because of what the peer did.
    pub(crate) fn fail(&self, fault: RuleViolation) -> Error {
        let fault = *self.fault.get_or_init(|| fault);
        self.quinn.close(code(fault.code), fault.why.as_bytes());
        fault.into()
    }

    /// Why the connection ended, where this end knows better.
    pub(crate) fn ended(&self, error: ConnectionError) -> Error {
        match (&error, self.fault.get()) {
            (ConnectionError::LocallyClosed, Some(fault)) => (*fault).into(),
            _ => error.into(),
        }
    }

    pub(crate) fn read_error(&self, error: ReadError) -> Error {
        match error {
            ReadError::Reset(code) => Error::Reset(ErrorCode(code.into_inner())),
            ReadError::ConnectionLost(error) => self.ended(error),
            _ => Error::Misuse("the stream is closed"),
        }
    }

    pub(crate) fn write_error(&self, error: WriteError) -> Error {
        match error {
            WriteError::Stopped(code) => Error::Reset(ErrorCode(code.into_inner())),
            WriteError::ConnectionLost(error) => self.ended(error),
            _ => Error::Misuse("the stream is closed"),
        }
    }

    /// Runs all unidirectional streams, of both ends.
    async fn control(self: Arc<Self>) {
        let mut streams = JoinSet::new();
        streams.spawn(self.clone().send_control());
        loop {
            let failed = tokio::select! {
                stream = self.quinn.accept_uni() => match stream {
                    Ok(stream) => {
                        streams.spawn(self.clone().receive(stream));
                        continue;
                    }
                    Err(_) => return,
                },
                Some(ended) = streams.join_next() => match ended {
                    Ok(Err(fault)) => fault,
                    _ => continue,
                },
                // Servers open none (RFC 9114 §6.1).
                stream = self.quinn.accept_bi(), if self.is_client => match stream {
                    Ok(_) => RuleViolation::connection(
                        ErrorCode::STREAM_CREATION_ERROR,
                        "the server opened a bidirectional stream (RFC 9114 §6.1)",
                    ),
                    Err(_) => return,
                },
            };
            self.fail(failed);
            return;
        }
    }

    /// The control stream of this end: SETTINGS, and later a GOAWAY (RFC 9114 §6.2.1).
    async fn send_control(self: Arc<Self>) -> Result<(), RuleViolation> {
        // Where the connection ends, all its streams are told.
        let Ok(mut stream) = self.quinn.open_uni().await else { return Ok(()) };
        let closed = RuleViolation::connection(
            ErrorCode::CLOSED_CRITICAL_STREAM,
            "the peer stopped a control stream (RFC 9114 §6.2.1)",
        );
        let mut first = Vec::new();
        varint::encode(CONTROL, &mut first);
        self.settings.encode(&mut first);
        let (peer_stops, mut going) = (stream.stopped(), self.we_go.subscribe());
        let send = async {
            stream.write_all(&first).await?;
            while going.changed().await.is_ok() {
                let identifier = going.borrow_and_update().unwrap_or(0);
                let (mut payload, mut goaway) = (Vec::new(), Vec::new());
                varint::encode(identifier, &mut payload);
                frame_header::encode_header(FrameType::GOAWAY, payload.len() as u64, &mut goaway);
                goaway.extend(payload);
                stream.write_all(&goaway).await?;
            }
            Ok(())
        };
        let stopped = tokio::select! {
            result = send => matches!(result, Err(WriteError::Stopped(_))),
            by_peer = peer_stops => matches!(by_peer, Ok(Some(_))),
        };
        if stopped { Err(closed) } else { Ok(()) }
    }

    /// A unidirectional stream of the peer.
    async fn receive(self: Arc<Self>, mut stream: RecvStream) -> Result<(), RuleViolation> {
        let mut chunk = Bytes::new();
        let Some(kind) = stream_type(&mut stream, &mut chunk).await else { return Ok(()) };
        match kind {
            CONTROL => {
                self.only_one(0, "a second control stream (RFC 9114 §6.2.1)")?;
                self.receive_control(stream, chunk).await
            }
            QPACK_ENCODER => {
                self.only_one(1, "a second encoder stream (RFC 9204 §4.2)")?;
                critical(stream, chunk, encoder_instructions).await
            }
            QPACK_DECODER => {
                self.only_one(2, "a second decoder stream (RFC 9204 §4.2)")?;
                let mut within = false;
                critical(stream, chunk, move |bytes| decoder_instructions(bytes, &mut within)).await
            }
            PUSH if self.is_client => {
                let why = "a push that was not allowed (RFC 9114 §4.6)";
                Err(RuleViolation::connection(ErrorCode::ID_ERROR, why))
            }
            PUSH => {
                let why = "a push by a client (RFC 9114 §6.2.2)";
                Err(RuleViolation::connection(ErrorCode::STREAM_CREATION_ERROR, why))
            }
            // §6.2: an unknown stream is no error.
            _ => {
                let _ = stream.stop(code(ErrorCode::STREAM_CREATION_ERROR));
                Ok(())
            }
        }
    }

    fn only_one(&self, which: usize, why: &'static str) -> Result<(), RuleViolation> {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut seen[which], true) {
            return Err(RuleViolation::connection(ErrorCode::STREAM_CREATION_ERROR, why));
        }
        Ok(())
    }

    async fn receive_control(
        &self,
        mut stream: RecvStream,
        chunk: Bytes,
    ) -> Result<(), RuleViolation> {
        let place =
            if self.is_client { StreamKind::ServerControl } else { StreamKind::ClientControl };
        let mut frames = FrameReader::new(place, &self.settings);
        let mut pushes = 0;
        let mut chunk = Some(chunk);
        while let Some(mut bytes) = chunk {
            let whole = |refused: ReceiveError| match refused {
                ReceiveError::Fault(fault) => fault,
                ReceiveError::Limit { .. } => {
                    RuleViolation::connection(ErrorCode::EXCESSIVE_LOAD, "too large")
                }
            };
            while let Some(event) = frames.read(&mut bytes).map_err(whole)? {
                match event {
                    FrameEvent::Settings(payload) => {
                        self.peer.send_replace(Some(PeerSettings::decode(&payload)?));
                    }
                    FrameEvent::GoAway(identifier) => self.going_away(identifier)?,
                    FrameEvent::MaxPushId(most) if most < pushes => {
                        let why = "MAX_PUSH_ID becomes less (RFC 9114 §7.2.7)";
                        return Err(RuleViolation::connection(ErrorCode::ID_ERROR, why));
                    }
                    FrameEvent::MaxPushId(most) => pushes = most,
                    FrameEvent::Data(_) | FrameEvent::Headers(_) => {}
                }
            }
            chunk = next_chunk(&mut stream).await?;
        }
        Ok(())
    }

    /// RFC 9114 §5.2, §7.2.6.
    fn going_away(&self, identifier: u64) -> Result<(), RuleViolation> {
        let wrong = |why| Err(RuleViolation::connection(ErrorCode::ID_ERROR, why));
        // At a client it names a request stream, at a server a push.
        if self.is_client && !identifier.is_multiple_of(4) {
            return wrong("GOAWAY names no request stream (RFC 9114 §7.2.6)");
        }
        if self.peer_goes.borrow().is_some_and(|before| identifier > before) {
            return wrong("GOAWAY names a later stream than before (RFC 9114 §5.2)");
        }
        self.peer_goes.send_replace(Some(identifier));
        Ok(())
    }
}

/// The type at the beginning of a stream; `None` if it ends before, which is no error (§6.2).
async fn stream_type(stream: &mut RecvStream, chunk: &mut Bytes) -> Option<u64> {
    let (mut bytes, mut filled) = ([0; 8], 0);
    loop {
        while !chunk.is_empty() {
            bytes[filled] = bytes::Buf::get_u8(chunk);
            filled += 1;
            if let Some((kind, _)) = varint::decode(&bytes[..filled]) {
                return Some(kind);
            }
        }
        *chunk = stream.read_chunk(usize::MAX, true).await.ok()??.bytes;
    }
}

/// The next bytes of a stream that may not end before the connection does; `None` where the
/// connection has.
async fn next_chunk(stream: &mut RecvStream) -> Result<Option<Bytes>, RuleViolation> {
    match stream.read_chunk(usize::MAX, true).await {
        Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
        Ok(None) | Err(ReadError::Reset(_)) => Err(RuleViolation::connection(
            ErrorCode::CLOSED_CRITICAL_STREAM,
            "the peer ended a critical stream (RFC 9114 §6.2.1, RFC 9204 §4.2)",
        )),
        Err(_) => Ok(None),
    }
}

/// A stream of instructions, each chunk of which is looked at.
async fn critical(
    mut stream: RecvStream,
    chunk: Bytes,
    mut check: impl FnMut(&[u8]) -> Result<(), RuleViolation>,
) -> Result<(), RuleViolation> {
    let mut chunk = Some(chunk);
    while let Some(bytes) = chunk {
        check(&bytes)?;
        chunk = next_chunk(&mut stream).await?;
    }
    Ok(())
}

/// The peer has a table of no bytes (RFC 9204 §3.2.3). To say so itself does no harm.
fn encoder_instructions(bytes: &[u8]) -> Result<(), RuleViolation> {
    const SET_CAPACITY_0: u8 = 0x20;
    if bytes.iter().all(|byte| *byte == SET_CAPACITY_0) {
        return Ok(());
    }
    let why = "an insertion into a table without room (RFC 9204 §3.2.3)";
    Err(RuleViolation::connection(ErrorCode::QPACK_ENCODER_STREAM_ERROR, why))
}

/// There is nothing that the peer could acknowledge; it may cancel streams (RFC 9204 §4.4).
fn decoder_instructions(bytes: &[u8], within: &mut bool) -> Result<(), RuleViolation> {
    for byte in bytes {
        if *within {
            *within = byte & 0x80 != 0;
        } else if byte >> 6 == 0b01 {
            *within = byte & 0x3f == 0x3f;
        } else {
            let why = "an acknowledgement of what was not sent (RFC 9204 §4.4)";
            return Err(RuleViolation::connection(ErrorCode::QPACK_DECODER_STREAM_ERROR, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qpack_instructions_are_checked() {
        assert!(encoder_instructions(&[0x20, 0x20]).is_ok());
        for wrong in [0x3f, 0x21, 0x80, 0xc0, 0x40, 0x00] {
            let fault = encoder_instructions(&[wrong]).unwrap_err();
            assert_eq!(fault.code, ErrorCode::QPACK_ENCODER_STREAM_ERROR);
        }
        // Cancellations of the streams 4 and 191, in two pieces.
        let mut within = false;
        assert!(decoder_instructions(&[0x44, 0x7f, 0x80], &mut within).is_ok());
        assert!(decoder_instructions(&[0x01, 0x44], &mut within).is_ok());
        for wrong in [0x80, 0x00, 0x01] {
            let fault = decoder_instructions(&[wrong], &mut within).unwrap_err();
            assert_eq!(fault.code, ErrorCode::QPACK_DECODER_STREAM_ERROR);
        }
    }
}
