//! yawc's client, with the options of its server here; `feed` and `flush`.

use bytes::Bytes;
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::{Deflate, Error, MAX_MESSAGE};
use futures_util::{SinkExt, StreamExt};
use yawc::{CompressionLevel, Frame, OpCode, Options, TcpWebSocket, WebSocket};

struct Yawc(TcpWebSocket);

fn options(deflate: Deflate) -> Options {
    let options = Options::default()
        .with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
        .with_read_buffer_capacity(128 << 10)
        .with_backpressure_boundary(64 << 10)
        .with_utf8()
        .with_no_delay();
    match deflate {
        Deflate::Off => options.without_compression(),
        Deflate::Shared => options
            .with_compression_level(CompressionLevel::default())
            .server_no_context_takeover()
            .client_no_context_takeover(),
        Deflate::Dedicated | Deflate::Balanced => {
            options.with_compression_level(CompressionLevel::default())
        }
    }
}

impl client::Client for Yawc {
    type Message = Frame;

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        let connect = WebSocket::connect(task.url().parse()?);
        Ok(Self(connect.with_options(options(task.setup.deflate)).await?))
    }

    fn message(payload: &[u8], text: bool) -> Frame {
        let payload = Bytes::copy_from_slice(payload);
        if text { Frame::text(payload) } else { Frame::binary(payload) }
    }

    async fn send(&mut self, message: &Frame) -> Result<(), Error> {
        Ok(self.0.feed(message.clone()).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(self.0.flush().await?)
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let frame = self.0.next().await.ok_or("the server closed")?;
        match frame.opcode() {
            OpCode::Text => look(true, frame.payload()),
            OpCode::Binary => look(false, frame.payload()),
            other => Err(format!("{other:?}").into()),
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<Yawc>()
}
