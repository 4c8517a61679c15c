//! HTTP/2: each connection of a client has one to the target, and each of its streams one on that.
//!
//! Both ends are those of `h2`, as the fields of a head can't be changed otherwise: the compression
//! of each head depends on those before. What passes is what HTTP/2 means (RFC 9113): lists of
//! fields, content, ends and resets of streams. Frames, padding and PINGs are each side's own.

mod connection;
mod content;
mod heads;
mod settings;
mod shared;
mod stream;
mod written;

pub(super) use self::connection::relay;
pub(super) use self::shared::Shared;

/// What a client sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most streams of a client at the same time, if the target does not say less.
const MAX_STREAMS: u32 = 128;

/// The flow-control window of a stream: the most bytes that wait for the other side.
const STREAM_WINDOW: u32 = 64 << 10;

/// The window of a connection: the sum of those of its streams, so that one that is not read does
/// not stop the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MAX_STREAMS;

/// The most bytes of a list of fields.
const MAX_FIELDS: u32 = 64 << 10;

/// Says in words how a stream or a connection failed.
fn failure(error: &h2::Error) -> String {
    let frame = if error.is_go_away() { "GOAWAY" } else { "RST_STREAM" };
    match (error.reason(), error.get_io()) {
        (Some(reason), _) if error.is_library() => {
            format!("{frame} with {} by the relay", code(reason))
        }
        (Some(reason), _) => format!("{frame} with {}", code(reason)),
        (None, Some(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => {
            "RST of TCP".to_owned()
        }
        // So `h2` tells the streams of a connection that has ended.
        (None, Some(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            "the end of the connection".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Returns the name of a code, or its number.
fn code(reason: h2::Reason) -> String {
    let name = format!("{reason:?}");
    if name.starts_with("Reason") { format!("{:#x}", u32::from(reason)) } else { name }
}
