//! The header fields that the rules of the handshake check.

use crate::handshake::grammar::list_contains;
use crate::handshake::headers::{AtMostOne, HeaderSource, names};

use super::WEBSOCKET;

/// The fields of a request that matter to the handshake, collected in one pass over all fields.
#[allow(clippy::struct_excessive_bools, reason = "each is about one field")]
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeFields<'h> {
    pub(super) host: AtMostOne<'h>,
    pub(super) origin: AtMostOne<'h>,
    pub(super) key: AtMostOne<'h>,
    pub(super) version: AtMostOne<'h>,
    pub(super) content_length: AtMostOne<'h>,
    pub(super) has_transfer_encoding: bool,
    pub(super) has_subprotocols: bool,
    pub(super) has_extensions: bool,
    pub(super) upgrade_lists_websocket: bool,
    pub(super) connection_lists_upgrade: bool,
}

impl<'h> HandshakeFields<'h> {
    pub(super) fn from_headers(headers: impl HeaderSource<'h>) -> Self {
        let mut fields = Self {
            host: AtMostOne::Missing,
            origin: AtMostOne::Missing,
            key: AtMostOne::Missing,
            version: AtMostOne::Missing,
            content_length: AtMostOne::Missing,
            has_transfer_encoding: false,
            has_subprotocols: false,
            has_extensions: false,
            upgrade_lists_websocket: false,
            connection_lists_upgrade: false,
        };
        headers.fields().for_each(|(name, value)| fields.add(name, value));
        fields
    }

    fn add(&mut self, name: &str, value: &'h [u8]) {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // A list may continue in further fields of its name (RFC 9110 §5.3).
        let lists = |token| list_contains([value].into_iter(), token);
        if is(names::HOST) {
            self.host.add(value);
        } else if is(names::UPGRADE) {
            self.upgrade_lists_websocket |= lists(WEBSOCKET);
        } else if is(names::CONNECTION) {
            self.connection_lists_upgrade |= lists("upgrade");
        } else if is(names::KEY) {
            self.key.add(value);
        } else if is(names::VERSION) {
            self.version.add(value);
        } else if is(names::ORIGIN) {
            self.origin.add(value);
        } else if is(names::SUBPROTOCOL) {
            self.has_subprotocols = true;
        } else if is(names::EXTENSIONS) {
            self.has_extensions = true;
        } else if is(names::CONTENT_LENGTH) {
            self.content_length.add(value);
        } else if is(names::TRANSFER_ENCODING) {
            self.has_transfer_encoding = true;
        }
    }

    /// Returns whether the request has any `Sec-WebSocket-*` field.
    pub(super) fn has_websocket_fields(&self) -> bool {
        self.key != AtMostOne::Missing
            || self.version != AtMostOne::Missing
            || self.has_subprotocols
            || self.has_extensions
    }

    /// Returns whether content follows the head, or a proxy could read it so.
    ///
    /// The bytes after the head will be read as frames, so there must be no doubt where the head
    /// ends. `Transfer-Encoding` and any `Content-Length` other than a single plain zero count as
    /// content (RFC 9112 §6.3, §11.2).
    pub(super) fn announces_body(&self) -> bool {
        self.has_transfer_encoding
            || !matches!(self.content_length, AtMostOne::Missing | AtMostOne::One(b"0"))
    }
}
