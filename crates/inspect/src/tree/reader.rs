//! What all readers of trees share: where they are, what is left, and why they stopped.

use super::{MAX_DEPTH, MAX_NODES, Problem, Tree, TreeValue};

/// A reader of bytes that makes a tree of bounded size. After a problem it reads nothing more.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the bytes are within the payload.
    base: usize,
    depth: usize,
    nodes: usize,
    problem: Option<Problem>,
}

impl<'a> Reader<'a> {
    /// Creates a reader of bytes that begin at `base` within their payload.
    pub(crate) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base, depth: 0, nodes: 0, problem: None }
    }

    /// Creates a reader of a part of these bytes, with what is left of levels and values.
    pub(crate) fn within<'b>(&self, bytes: &'b [u8], base: usize) -> Reader<'b> {
        Reader { bytes, at: 0, base, depth: self.depth, nodes: self.nodes, problem: None }
    }

    /// Counts the values that a reader of a part made.
    pub(crate) fn count_values_of(&mut self, part: &Reader<'_>) {
        self.nodes = self.nodes.max(part.nodes);
    }

    /// Returns the place within the payload.
    pub(crate) fn at(&self) -> usize {
        self.base + self.at
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(crate) fn has_problem(&self) -> bool {
        self.problem.is_some()
    }

    /// Reports a problem here. The first one stays.
    pub(crate) fn fail(&mut self, what: impl Into<String>) {
        self.fail_at(self.at(), what);
    }

    pub(crate) fn fail_at(&mut self, at: usize, what: impl Into<String>) {
        self.problem.get_or_insert_with(|| Problem { at, what: what.into() });
    }

    pub(crate) fn into_problem(self) -> Option<Problem> {
        self.problem
    }

    /// Returns the next byte, and stays before it.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(crate) fn skip(&mut self, len: usize) {
        self.at = (self.at + len).min(self.bytes.len());
    }

    /// Returns the next bytes; what there is of them, and a problem, if there are fewer.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let rest = self.rest();
        if rest.len() < len {
            self.skip(rest.len());
            self.fail(format!("ends {} bytes too early", len - rest.len()));
            return rest;
        }
        self.skip(len);
        &rest[..len]
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(1).first().copied()
    }

    /// Returns the next bytes as an integer, the most significant first.
    pub(crate) fn big_endian(&mut self, len: usize) -> Option<u64> {
        let bytes = self.take(len);
        let whole = bytes.len() == len && len <= 8;
        whole.then(|| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Returns an integer of groups of seven bits, the least significant first, as protobuf, MQTT
    /// and `SignalR` have them, of at most `max` bytes.
    pub(crate) fn varint(&mut self, max: usize) -> Option<u64> {
        let begin = self.at();
        let mut value = 0_u64;
        for index in 0..max.min(10) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if index == 9 && bits > 1 {
                break;
            }
            value |= bits << (7 * index);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        self.fail_at(begin, "an integer is too long");
        None
    }

    /// Returns a value that `read` makes of what is next, one level deeper; none if there are too
    /// many levels or values.
    pub(crate) fn node(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<TreeValue>,
    ) -> Option<Tree> {
        if self.has_problem() {
            return None;
        }
        if self.depth == MAX_DEPTH {
            self.fail(format!("more than {MAX_DEPTH} levels"));
            return None;
        }
        if self.nodes == MAX_NODES {
            self.fail(format!("more than {MAX_NODES} values"));
            return None;
        }
        self.nodes += 1;
        self.depth += 1;
        let begin = self.at();
        let value = read(self);
        self.depth -= 1;
        value.map(|value| Tree::new(value, begin..self.at()))
    }

    /// Reads values until `count` are there, or a problem.
    pub(crate) fn list(
        &mut self,
        count: u64,
        mut read: impl FnMut(&mut Self) -> Option<Tree>,
    ) -> TreeValue {
        let mut items = Vec::new();
        for _ in 0..count {
            let Some(item) = read(self) else { break };
            items.push(item);
        }
        TreeValue::List(items)
    }

    /// Reads keys and values until `count` are there, or a problem. A key without a value is left
    /// out.
    pub(crate) fn map(
        &mut self,
        count: u64,
        mut read: impl FnMut(&mut Self) -> Option<Tree>,
    ) -> TreeValue {
        let mut entries = Vec::new();
        for _ in 0..count {
            let Some(key) = read(self) else { break };
            let Some(value) = read(self) else { break };
            entries.push((key, value));
        }
        TreeValue::Map(entries)
    }
}
