//! The events of relayed connections, and the outputs that receive them.

use std::net::SocketAddr;
use std::ops::Deref;
use std::time::Duration;

use fullduplex::Role;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::{Handling, Retention};
use fullduplex_inspect::{ConversationFrame, DecoderLimits};

use super::head::{Change, Head};
use crate::frames::CutEnd;

/// A thing that was seen on a connection.
pub(super) enum Event<'a> {
    /// A connection was accepted; `None` on a Unix socket.
    Accepted(Option<SocketAddr>),
    /// A tunnel that a client of the proxy asked for, to this host and port.
    Tunnel {
        to: &'a str,
        content: TunnelContent,
    },
    /// A stream of HTTP/2 was opened on the connection of this number. It is shown as a connection
    /// of its own.
    Stream {
        connection: u64,
        id: u32,
    },
    /// A request, as it is sent to the target.
    Request {
        head: &'a Head,
        changes: &'a [Change],
    },
    Response(&'a Head),
    /// The bytes of a body, which is complete.
    Body {
        sender: Role,
        len: u64,
    },
    /// The fields that follow a body.
    Trailers {
        sender: Role,
        fields: &'a [(String, String)],
    },
    /// A WebSocket was opened.
    Opened(&'a RecordedOpening),
    /// A request to open one was answered with a status that opens none.
    Refused(&'a RecordedOpening),
    /// Bytes of an open WebSocket, as they are on the wire.
    Bytes {
        sender: Role,
        bytes: &'a [u8],
    },
    /// Bytes of an open WebSocket that were not seen.
    Lost {
        sender: Role,
        bytes: u64,
    },
    Frame {
        shown: &'a ConversationFrame,
        /// Whether there was a Close before it.
        is_answer: bool,
        handling: Handling,
        /// What is left of its payload.
        retention: Retention,
    },
    /// What was not complete when its direction ended.
    Cut {
        sender: Role,
        cut: &'a CutEnd,
    },
    /// The end of a direction.
    End {
        sender: Role,
        how: &'a str,
    },
    /// The end of the connection.
    Closed(&'a Summary),
    /// What else happened, in words.
    Note(&'a str),
}

/// What passes through a tunnel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TunnelContent {
    /// No TLS.
    Plain,
    /// TLS that is looked into.
    OpenedTls,
    /// TLS that is not looked into.
    Tls,
}

/// How a connection ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// The side whose Close came first, with its code and reason; `None` for the code if it had
    /// none.
    pub(super) first_close: Option<(Role, Option<(u16, String)>)>,
    /// The side whose direction ended first, and how.
    pub(super) first_end: Option<(Role, String)>,
    /// The bytes that each side sent: the client, the server.
    pub(super) bytes: [u64; 2],
    /// The frames that each side sent.
    pub(super) frames: [u64; 2],
    /// The messages that each side sent.
    pub(super) messages: [u64; 2],
    /// The frames that broke a rule.
    pub(super) violations: u64,
}

/// Takes what is seen.
pub(super) trait Sink: Send + Sync {
    /// Takes a thing that was seen on the connection of this number, at this time since it was
    /// accepted. It must not wait.
    fn take(&self, number: u64, at: Duration, event: &Event<'_>);

    /// Returns how many bytes of a message it makes use of.
    fn max_payload(&self) -> usize {
        DecoderLimits::default().max_payload
    }

    /// Writes what waits to be written to a file.
    fn flush(&self) {}

    /// Writes what is left at the end of the program.
    fn finish(&self) {}
}

impl<P: Deref<Target: Sink> + Send + Sync> Sink for P {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        (**self).take(number, at, event);
    }

    fn max_payload(&self) -> usize {
        (**self).max_payload()
    }

    fn flush(&self) {
        (**self).flush();
    }

    fn finish(&self) {
        (**self).finish();
    }
}

/// Returns what became of a frame that did not pass as it came.
pub(super) fn handling_name(handling: Handling) -> Option<&'static str> {
    match handling {
        Handling::Dropped => Some("dropped"),
        Handling::Replaced => Some("replaced"),
        Handling::Injected => Some("injected"),
        _ => None,
    }
}

pub(super) fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}
