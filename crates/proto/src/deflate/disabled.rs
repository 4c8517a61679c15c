//! Placeholders for compression in a build without it. Most of these types have no values.

use bytes::{Bytes, BytesMut};

use super::Compression;

#[derive(Debug)]
pub(crate) enum Inflater {}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InflateStatus {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
    pub(crate) is_done: bool,
    pub(crate) restarts: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct InvalidData;

impl Inflater {
    pub(crate) fn has_more(&self) -> bool {
        match *self {}
    }

    pub(crate) fn output(&mut self, _: usize) -> &[u8] {
        match *self {}
    }

    pub(crate) fn inflate(&mut self, _: &[u8], _: bool) -> Result<InflateStatus, InvalidData> {
        match *self {}
    }

    pub(crate) fn release_workspace(&mut self) {
        match *self {}
    }
}

#[derive(Clone, Copy)]
pub(crate) struct CompressedForms;

#[expect(clippy::unused_self, reason = "the type with compression has state")]
impl CompressedForms {
    pub(crate) fn new(_: u8) -> Self {
        Self
    }

    pub(crate) fn has(self, _: &[u8], _: u8) -> bool {
        false
    }

    pub(crate) fn get(self, _: &[u8], _: u8) -> Option<Bytes> {
        None
    }
}

#[derive(Debug)]
pub(crate) enum Compressor {}

#[expect(dead_code, reason = "nothing is compressed")]
pub(crate) enum CompressedMessage<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl Compressor {
    pub(crate) fn should_compress(&mut self, _: usize, _: Compression) -> bool {
        match *self {}
    }

    pub(crate) fn would_compress(&self, _: usize, _: Compression) -> bool {
        match *self {}
    }

    pub(crate) fn compress(&mut self, _: &[u8], _: impl FnOnce(CompressedMessage<'_>)) -> bool {
        match *self {}
    }

    pub(crate) fn compress_piece(&mut self, _: &[u8], _: bool, _: bool, _: &mut BytesMut) {
        match *self {}
    }

    pub(crate) fn window_bits(&self) -> u8 {
        match *self {}
    }

    pub(crate) fn min_size(&self) -> usize {
        match *self {}
    }

    pub(crate) fn record_sent(&mut self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn on_idle(&mut self) {
        match *self {}
    }

    pub(crate) fn release_workspace(&mut self) {
        match *self {}
    }

    pub(crate) fn clear_history(&mut self) {
        match *self {}
    }
}
