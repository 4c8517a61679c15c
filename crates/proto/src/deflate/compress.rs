//! The compression of sent messages (RFC 7692 §6.1, §7.2.1).

use bytes::{Bytes, BytesMut};
use zlib_rs::{DeflateFlush, Status};

use super::history::History;
use super::pool::{self, DeflateWorkspace, FixedParams, PooledWorkspace};
use super::{Compression, PerMessageDeflate, TAIL};
use crate::frame::Role;

/// The length of the history above which a workspace is kept between messages. Loading a longer
/// history into another workspace takes longer than compressing a short message.
const MIN_HISTORY_TO_KEEP: usize = 5 << 10;

/// The maximum number of messages that are sent uncompressed before the next attempt.
const MAX_BACKOFF: u8 = 32;

/// The compressing side of a connection.
///
/// Messages may only refer to the history. A workspace mirrors the history, and can be dropped at
/// any time between messages.
#[derive(Debug)]
pub(crate) struct Compressor {
    params: FixedParams,
    min_size: usize,
    /// The bytes that messages may refer to. `None` without context takeover.
    history: Option<History>,
    /// A workspace that mirrors the history, kept between messages.
    workspace: Option<PooledWorkspace<DeflateWorkspace>>,
    /// The workspace of a message that is sent in pieces.
    streaming: Option<Streaming>,
    /// Whether a message may end the DEFLATE stream, as the peer starts a new one for each.
    #[cfg(feature = "libdeflate")]
    may_end_stream: bool,
    /// The number of messages still to be sent uncompressed, and the number that the last
    /// message which did not become shorter set it to.
    backoff: (u8, u8),
    /// Whether a workspace was used since the last call of [`on_idle`](Self::on_idle).
    used_since_idle: bool,
}

/// The state of a message that is sent in pieces.
#[derive(Debug)]
struct Streaming {
    workspace: PooledWorkspace<DeflateWorkspace>,
    /// Whether there was no input since the last flush.
    is_flushed: bool,
}

/// A compressed message.
pub(crate) enum CompressedMessage<'a> {
    /// A short message, which borrows from a workspace.
    Borrowed(&'a [u8]),
    /// A long message in its own memory.
    Owned(Bytes),
}

impl core::fmt::Debug for FixedParams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "level {}, window bits {}", self.level, self.window_bits)
    }
}

impl Compressor {
    /// Creates the compressor for the end with this role.
    pub(crate) fn new(deflate: &PerMessageDeflate, role: Role) -> Self {
        let config = &deflate.config;
        let (takeover, bits) = deflate.params.for_sender(role);
        let bits = bits.min(config.send_window_bits);
        Self {
            params: FixedParams {
                level: config.level,
                memory_level: config.memory_level,
                window_bits: zlib_window(bits),
            },
            min_size: config.min_size,
            history: (takeover && config.send_context_takeover).then(|| History::new(bits)),
            workspace: None,
            streaming: None,
            #[cfg(feature = "libdeflate")]
            may_end_stream: !takeover,
            backoff: (0, 0),
            used_since_idle: false,
        }
    }

    /// Decides whether to compress the next message, which has this length.
    ///
    /// Each message that did not become shorter doubles the number of messages that are then not
    /// tried.
    #[inline]
    pub(crate) fn should_compress(&mut self, len: usize, compression: Compression) -> bool {
        let compresses = self.would_compress(len, compression);
        if compression == Compression::Auto && len >= self.min_size.max(1) {
            self.backoff.0 = self.backoff.0.saturating_sub(1);
        }
        compresses
    }

    /// Returns what [`should_compress`](Self::should_compress) would return, without counting a
    /// message.
    #[inline]
    pub(crate) fn would_compress(&self, len: usize, compression: Compression) -> bool {
        match compression {
            Compression::Auto => len >= self.min_size.max(1) && self.backoff.0 == 0,
            Compression::On => len > 0,
            Compression::Off => false,
        }
    }

    /// Compresses a non-empty message and passes the result to `sink` if it is shorter. Returns
    /// whether it is.
    pub(crate) fn compress(
        &mut self,
        message: &[u8],
        sink: impl FnOnce(CompressedMessage<'_>),
    ) -> bool {
        let is_shorter = self.try_compress(message, sink);
        self.backoff = match self.backoff {
            _ if is_shorter => (0, 0),
            (_, last) => {
                let next = (last * 2).clamp(1, MAX_BACKOFF);
                (next, next)
            }
        };
        is_shorter
    }

    fn try_compress(&mut self, message: &[u8], sink: impl FnOnce(CompressedMessage<'_>)) -> bool {
        #[cfg(feature = "libdeflate")]
        if self.may_end_stream && message.len() <= super::one_shot::MAX_LEN {
            return super::one_shot::compress(self.params.level, message, sink);
        }
        let mut workspace = self.take_workspace();
        let is_shorter = compress_message(workspace.get(), message, sink);
        if is_shorter {
            self.add_to_history(message);
            self.put_workspace(workspace);
        } else {
            // The workspace has seen a message that the peer will not receive compressed, so it
            // no longer mirrors the history.
            pool::put_compressor(workspace);
        }
        is_shorter
    }

    /// Records a message that was compressed elsewhere and sent: it is now in the peer's window.
    pub(crate) fn record_sent(&mut self, message: &[u8]) {
        self.add_to_history(message);
        if let Some(workspace) = self.workspace.take() {
            pool::put_compressor(workspace);
        }
    }

    /// Returns the minimum length of a message that is compressed.
    pub(crate) fn min_size(&self) -> usize {
        self.min_size.max(1)
    }

    /// Returns the window of sent messages, as a power of two.
    pub(crate) fn window_bits(&self) -> u8 {
        self.params.window_bits
    }

    /// Compresses a piece of a message into `out`. With `flush` all of it is written, otherwise
    /// only complete blocks. `last` ends the message.
    pub(crate) fn compress_piece(
        &mut self,
        piece: &[u8],
        flush: bool,
        last: bool,
        out: &mut BytesMut,
    ) {
        let mut streaming = self.streaming.take().unwrap_or_else(|| {
            let workspace = self.take_workspace();
            // A workspace that was taken is new, or its last call was a flush.
            Streaming { workspace, is_flushed: true }
        });
        let flush = flush || last;
        let mode = if flush { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
        if piece.is_empty() && streaming.is_flushed {
            // There is no output. A message ends with an empty block, of which only the first
            // byte is sent.
            if last {
                out.extend_from_slice(&[0]);
            }
        } else {
            let start = out.len();
            run(streaming.workspace.get(), piece, mode, |chunk| {
                out.extend_from_slice(chunk);
                true
            });
            streaming.is_flushed = flush;
            if last && out[start..].ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            }
        }
        self.add_to_history(piece);
        if last {
            self.put_workspace(streaming.workspace);
        } else {
            self.streaming = Some(streaming);
        }
    }

    /// Releases the workspace if it was not used since the last call. The history is kept.
    pub(crate) fn on_idle(&mut self) {
        if !core::mem::take(&mut self.used_since_idle) {
            self.release_workspace();
        }
    }

    /// Frees the workspace that is kept between messages.
    pub(crate) fn release_workspace(&mut self) {
        self.workspace = None;
    }

    /// Frees the workspace and the history. Later messages do not refer to earlier ones, which
    /// needs no word to the peer.
    pub(crate) fn clear_history(&mut self) {
        self.release_workspace();
        if let Some(history) = &mut self.history
            && self.streaming.is_none()
        {
            history.clear();
        }
    }

    /// Returns a workspace that mirrors the history.
    fn take_workspace(&mut self) -> PooledWorkspace<DeflateWorkspace> {
        self.used_since_idle = true;
        if let Some(workspace) = self.workspace.take() {
            return workspace;
        }
        let mut workspace = pool::take_compressor(self.params);
        if let Some(history) = &self.history
            && !history.bytes().is_empty()
        {
            let set = workspace.get().zlib.set_dictionary(history.bytes());
            debug_assert!(set.is_ok(), "a compressor without input accepts a dictionary");
        }
        workspace
    }

    fn add_to_history(&mut self, sent: &[u8]) {
        if let Some(history) = &mut self.history {
            history.push(sent);
        }
    }

    /// Keeps the workspace of a message that has ended, or returns it to the pool.
    fn put_workspace(&mut self, workspace: PooledWorkspace<DeflateWorkspace>) {
        match &self.history {
            Some(history) if history.bytes().len() > MIN_HISTORY_TO_KEEP => {
                self.workspace = Some(workspace);
            }
            _ => pool::put_compressor(workspace),
        }
    }
}

/// Returns the window to configure in zlib.
///
/// zlib has no window of 256 bytes without a header, as its searches need 262 bytes of lookahead
/// in the window. For the same reason a compressor with the next larger window, 512 bytes, refers
/// back by at most 250 bytes, and so stays within the smaller one.
fn zlib_window(bits: u8) -> u8 {
    bits.max(9)
}

/// Compresses a complete message, as [`Compressor::compress`] does.
pub(super) fn compress_message(
    workspace: &mut DeflateWorkspace,
    message: &[u8],
    sink: impl FnOnce(CompressedMessage<'_>),
) -> bool {
    // Only output longer than a chunk is collected.
    let mut long = BytesMut::new();
    let mut len = 0;
    let max_len = message.len() + TAIL.len();
    let finished = run(workspace, message, DeflateFlush::SyncFlush, |chunk| {
        len += chunk.len();
        if chunk.len() == pool::CHUNK || !long.is_empty() {
            long.extend_from_slice(chunk);
        }
        len < max_len
    });
    if !finished {
        return false;
    }
    let len = len - TAIL.len();
    if long.is_empty() {
        debug_assert_eq!(workspace.chunk[len..len + TAIL.len()], TAIL);
        sink(CompressedMessage::Borrowed(&workspace.chunk[..len]));
    } else {
        debug_assert_eq!(long[len..], TAIL);
        long.truncate(len);
        sink(CompressedMessage::Owned(long.freeze()));
    }
    true
}

/// Runs zlib over all of `input`, and passes each chunk of output to `sink`, which stops the run
/// by returning `false`. Returns whether it ran to the end.
fn run(
    workspace: &mut DeflateWorkspace,
    mut input: &[u8],
    mode: DeflateFlush,
    mut sink: impl FnMut(&[u8]) -> bool,
) -> bool {
    let DeflateWorkspace { zlib, chunk, .. } = workspace;
    loop {
        let before = (zlib.total_in(), zlib.total_out());
        let status = zlib.compress(input, &mut chunk[..], mode);
        debug_assert!(matches!(status, Ok(Status::Ok | Status::BufError)), "{status:?}");
        // Both differences are at most the lengths of the buffers.
        input = &input[(zlib.total_in() - before.0) as usize..];
        let produced = (zlib.total_out() - before.1) as usize;
        if !sink(&chunk[..produced]) {
            return false;
        }
        // The output buffer was not filled, so there is no more output.
        if produced < chunk.len() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::DeflateConfig;

    /// Creates the compressor of a server with this window.
    fn compressor(send_window_bits: u8) -> Compressor {
        let config = DeflateConfig::smallest_bytes().send_window_bits(send_window_bits);
        let offers = DeflateConfig::smallest_bytes().offers();
        let (_, mut deflate) = config.accept(&offers).unwrap();
        deflate.params.server_max_window_bits = send_window_bits;
        Compressor::new(&deflate, Role::Server)
    }

    /// Returns whether the compressor holds a workspace besides its history.
    fn keeps_a_workspace(compressor: &Compressor) -> bool {
        compressor.workspace.is_some() || compressor.streaming.is_some()
    }

    fn compress(compressor: &mut Compressor, len: usize) {
        assert!(compressor.compress(&std::vec![b'z'; len], |_| {}));
    }

    #[test]
    fn deflate_workspace_is_kept_only_with_a_long_history_and_while_in_use() {
        // A history of 4 KiB is loaded into a workspace of the thread.
        let mut short = compressor(12);
        compress(&mut short, 20_000);
        assert!(!keeps_a_workspace(&short));
        // With a long history a workspace is kept, but only once it is long.
        let mut long = compressor(15);
        compress(&mut long, MIN_HISTORY_TO_KEEP);
        assert!(!keeps_a_workspace(&long));
        compress(&mut long, 100);
        assert!(keeps_a_workspace(&long));
        // Idle twice in a row, the workspace is freed, and the history is kept.
        long.on_idle();
        assert!(keeps_a_workspace(&long), "used since");
        long.on_idle();
        assert!(!keeps_a_workspace(&long));
        assert_eq!(long.history.as_ref().unwrap().bytes().len(), MIN_HISTORY_TO_KEEP + 100);
        compress(&mut long, 100);
        assert!(keeps_a_workspace(&long));
        long.release_workspace();
        assert!(!keeps_a_workspace(&long));
        compress(&mut long, 100);
        long.clear_history();
        assert!(!keeps_a_workspace(&long));
        assert!(long.history.as_ref().unwrap().bytes().is_empty());
    }

    #[test]
    fn deflate_workspace_is_returned_at_the_end_of_a_message_in_pieces() {
        let mut compressor = compressor(12);
        let mut out = BytesMut::new();
        compressor.compress_piece(&[b'z'; 1000], false, false, &mut out);
        assert!(keeps_a_workspace(&compressor), "a message is under way");
        compressor.compress_piece(b"", false, true, &mut out);
        assert!(!keeps_a_workspace(&compressor));
    }

    /// A prepared message is in the peer's window, but not in a workspace of this connection.
    #[test]
    fn deflate_workspace_is_given_up_for_a_prepared_message() {
        let mut compressor = compressor(15);
        compress(&mut compressor, 10_000);
        compressor.record_sent(b"prepared");
        assert!(!keeps_a_workspace(&compressor));
        assert!(compressor.history.as_ref().unwrap().bytes().ends_with(b"prepared"));
    }
}
