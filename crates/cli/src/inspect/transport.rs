//! What a relayed connection runs on, on each of its sides.

use std::io;
use std::task::{Context, Poll};

use fullduplex::NetStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};

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

    /// Waits until nothing can be written any more, as far as that is known without writing.
    fn poll_failure(writer: &mut Self::Writer, cx: &mut Context<'_>) -> Poll<io::Error>;

    /// Says how a direction has ended with an error.
    fn failure(error: &io::Error) -> String;
}

impl Transport for NetStream {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    const END: &'static str = "FIN";
    const FAILS_AS_A_WHOLE: bool = false;

    fn split(self) -> (Self::Reader, Self::Writer) {
        tokio::io::split(self)
    }

    fn reset(reader: Self::Reader, writer: Self::Writer, _: Option<&io::Error>) {
        // If it fails, the connection has ended, or is a Unix socket, which has no reset.
        let _ = reader.unsplit(writer).set_zero_linger();
    }

    fn poll_failure(_: &mut Self::Writer, _: &mut Context<'_>) -> Poll<io::Error> {
        Poll::Pending
    }

    fn failure(error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::ConnectionReset => "RST".to_owned(),
            io::ErrorKind::UnexpectedEof => "FIN without close_notify of TLS".to_owned(),
            _ => error.to_string(),
        }
    }
}
