//! The decompression of received messages (RFC 7692 §6.2, §7.2.2).

use zlib_rs::{InflateFlush, Status};

use super::history::History;
use super::pool::{self, InflateWorkspace, PooledWorkspace};
use super::{MAX_WINDOW_BITS, PerMessageDeflate, TAIL};
use crate::frame::Role;

/// A final empty block. After a complete message it ends zlib's stream without output. If a
/// message ends inside a block, it is read as part of that block.
const FINAL_EMPTY_BLOCK: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The decompressing side of a connection.
///
/// Between messages it keeps the history, if the peer may refer to it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of one state")]
pub(crate) struct Inflater {
    /// Whether messages may refer to earlier ones.
    takeover: bool,
    history: History,
    /// The workspace of the current message.
    workspace: Option<PooledWorkspace<InflateWorkspace>>,
    /// Whether zlib has had any input of the current message.
    has_input: bool,
    /// The number of bytes of [`TAIL`] that zlib has consumed.
    tail_consumed: usize,
    /// Whether zlib is at the end of a block with BFINAL set (§7.2.1), and must be reset.
    needs_reset: bool,
    /// Whether there is more output without more input.
    has_more_output: bool,
    /// Whether the next call fails, as the data is not valid DEFLATE.
    is_invalid: bool,
    /// Whether the message has ended. Its last output may still be read.
    is_done: bool,
}

/// The result of one call of [`Inflater::inflate`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InflateStatus {
    /// The number of bytes of the piece that were consumed.
    pub(crate) consumed: usize,
    /// The number of bytes of output, which [`Inflater::output`] returns.
    pub(crate) produced: usize,
    /// Whether the message is complete.
    pub(crate) is_done: bool,
    /// The number of final blocks that ended before the message did.
    pub(crate) restarts: u32,
}

/// The error of data that is not DEFLATE, or ends inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidData;

/// The result of one call of zlib.
struct CallResult {
    consumed: usize,
    produced: usize,
    /// Whether a final block has ended.
    is_stream_end: bool,
    is_invalid: bool,
}

impl Inflater {
    /// Creates the decompressor for the end with this role.
    pub(crate) fn new(deflate: &PerMessageDeflate, role: Role) -> Self {
        let (takeover, bits) = deflate.params.for_sender(role.peer());
        Self {
            takeover,
            // Without takeover the history is only needed across final blocks within a message.
            history: History::new(if takeover { bits } else { MAX_WINDOW_BITS }),
            workspace: None,
            has_input: false,
            tail_consumed: 0,
            needs_reset: false,
            has_more_output: false,
            is_invalid: false,
            is_done: false,
        }
    }

    /// Returns whether [`inflate`](Self::inflate) must be called again before there is more input.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.has_more_output
    }

    /// Returns the first `produced` bytes of output of the last call.
    #[inline]
    pub(crate) fn output(&mut self, produced: usize) -> &[u8] {
        match &mut self.workspace {
            Some(workspace) => &workspace.get().chunk[..produced],
            None => &[],
        }
    }

    /// Decompresses a piece of a message, up to one chunk of output. `last` means that the message
    /// ends with the piece.
    pub(crate) fn inflate(
        &mut self,
        piece: &[u8],
        last: bool,
    ) -> Result<InflateStatus, InvalidData> {
        self.release_workspace();
        let mut workspace = self.workspace.take().unwrap_or_else(|| self.take_workspace());
        let result = self.run(workspace.get(), piece, last);
        if let Ok(status) = &result {
            self.is_done = status.is_done;
            self.update_history(&workspace.get().chunk[..status.produced]);
        }
        self.workspace = Some(workspace);
        result
    }

    /// Returns the workspace to the pool if its message has ended.
    #[inline]
    pub(crate) fn release_workspace(&mut self) {
        if core::mem::take(&mut self.is_done)
            && let Some(workspace) = self.workspace.take()
        {
            pool::put_decompressor(workspace);
        }
    }

    fn take_workspace(&mut self) -> PooledWorkspace<InflateWorkspace> {
        let mut workspace = pool::take_decompressor();
        (self.has_input, self.tail_consumed, self.needs_reset) = (false, 0, false);
        if self.takeover {
            load_history(workspace.get(), &self.history);
        }
        workspace
    }

    fn update_history(&mut self, output: &[u8]) {
        if self.takeover || !self.is_done {
            self.history.push(output);
        } else {
            self.history.clear();
        }
    }

    fn run(
        &mut self,
        workspace: &mut InflateWorkspace,
        piece: &[u8],
        last: bool,
    ) -> Result<InflateStatus, InvalidData> {
        let mut total = InflateStatus::default();
        self.has_more_output = false;
        if self.is_invalid {
            return Err(InvalidData);
        }
        loop {
            let input = &piece[total.consumed..];
            // A message may be empty. It may also end with a final block, although §7.2.1 has
            // another block follow it.
            if input.is_empty() && (self.needs_reset || !self.has_input) {
                total.is_done = last;
                return Ok(total);
            }
            if core::mem::take(&mut self.needs_reset) {
                workspace.zlib.reset(false);
                load_history(workspace, &self.history);
            }
            self.has_input = true;
            let result = self.call(workspace, input, last);
            // What was consumed beyond the piece belongs to the tail.
            total.consumed += result.consumed.min(input.len());
            self.tail_consumed += result.consumed.saturating_sub(input.len());
            total.produced = result.produced;
            let consumed_all = total.consumed == piece.len();
            let is_full = result.produced == workspace.chunk.len();
            let is_over = last && consumed_all && self.tail_consumed == TAIL.len() && !is_full;
            // The tail can't be part of a final block.
            let is_cut = result.is_stream_end && self.tail_consumed > 0;
            if result.is_invalid || is_cut || (is_over && !ends_cleanly(workspace, result.produced))
            {
                // Output is returned before the error, so that the result does not depend on how
                // the input was split.
                self.is_invalid = result.produced > 0;
                self.has_more_output = self.is_invalid;
                return if self.is_invalid { Ok(total) } else { Err(InvalidData) };
            }
            total.is_done = is_over;
            if result.is_stream_end {
                self.needs_reset = true;
                total.restarts += 1;
            }
            let needs_input = consumed_all && !last && !is_full;
            if total.is_done || result.produced > 0 || needs_input {
                self.has_more_output = !total.is_done && !needs_input;
                return Ok(total);
            }
        }
    }

    /// Calls zlib once. The last piece of a message is followed by [`TAIL`].
    fn call(&self, workspace: &mut InflateWorkspace, piece: &[u8], last: bool) -> CallResult {
        let InflateWorkspace { zlib, chunk, joined } = workspace;
        let input = if !last {
            piece
        } else if piece.is_empty() {
            &TAIL[self.tail_consumed..]
        } else if piece.len() <= pool::MAX_JOINED {
            let (data, tail) = joined.split_at_mut(piece.len());
            data.copy_from_slice(piece);
            tail[..TAIL.len()].copy_from_slice(&TAIL);
            &joined[..piece.len() + TAIL.len()]
        } else {
            piece
        };
        let before = (zlib.total_in(), zlib.total_out());
        let status = zlib.decompress(input, &mut chunk[..], InflateFlush::SyncFlush);
        CallResult {
            // Both differences are at most the lengths of the buffers.
            consumed: (zlib.total_in() - before.0) as usize,
            produced: (zlib.total_out() - before.1) as usize,
            is_stream_end: status == Ok(Status::StreamEnd),
            is_invalid: status.is_err(),
        }
    }
}

/// Returns whether a message is complete after zlib has consumed it and its tail. The chunk is
/// not full after the `produced` bytes of output.
fn ends_cleanly(workspace: &mut InflateWorkspace, produced: usize) -> bool {
    let before = workspace.zlib.total_out();
    let unused = &mut workspace.chunk[produced..];
    let status = workspace.zlib.decompress(&FINAL_EMPTY_BLOCK, unused, InflateFlush::Finish);
    status == Ok(Status::StreamEnd) && workspace.zlib.total_out() == before
}

/// Loads the history into a new decompressor.
fn load_history(workspace: &mut InflateWorkspace, history: &History) {
    if !history.bytes().is_empty() {
        let set = workspace.zlib.set_dictionary(history.bytes());
        debug_assert!(set.is_ok(), "DEFLATE without a header accepts a dictionary at any time");
    }
}
