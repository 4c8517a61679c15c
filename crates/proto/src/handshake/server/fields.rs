//! The header fields that the rules ask for.

use crate::handshake::grammar::list_contains;
use crate::handshake::headers::{AtMostOne, HeaderSource, names};

use super::WEBSOCKET;

/// What a request has of the fields that matter, found in one pass over all of them.
#[allow(clippy::struct_excessive_bools, reason = "each stands for a field")]
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeFields<'h> {
    pub(super) host: AtMostOne<'h>,
    pub(super) origin: AtMostOne<'h>,
    pub(super) key: AtMostOne<'h>,
    pub(super) version: AtMostOne<'h>,
    pub(super) content_length: AtMostOne<'h>,
    pub(super) has_transfer_encoding: bool,
    pub(super) has_protocol: bool,
    pub(super) has_extensions: bool,
    /// `Upgrade` lists `websocket`.
    pub(super) upgrades: bool,
    /// `Connection` lists `upgrade`.
    pub(super) connection_upgrades: bool,
}

impl<'h> HandshakeFields<'h> {
    pub(super) fn among(headers: impl HeaderSource<'h>) -> Self {
        let mut found = Self {
            host: AtMostOne::Missing,
            origin: AtMostOne::Missing,
            key: AtMostOne::Missing,
            version: AtMostOne::Missing,
            content_length: AtMostOne::Missing,
            has_transfer_encoding: false,
            has_protocol: false,
            has_extensions: false,
            upgrades: false,
            connection_upgrades: false,
        };
        headers.fields().for_each(|(name, value)| found.take(name, value));
        found
    }

    fn take(&mut self, name: &str, value: &'h [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // A list goes on in further fields of its name (RFC 9110 §5.3).
        let lists = |token| list_contains([value].into_iter(), token);
        if is(names::HOST) {
            self.host.add(value);
        } else if is(names::UPGRADE) {
            self.upgrades |= lists(WEBSOCKET);
        } else if is(names::CONNECTION) {
            self.connection_upgrades |= lists("upgrade");
        } else if is(names::KEY) {
            self.key.add(value);
        } else if is(names::VERSION) {
            self.version.add(value);
        } else if is(names::ORIGIN) {
            self.origin.add(value);
        } else if is(names::PROTOCOL) {
            self.has_protocol = true;
        } else if is(names::EXTENSIONS) {
            self.has_extensions = true;
        } else if is(names::CONTENT_LENGTH) {
            self.content_length.add(value);
        } else if is(names::TRANSFER_ENCODING) {
            self.has_transfer_encoding = true;
        }
    }

    /// Whether there is any field of the opening handshake's own.
    pub(super) fn has_own(&self) -> bool {
        self.key != AtMostOne::Missing
            || self.version != AtMostOne::Missing
            || self.has_protocol
            || self.has_extensions
    }

    /// Whether content follows the head, or may follow in someone's reading of it.
    ///
    /// What lies behind the head will be taken for frames, so there must be no doubt where the
    /// head ends: `Transfer-Encoding` and any `Content-Length` but a single plain zero count
    /// (RFC 9112 §6.3, §11.2).
    pub(super) fn announces_body(&self) -> bool {
        self.has_transfer_encoding
            || !matches!(self.content_length, AtMostOne::Missing | AtMostOne::One(b"0"))
    }
}
