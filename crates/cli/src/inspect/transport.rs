//! What a relayed connection runs on, on each of its sides.

use std::io;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// A transport to the client or to the target.
pub(super) trait Transport {
    type Reader: AsyncRead + Unpin;
    type Writer: AsyncWrite + Unpin;

    /// What the regular end of a direction is called.
    const END: &'static str;

    /// Whether a direction that fails ends the other one, too.
    const FAILS_AS_A_WHOLE: bool;

    fn split(self) -> (Self::Reader, Self::Writer);

    /// Ends both directions at once. `cause` is what ended the other transport; `None` if it did
    /// not end.
    fn reset(reader: Self::Reader, writer: Self::Writer, cause: Option<&io::Error>);

    /// Returns whether the end of the direction has come with what was read last.
    fn is_at_end(reader: &Self::Reader) -> bool;

    /// Lets what is written from now on leave with the end of the direction, which follows.
    fn expect_end(writer: &mut Self::Writer);

    /// Waits until nothing can be written any more, as far as that is known without writing.
    fn poll_failure(writer: &mut Self::Writer, cx: &mut Context<'_>) -> Poll<io::Error>;

    /// Says how a direction has ended with an error.
    fn failure(error: &io::Error) -> String;
}
