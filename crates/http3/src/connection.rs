//! The parts of a connection that both roles share: control streams, settings, and its end.

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

/// The types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
const CONTROL: u64 = 0x00;
const PUSH: u64 = 0x01;
const QPACK_ENCODER: u64 = 0x02;
const QPACK_DECODER: u64 = 0x03;

/// Converts an error code to an integer of QUIC.
pub(crate) fn quic_code(code: ErrorCode) -> VarInt {
    VarInt::from_u64(code.0).unwrap_or(VarInt::MAX)
}

/// The state of a connection, which its tasks and streams share.
pub(crate) struct ConnectionShared {
    pub(crate) quinn: quinn::Connection,
    pub(crate) settings: LocalSettings,
    pub(crate) is_client: bool,
    /// The settings of the peer, once they have arrived.
    pub(crate) peer_settings: watch::Sender<Option<PeerSettings>>,
    /// The identifier of the peer's last GOAWAY.
    pub(crate) peer_goaway: watch::Sender<Option<u64>>,
    /// The identifier of the GOAWAY that this end must send.
    pub(crate) local_goaway: watch::Sender<Option<u64>>,
    /// Whether a client's connection was unused for too long, and accepts no more requests.
    pub(crate) is_retired: AtomicBool,
    /// The number of dropped streams that still hold the [`ConnectionHandle`], as what was sent on
    /// them has not arrived. They do not count as users of the connection.
    pub(crate) lingering_streams: AtomicUsize,
    /// The rule for whose violation this end closed the connection.
    violation: OnceLock<RuleViolation>,
    /// Whether the peer has opened its control, QPACK encoder and QPACK decoder stream. Each may
    /// exist once.
    seen_streams: RwLock<[bool; 3]>,
}

/// A handle that each user of a connection holds. The connection is closed when the last one is
/// dropped.
pub(crate) struct ConnectionHandle {
    pub(crate) shared: Arc<ConnectionShared>,
    /// The task of the connection.
    task: AbortHandle,
}

impl ConnectionHandle {
    /// Returns the number of users of the connection.
    pub(crate) fn users(this: &Arc<Self>) -> usize {
        // Relaxed: the counter guards no other memory. A count that is out of date for a moment
        // only delays the close of an unused connection.
        let lingering = this.shared.lingering_streams.load(Ordering::Relaxed);
        Arc::strong_count(this).saturating_sub(lingering)
    }

    /// Returns whether the task of the connection has finished, as the connection has ended or the
    /// runtime was dropped.
    pub(crate) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.shared.quinn.close(quic_code(ErrorCode::NO_ERROR), b"");
    }
}

impl ConnectionShared {
    /// Starts HTTP/3 on a QUIC connection. Spawns the task of its control streams, which runs until
    /// the connection ends.
    pub(crate) fn start(
        quinn: quinn::Connection,
        settings: LocalSettings,
        is_client: bool,
    ) -> (Arc<ConnectionHandle>, Arc<Self>) {
        let shared = Arc::new(Self {
            quinn,
            settings,
            is_client,
            peer_settings: watch::Sender::new(None),
            peer_goaway: watch::Sender::new(None),
            local_goaway: watch::Sender::new(None),
            is_retired: AtomicBool::new(false),
            lingering_streams: AtomicUsize::new(0),
            violation: OnceLock::new(),
            seen_streams: RwLock::default(),
        });
        let task = tokio::spawn(shared.clone().run_unidirectional_streams()).abort_handle();
        (Arc::new(ConnectionHandle { shared: shared.clone(), task }), shared)
    }

    /// Closes the connection because the peer broke a rule.
    pub(crate) fn fail(&self, violation: RuleViolation) -> Error {
        // Only the first violation closes the connection, so later ones report that one too.
        let violation = *self.violation.get_or_init(|| violation);
        self.quinn.close(quic_code(violation.code), violation.reason.as_bytes());
        violation.into()
    }

    /// Converts an error of QUIC. If this end closed the connection, returns the rule that the peer
    /// broke.
    pub(crate) fn connection_error(&self, error: ConnectionError) -> Error {
        match (&error, self.violation.get()) {
            (ConnectionError::LocallyClosed, Some(violation)) => (*violation).into(),
            _ => error.into(),
        }
    }

    pub(crate) fn read_error(&self, error: ReadError) -> Error {
        match error {
            ReadError::Reset(code) => Error::Reset(ErrorCode(code.into_inner())),
            ReadError::ConnectionLost(error) => self.connection_error(error),
            _ => Error::Misuse("the stream is closed"),
        }
    }

    pub(crate) fn write_error(&self, error: WriteError) -> Error {
        match error {
            WriteError::Stopped(code) => Error::Reset(ErrorCode(code.into_inner())),
            WriteError::ConnectionLost(error) => self.connection_error(error),
            _ => Error::Misuse("the stream is closed"),
        }
    }

    /// Runs the unidirectional streams of both ends, and closes the connection if the peer breaks
    /// a rule of them.
    async fn run_unidirectional_streams(self: Arc<Self>) {
        let mut streams = JoinSet::new();
        streams.spawn(self.clone().send_control());
        loop {
            let violation = tokio::select! {
                stream = self.quinn.accept_uni() => match stream {
                    Ok(stream) => {
                        streams.spawn(self.clone().receive_unidirectional(stream));
                        continue;
                    }
                    Err(_) => return,
                },
                Some(ended) = streams.join_next() => match ended {
                    Ok(Err(violation)) => violation,
                    _ => continue,
                },
                // Servers open none (RFC 9114 §6.1).
                stream = self.quinn.accept_bi(), if self.is_client => match stream {
                    Ok(_) => RuleViolation::connection_error(
                        ErrorCode::STREAM_CREATION_ERROR,
                        "the server opened a bidirectional stream (RFC 9114 §6.1)",
                    ),
                    Err(_) => return,
                },
            };
            self.fail(violation);
            return;
        }
    }

    /// Runs the control stream of this end: SETTINGS, and later a GOAWAY (RFC 9114 §6.2.1).
    async fn send_control(self: Arc<Self>) -> Result<(), RuleViolation> {
        // If the connection has ended, its end is reported elsewhere.
        let Ok(mut stream) = self.quinn.open_uni().await else { return Ok(()) };
        let closed = RuleViolation::connection_error(
            ErrorCode::CLOSED_CRITICAL_STREAM,
            "the peer stopped a control stream (RFC 9114 §6.2.1)",
        );
        let mut first = Vec::new();
        varint::encode(CONTROL, &mut first);
        self.settings.encode(&mut first);
        let (peer_stops, mut goaway_changes) = (stream.stopped(), self.local_goaway.subscribe());
        let send = async {
            stream.write_all(&first).await?;
            while goaway_changes.changed().await.is_ok() {
                let identifier = goaway_changes.borrow_and_update().unwrap_or(0);
                let (mut payload, mut goaway) = (Vec::new(), Vec::new());
                varint::encode(identifier, &mut payload);
                frame_header::encode_header(FrameType::GOAWAY, payload.len() as u64, &mut goaway);
                goaway.extend(payload);
                stream.write_all(&goaway).await?;
            }
            Ok(())
        };
        let is_stopped = tokio::select! {
            result = send => matches!(result, Err(WriteError::Stopped(_))),
            by_peer = peer_stops => matches!(by_peer, Ok(Some(_))),
        };
        if is_stopped { Err(closed) } else { Ok(()) }
    }

    /// Runs a unidirectional stream of the peer.
    async fn receive_unidirectional(
        self: Arc<Self>,
        mut stream: RecvStream,
    ) -> Result<(), RuleViolation> {
        let mut chunk = Bytes::new();
        let Some(kind) = read_stream_type(&mut stream, &mut chunk).await else { return Ok(()) };
        match kind {
            CONTROL => {
                self.claim_stream(0, "a second control stream (RFC 9114 §6.2.1)")?;
                self.receive_control(stream, chunk).await
            }
            QPACK_ENCODER => {
                self.claim_stream(1, "a second encoder stream (RFC 9204 §4.2)")?;
                check_instructions(stream, chunk, encoder_instructions).await
            }
            QPACK_DECODER => {
                self.claim_stream(2, "a second decoder stream (RFC 9204 §4.2)")?;
                let mut in_integer = false;
                check_instructions(stream, chunk, move |bytes| {
                    decoder_instructions(bytes, &mut in_integer)
                })
                .await
            }
            PUSH if self.is_client => {
                let reason = "a push that was not allowed (RFC 9114 §4.6)";
                Err(RuleViolation::connection_error(ErrorCode::ID_ERROR, reason))
            }
            PUSH => {
                let reason = "a push by a client (RFC 9114 §6.2.2)";
                Err(RuleViolation::connection_error(ErrorCode::STREAM_CREATION_ERROR, reason))
            }
            // §6.2: a stream of unknown type is not an error.
            _ => {
                let _ = stream.stop(quic_code(ErrorCode::STREAM_CREATION_ERROR));
                Ok(())
            }
        }
    }

    /// Records that the peer opened a stream that may exist once.
    fn claim_stream(&self, which: usize, reason: &'static str) -> Result<(), RuleViolation> {
        let mut seen_streams = self.seen_streams.write().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut seen_streams[which], true) {
            return Err(RuleViolation::connection_error(ErrorCode::STREAM_CREATION_ERROR, reason));
        }
        Ok(())
    }

    /// Runs the control stream of the peer.
    async fn receive_control(
        &self,
        mut stream: RecvStream,
        chunk: Bytes,
    ) -> Result<(), RuleViolation> {
        let stream_kind =
            if self.is_client { StreamKind::ServerControl } else { StreamKind::ClientControl };
        let mut frames = FrameReader::new(stream_kind, &self.settings);
        let mut pushes = 0;
        let mut chunk = Some(chunk);
        while let Some(mut bytes) = chunk {
            let into_violation = |error: ReceiveError| match error {
                ReceiveError::Protocol(violation) => violation,
                ReceiveError::Limit { .. } => RuleViolation::connection_error(
                    ErrorCode::EXCESSIVE_LOAD,
                    "a frame on the control stream is too large",
                ),
            };
            while let Some(event) = frames.read(&mut bytes).map_err(into_violation)? {
                match event {
                    FrameEvent::Settings(payload) => {
                        self.peer_settings.send_replace(Some(PeerSettings::decode(&payload)?));
                    }
                    FrameEvent::GoAway(identifier) => self.handle_goaway(identifier)?,
                    FrameEvent::MaxPushId(max) if max < pushes => {
                        let reason = "MAX_PUSH_ID is smaller than before (RFC 9114 §7.2.7)";
                        return Err(RuleViolation::connection_error(ErrorCode::ID_ERROR, reason));
                    }
                    FrameEvent::MaxPushId(max) => pushes = max,
                    FrameEvent::Data(_) | FrameEvent::Headers(_) => {}
                }
            }
            chunk = next_chunk(&mut stream).await?;
        }
        Ok(())
    }

    /// Handles a GOAWAY of the peer (RFC 9114 §5.2, §7.2.6).
    fn handle_goaway(&self, identifier: u64) -> Result<(), RuleViolation> {
        let id_error = |reason| Err(RuleViolation::connection_error(ErrorCode::ID_ERROR, reason));
        // To a client it names a request stream, to a server a push.
        if self.is_client && !identifier.is_multiple_of(4) {
            return id_error("GOAWAY does not name a request stream (RFC 9114 §7.2.6)");
        }
        if self.peer_goaway.borrow().is_some_and(|before| identifier > before) {
            return id_error("GOAWAY names a later stream than before (RFC 9114 §5.2)");
        }
        self.peer_goaway.send_replace(Some(identifier));
        Ok(())
    }
}

/// Reads the type at the beginning of a stream. Returns `None` if the stream ends before, which is
/// not an error (§6.2).
async fn read_stream_type(stream: &mut RecvStream, chunk: &mut Bytes) -> Option<u64> {
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

/// Reads the next bytes of a stream that may not end before the connection does. Returns `None` if
/// the connection has ended.
async fn next_chunk(stream: &mut RecvStream) -> Result<Option<Bytes>, RuleViolation> {
    match stream.read_chunk(usize::MAX, true).await {
        Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
        Ok(None) | Err(ReadError::Reset(_)) => Err(RuleViolation::connection_error(
            ErrorCode::CLOSED_CRITICAL_STREAM,
            "the peer ended a critical stream (RFC 9114 §6.2.1, RFC 9204 §4.2)",
        )),
        Err(_) => Ok(None),
    }
}

/// Reads a stream of QPACK instructions, and checks each chunk.
async fn check_instructions(
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

/// Checks the instructions of the peer's encoder. Its dynamic table has a capacity of 0, so only
/// setting that capacity is valid (RFC 9204 §3.2.3).
fn encoder_instructions(bytes: &[u8]) -> Result<(), RuleViolation> {
    const SET_CAPACITY_0: u8 = 0x20;
    if bytes.iter().all(|byte| *byte == SET_CAPACITY_0) {
        return Ok(());
    }
    let reason = "an insertion into a dynamic table of capacity 0 (RFC 9204 §3.2.3)";
    Err(RuleViolation::connection_error(ErrorCode::QPACK_ENCODER_STREAM_ERROR, reason))
}

/// Checks the instructions of the peer's decoder. This end makes no insertions that the peer could
/// acknowledge, so only cancellations of streams are valid (RFC 9204 §4.4).
///
/// `in_integer` is whether the next byte continues an integer.
fn decoder_instructions(bytes: &[u8], in_integer: &mut bool) -> Result<(), RuleViolation> {
    for byte in bytes {
        if *in_integer {
            *in_integer = byte & 0x80 != 0;
        } else if byte >> 6 == 0b01 {
            *in_integer = byte & 0x3f == 0x3f;
        } else {
            let reason = "an acknowledgement of something that was not sent (RFC 9204 §4.4)";
            return Err(RuleViolation::connection_error(
                ErrorCode::QPACK_DECODER_STREAM_ERROR,
                reason,
            ));
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
            let violation = encoder_instructions(&[wrong]).unwrap_err();
            assert_eq!(violation.code, ErrorCode::QPACK_ENCODER_STREAM_ERROR);
        }
        // Cancellations of the streams 4 and 191, in two pieces.
        let mut in_integer = false;
        assert!(decoder_instructions(&[0x44, 0x7f, 0x80], &mut in_integer).is_ok());
        assert!(decoder_instructions(&[0x01, 0x44], &mut in_integer).is_ok());
        for wrong in [0x80, 0x00, 0x01] {
            let violation = decoder_instructions(&[wrong], &mut in_integer).unwrap_err();
            assert_eq!(violation.code, ErrorCode::QPACK_DECODER_STREAM_ERROR);
        }
    }
}
