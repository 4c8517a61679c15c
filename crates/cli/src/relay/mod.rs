//! What `fdx forward` and `fdx serve --forward` share: a TCP connection or a Unix socket at one
//! end, a WebSocket at the other, and the bytes between them.

mod carry;
mod ends;
mod target;

pub(crate) use self::carry::{CLOSE_TIMEOUT, Cut, HALF_CLOSE_TIMEOUT, carry, reset};
pub(crate) use self::target::Target;
