//! yawc's client, with the options of its server here; `feed` and `flush`.

use bytes::Bytes;
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::settings;
use fullduplex_bench::setup::Error;
use yawc::{Frame, OpCode, TcpWebSocket, WebSocket};

struct Yawc;

impl client::Sinks for Yawc {
    type Socket = TcpWebSocket;
    type Message = Frame;

    async fn open(task: &Task) -> Result<Self::Socket, Error> {
        let connect = WebSocket::connect(task.url().parse()?);
        Ok(connect.with_options(settings::yawc(task.setup.deflate).with_no_delay()).await?)
    }

    fn message(payload: &[u8], text: bool) -> Frame {
        let payload = Bytes::copy_from_slice(payload);
        if text { Frame::text(payload) } else { Frame::binary(payload) }
    }

    fn received(item: Frame) -> Result<Frame, Error> {
        Ok(item)
    }

    fn look(frame: &Frame) -> Option<(bool, &[u8])> {
        match frame.opcode() {
            OpCode::Text => Some((true, frame.payload())),
            OpCode::Binary => Some((false, frame.payload())),
            _ => None,
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<client::SinkClient<Yawc>>()
}
