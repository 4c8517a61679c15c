//! Compressing what is sent (RFC 7692 §6.1, §7.2.1).

use bytes::{Bytes, BytesMut};
use zlib_rs::{DeflateFlush, Status};

use super::history::History;
use super::pool::{self, DeflateWorkspace, FixedParams, PooledWorkspace};
use super::{Compression, PerMessageDeflate, TAIL};
use crate::frame::Role;

/// With a longer history than this, a workspace is kept from one message to the next:
/// telling a new one the history would take longer than to compress a short message.
const WORTH_KEEPING: usize = 5 << 10;

/// The compressing side of a connection.
///
/// The history decides what may be referred to. A workspace only mirrors it, and can be
/// dropped at any time between messages.
#[derive(Debug)]
pub(crate) struct Compressor {
    shape: FixedParams,
    min_size: usize,
    /// `None` without context takeover.
    history: Option<History>,
    /// A workspace that mirrors the history.
    kept: Option<PooledWorkspace<DeflateWorkspace>>,
    /// The workspace of a message that is sent in pieces.
    streaming: Option<Streaming>,
    /// The peer begins anew with each message, so a message may end the stream.
    #[cfg(feature = "libdeflate")]
    may_end: bool,
    /// Messages to be sent as they are, as the last one did not become shorter; and how many
    /// it will be the next time.
    pause: (u8, u8),
    /// Used since [`rest`](Self::rest) was last called.
    used: bool,
}

/// The longest [`Compressor::pause`].
const LONGEST_PAUSE: u8 = 32;

#[derive(Debug)]
struct Streaming {
    workspace: PooledWorkspace<DeflateWorkspace>,
    /// Nothing was put in since the last flush.
    flushed: bool,
}

/// A compressed message.
pub(crate) enum CompressedMessage<'a> {
    /// Short enough to lie in a workspace.
    Short(&'a [u8]),
    /// With memory of its own.
    Long(Bytes),
}

impl core::fmt::Debug for FixedParams {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "level {}, window bits {}", self.level, self.window_bits)
    }
}

impl Compressor {
    /// For the end with this role.
    pub(crate) fn new(deflate: &PerMessageDeflate, role: Role) -> Self {
        let config = &deflate.config;
        let (takeover, bits) = deflate.params.of_sender(role);
        let bits = bits.min(config.send_window_bits);
        Self {
            shape: FixedParams {
                level: config.level,
                memory_level: config.memory_level,
                window_bits: zlib_window(bits),
            },
            min_size: config.min_size,
            history: (takeover && config.send_context_takeover).then(|| History::new(bits)),
            kept: None,
            streaming: None,
            #[cfg(feature = "libdeflate")]
            may_end: !takeover,
            pause: (0, 0),
            used: false,
        }
    }

    /// Whether a message of this length is to be compressed.
    ///
    /// Where messages don't become shorter, fewer and fewer are tried.
    #[inline]
    pub(crate) fn wants(&mut self, len: usize, compression: Compression) -> bool {
        let wants = self.would_compress(len, compression);
        if compression == Compression::Auto && len >= self.min_size.max(1) {
            self.pause.0 = self.pause.0.saturating_sub(1);
        }
        wants
    }

    /// Whether [`wants`](Self::wants) would say so of the next message.
    #[inline]
    pub(crate) fn would_compress(&self, len: usize, compression: Compression) -> bool {
        match compression {
            Compression::Auto => len >= self.min_size.max(1) && self.pause.0 == 0,
            Compression::On => len > 0,
            Compression::Off => false,
        }
    }

    /// Compresses a message, which is not empty, and hands it to `sink`, unless it would not
    /// become shorter; returns whether it did.
    pub(crate) fn compress(
        &mut self,
        message: &[u8],
        sink: impl FnOnce(CompressedMessage<'_>),
    ) -> bool {
        let shorter = self.try_compress(message, sink);
        self.pause = match self.pause {
            _ if shorter => (0, 0),
            (_, last) => {
                let next = (last * 2).clamp(1, LONGEST_PAUSE);
                (next, next)
            }
        };
        shorter
    }

    fn try_compress(&mut self, message: &[u8], sink: impl FnOnce(CompressedMessage<'_>)) -> bool {
        #[cfg(feature = "libdeflate")]
        if self.may_end && message.len() <= super::one_shot::LONGEST {
            return super::one_shot::compress(self.shape.level, message, sink);
        }
        let mut workspace = self.begin();
        let shorter = compress_whole(workspace.get(), message, sink);
        if shorter {
            self.remember(message);
            self.end(workspace);
        } else {
            // The workspace has seen what the peer will not.
            pool::give_deflating(workspace);
        }
        shorter
    }

    /// Takes note of a message that was sent compressed by itself: the peer's window has it.
    pub(crate) fn note_sent(&mut self, message: &[u8]) {
        self.remember(message);
        if let Some(workspace) = self.kept.take() {
            pool::give_deflating(workspace);
        }
    }

    /// The length from which on messages are compressed.
    pub(crate) fn min_size(&self) -> usize {
        self.min_size.max(1)
    }

    /// The window of the peer, as a power of two.
    pub(crate) fn window_bits(&self) -> u8 {
        self.shape.window_bits
    }

    /// Compresses a piece of a message into `out`: all of it with `flush`, else as much as
    /// makes whole blocks. `last` ends the message.
    pub(crate) fn compress_piece(
        &mut self,
        piece: &[u8],
        flush: bool,
        last: bool,
        out: &mut BytesMut,
    ) {
        let mut streaming = self.streaming.take().unwrap_or_else(|| {
            let workspace = self.begin();
            // A workspace stands behind a flush, or at the beginning.
            Streaming { workspace, flushed: true }
        });
        let flush = flush || last;
        let mode = if flush { DeflateFlush::SyncFlush } else { DeflateFlush::NoFlush };
        if piece.is_empty() && streaming.flushed {
            // Nothing to bring out; the end of a message is an empty block, whose other
            // four bytes are left out.
            if last {
                out.extend_from_slice(&[0]);
            }
        } else {
            let start = out.len();
            run(streaming.workspace.get(), piece, mode, |chunk| {
                out.extend_from_slice(chunk);
                true
            });
            streaming.flushed = flush;
            if last && out[start..].ends_with(&TAIL) {
                out.truncate(out.len() - TAIL.len());
            }
        }
        self.remember(piece);
        if last {
            self.end(streaming.workspace);
        } else {
            self.streaming = Some(streaming);
        }
    }

    /// Gives the workspace back if it was not used since the last call. What it mirrors
    /// stays.
    pub(crate) fn rest(&mut self) {
        if !core::mem::take(&mut self.used) {
            self.release();
        }
    }

    /// Gives the workspace back.
    pub(crate) fn release(&mut self) {
        self.kept = None;
    }

    /// Forgets also the history: messages refer to nothing that went before. The peer need
    /// not know.
    pub(crate) fn forget(&mut self) {
        self.release();
        if let Some(history) = &mut self.history
            && self.streaming.is_none()
        {
            history.forget();
        }
    }

    /// A workspace that mirrors the history.
    fn begin(&mut self) -> PooledWorkspace<DeflateWorkspace> {
        self.used = true;
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let mut workspace = pool::take_deflating(self.shape);
        if let Some(history) = &self.history
            && !history.bytes().is_empty()
        {
            let set = workspace.get().zlib.set_dictionary(history.bytes());
            debug_assert!(set.is_ok(), "a compressor that has seen nothing takes a dictionary");
        }
        workspace
    }

    fn remember(&mut self, sent: &[u8]) {
        if let Some(history) = &mut self.history {
            history.push(sent);
        }
    }

    fn end(&mut self, workspace: PooledWorkspace<DeflateWorkspace>) {
        match &self.history {
            Some(history) if history.bytes().len() > WORTH_KEEPING => self.kept = Some(workspace),
            _ => pool::give_deflating(workspace),
        }
    }
}

/// zlib has no window of 256 bytes without a header: its searches need 262 bytes of
/// lookahead in the window. But for the same reason a compressor with the next larger
/// window, 512 bytes, refers back by 250 at most, and so keeps to the smaller one.
fn zlib_window(bits: u8) -> u8 {
    bits.max(9)
}

/// Compresses a whole message, as [`Compressor::compress`].
pub(super) fn compress_whole(
    workspace: &mut DeflateWorkspace,
    message: &[u8],
    sink: impl FnOnce(CompressedMessage<'_>),
) -> bool {
    // Only what is longer than a chunk is gathered.
    let mut long = BytesMut::new();
    let mut len = 0;
    let most = message.len() + TAIL.len();
    let finished = run(workspace, message, DeflateFlush::SyncFlush, |chunk| {
        len += chunk.len();
        if chunk.len() == pool::CHUNK || !long.is_empty() {
            long.extend_from_slice(chunk);
        }
        len < most
    });
    if !finished {
        return false;
    }
    let len = len - TAIL.len();
    if long.is_empty() {
        debug_assert_eq!(workspace.chunk[len..len + TAIL.len()], TAIL);
        sink(CompressedMessage::Short(&workspace.chunk[..len]));
    } else {
        debug_assert_eq!(long[len..], TAIL);
        long.truncate(len);
        sink(CompressedMessage::Long(long.freeze()));
    }
    true
}

/// Runs zlib over all of `input`; each chunk that comes out goes to `sink`, which may stop
/// it. Returns whether it ran to the end.
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
        // Both are at most the lengths given.
        input = &input[(zlib.total_in() - before.0) as usize..];
        let produced = (zlib.total_out() - before.1) as usize;
        if !sink(&chunk[..produced]) {
            return false;
        }
        // With room left, all is out that will come out.
        if produced < chunk.len() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::DeflateConfig;

    /// The compressor of a server with this window.
    fn compressor(send_window_bits: u8) -> Compressor {
        let config = DeflateConfig { send_window_bits, ..DeflateConfig::smallest_bytes() };
        let offers = DeflateConfig::smallest_bytes().offers();
        let (_, mut deflate) = config.accept(&offers).unwrap();
        deflate.params.server_max_window_bits = send_window_bits;
        Compressor::new(&deflate, Role::Server)
    }

    /// What it takes besides the history: 375 KiB or nothing.
    fn keeps_a_workspace(compressor: &Compressor) -> bool {
        compressor.kept.is_some() || compressor.streaming.is_some()
    }

    fn compress(compressor: &mut Compressor, len: usize) {
        assert!(compressor.compress(&std::vec![b'z'; len], |_| {}));
    }

    #[test]
    fn deflate_workspace_is_kept_only_with_a_long_history_and_while_in_use() {
        // A window of 4 KiB is retold to a workspace of the thread.
        let mut short = compressor(12);
        compress(&mut short, 20_000);
        assert!(!keeps_a_workspace(&short));
        // A long history is worth one, but only once it is long.
        let mut long = compressor(15);
        compress(&mut long, WORTH_KEEPING);
        assert!(!keeps_a_workspace(&long));
        compress(&mut long, 100);
        assert!(keeps_a_workspace(&long));
        // At rest twice in a row, it goes, and the history stays.
        long.rest();
        assert!(keeps_a_workspace(&long), "used since");
        long.rest();
        assert!(!keeps_a_workspace(&long));
        assert_eq!(long.history.as_ref().unwrap().bytes().len(), WORTH_KEEPING + 100);
        compress(&mut long, 100);
        assert!(keeps_a_workspace(&long));
        long.release();
        assert!(!keeps_a_workspace(&long));
        compress(&mut long, 100);
        long.forget();
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
        compressor.note_sent(b"prepared");
        assert!(!keeps_a_workspace(&compressor));
        assert!(compressor.history.as_ref().unwrap().bytes().ends_with(b"prepared"));
    }
}
