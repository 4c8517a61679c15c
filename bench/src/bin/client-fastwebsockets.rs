//! fastwebsockets' client, as the documentation of `handshake::client` sets it up. Each frame is
//! written separately; there is no way to gather them.

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::{Error, MAX_MESSAGE};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};

struct Fastwebsockets(FragmentCollector<TokioIo<Upgraded>>);

impl client::Client for Fastwebsockets {
    type Message = (OpCode, Vec<u8>);

    const GATHERS: bool = false;

    async fn open(task: &Task) -> Result<Self, Error> {
        let request = Request::get(task.url().replace("ws:", "http:"))
            .header(HOST, task.server.to_string())
            .header(UPGRADE, "websocket")
            .header(CONNECTION, "upgrade")
            .header("Sec-WebSocket-Key", handshake::generate_key())
            .header("Sec-WebSocket-Version", "13")
            .body(Empty::<Bytes>::new())?;
        let stream = task.connect().await?;
        let (mut ws, _response) = handshake::client(&TokioExecutor::new(), request, stream).await?;
        ws.set_max_message_size(MAX_MESSAGE);
        Ok(Self(FragmentCollector::new(ws)))
    }

    fn message(payload: &[u8], text: bool) -> Self::Message {
        (if text { OpCode::Text } else { OpCode::Binary }, payload.to_vec())
    }

    async fn send(&mut self, (opcode, payload): &Self::Message) -> Result<(), Error> {
        let frame = Frame::new(true, *opcode, None, Payload::Borrowed(payload));
        Ok(self.0.write_frame(frame).await?)
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let frame = self.0.read_frame().await?;
        match frame.opcode {
            OpCode::Text => look(true, &frame.payload),
            OpCode::Binary => look(false, &frame.payload),
            other => Err(format!("{other:?}").into()),
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<Fastwebsockets>()
}
