//! Decompressing what was received (RFC 7692 §6.2, §7.2.2).

use zlib_rs::{InflateFlush, Status};

use super::history::History;
use super::pool::{self, InflateWorkspace, PooledWorkspace};
use super::{MAX_WINDOW_BITS, PerMessageDeflate, TAIL};
use crate::frame::Role;

/// A final empty block. Behind a message that is whole, it ends zlib's stream and brings
/// nothing out; if a message is cut inside a block, it is read as part of that.
const FINAL: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];

/// The decompressing side of a connection.
///
/// Between messages it holds the history, if the peer may refer to it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of one state")]
pub(crate) struct Inflater {
    takeover: bool,
    history: History,
    /// The message under way.
    workspace: Option<PooledWorkspace<InflateWorkspace>>,
    /// Something of it was given to zlib.
    begun: bool,
    /// Bytes of [`TAIL`] that zlib has taken.
    end: usize,
    /// zlib has come to the end of a block with BFINAL set (§7.2.1), and is to begin anew.
    restart: bool,
    /// More comes out without more going in.
    more: bool,
    /// What comes next is not DEFLATE.
    corrupt: bool,
    /// The message has ended, and what came out last may still be looked at.
    done: bool,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct InflateStatus {
    /// Bytes of the piece that were taken.
    pub(crate) consumed: usize,
    /// Bytes that came out, to be found in [`Inflater::output`].
    pub(crate) produced: usize,
    /// The message is whole.
    pub(crate) done: bool,
    /// How many final blocks ended before the message did.
    pub(crate) restarts: u32,
}

/// The data is not DEFLATE, or ends inside a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidData;

/// What one call of zlib came to.
struct CallResult {
    taken: usize,
    produced: usize,
    at_end: bool,
    corrupt: bool,
}

impl Inflater {
    /// For the end with this role.
    pub(crate) fn new(deflate: &PerMessageDeflate, role: Role) -> Self {
        let peer = match role {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        };
        let (takeover, bits) = deflate.params.of_sender(peer);
        Self {
            takeover,
            // Without takeover it is used across final blocks alone.
            history: History::new(if takeover { bits } else { MAX_WINDOW_BITS }),
            workspace: None,
            begun: false,
            end: 0,
            restart: false,
            more: false,
            corrupt: false,
            done: false,
        }
    }

    /// Whether [`inflate`](Self::inflate) is to be called again before there is more to
    /// give it.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// What the last call brought out.
    #[inline]
    pub(crate) fn output(&mut self, produced: usize) -> &[u8] {
        match &mut self.workspace {
            Some(workspace) => &workspace.get().chunk[..produced],
            None => &[],
        }
    }

    /// Decompresses a piece of a message, as far as one chunk of output goes. `last` says
    /// that the message ends with the piece.
    pub(crate) fn inflate(
        &mut self,
        piece: &[u8],
        last: bool,
    ) -> Result<InflateStatus, InvalidData> {
        self.settle();
        let mut workspace = self.workspace.take().unwrap_or_else(|| self.begin());
        let result = self.run(workspace.get(), piece, last);
        if let Ok(inflated) = &result {
            self.done = inflated.done;
            self.keep(&workspace.get().chunk[..inflated.produced]);
        }
        self.workspace = Some(workspace);
        result
    }

    /// Gives back the workspace of a message that has ended.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if core::mem::take(&mut self.done)
            && let Some(workspace) = self.workspace.take()
        {
            pool::give_inflating(workspace);
        }
    }

    fn begin(&mut self) -> PooledWorkspace<InflateWorkspace> {
        let mut workspace = pool::take_inflating();
        (self.begun, self.end, self.restart) = (false, 0, false);
        if self.takeover {
            recall(workspace.get(), &self.history);
        }
        workspace
    }

    fn keep(&mut self, output: &[u8]) {
        if self.takeover || !self.done {
            self.history.push(output);
        } else {
            self.history.forget();
        }
    }

    fn run(
        &mut self,
        workspace: &mut InflateWorkspace,
        piece: &[u8],
        last: bool,
    ) -> Result<InflateStatus, InvalidData> {
        let mut total = InflateStatus::default();
        self.more = false;
        if self.corrupt {
            return Err(InvalidData);
        }
        loop {
            let rest = &piece[total.consumed..];
            // A message may well end with a final block, though §7.2.1 has a further one
            // follow it; or have no data at all.
            if rest.is_empty() && (self.restart || !self.begun) {
                total.done = last;
                return Ok(total);
            }
            if core::mem::take(&mut self.restart) {
                workspace.zlib.reset(false);
                recall(workspace, &self.history);
            }
            self.begun = true;
            let called = self.call(workspace, rest, last);
            // What was taken beyond the piece was taken of the tail.
            total.consumed += called.taken.min(rest.len());
            self.end += called.taken.saturating_sub(rest.len());
            total.produced = called.produced;
            let taken_all = total.consumed == piece.len();
            let full = called.produced == workspace.chunk.len();
            let is_over = last && taken_all && self.end == TAIL.len() && !full;
            // The tail is no part of a final block.
            let is_cut = called.at_end && self.end > 0;
            if called.corrupt || is_cut || (is_over && !ends_well(workspace, called.produced)) {
                // What came out before is told before, however the input was cut.
                self.corrupt = called.produced > 0;
                self.more = self.corrupt;
                return if self.corrupt { Ok(total) } else { Err(InvalidData) };
            }
            total.done = is_over;
            if called.at_end {
                self.restart = true;
                total.restarts += 1;
            }
            let waits = taken_all && !last && !full;
            if total.done || called.produced > 0 || waits {
                self.more = !total.done && !waits;
                return Ok(total);
            }
        }
    }

    /// Calls zlib once, with what was cut off the end of the message behind its last piece.
    fn call(&self, workspace: &mut InflateWorkspace, piece: &[u8], last: bool) -> CallResult {
        let InflateWorkspace { zlib, chunk, joined } = workspace;
        let input = if !last {
            piece
        } else if piece.is_empty() {
            &TAIL[self.end..]
        } else if piece.len() <= pool::JOIN {
            let (data, rest) = joined.split_at_mut(piece.len());
            data.copy_from_slice(piece);
            rest[..TAIL.len()].copy_from_slice(&TAIL);
            &joined[..piece.len() + TAIL.len()]
        } else {
            piece
        };
        let before = (zlib.total_in(), zlib.total_out());
        let status = zlib.decompress(input, &mut chunk[..], InflateFlush::SyncFlush);
        CallResult {
            // Both are at most the lengths given.
            taken: (zlib.total_in() - before.0) as usize,
            produced: (zlib.total_out() - before.1) as usize,
            at_end: status == Ok(Status::StreamEnd),
            corrupt: status.is_err(),
        }
    }
}

/// Whether a message that has been given to zlib with its tail is whole. There is room in
/// the chunk behind what came out of it.
fn ends_well(workspace: &mut InflateWorkspace, produced: usize) -> bool {
    let before = workspace.zlib.total_out();
    let room = &mut workspace.chunk[produced..];
    let status = workspace.zlib.decompress(&FINAL, room, InflateFlush::Finish);
    status == Ok(Status::StreamEnd) && workspace.zlib.total_out() == before
}

/// Tells a fresh decompressor what went before.
fn recall(workspace: &mut InflateWorkspace, history: &History) {
    if !history.bytes().is_empty() {
        let set = workspace.zlib.set_dictionary(history.bytes());
        debug_assert!(set.is_ok(), "DEFLATE without a header takes a dictionary at any time");
    }
}
