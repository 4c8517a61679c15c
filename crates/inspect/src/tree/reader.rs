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

    #[cfg(test)]
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
}
