//! wtx, as its example `web-socket-server` does it: parts of one WebSocket, so that a frame
//! is sent back from where it was received. Its feature `optimization` is on.

use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};
use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::web_socket::{OpCode, WebSocketAcceptor, WebSocketPayloadOrigin};

fn main() -> Result<(), Error> {
    setup::run(serve)
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let mut ws = WebSocketAcceptor::default().accept(stream).await?;
    ws.set_max_payload_len(MAX_MESSAGE);
    let (mut common, mut reader, mut writer) = ws.split_mut();
    let mut buffer = Vector::new();
    loop {
        let read =
            reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await;
        let mut frame = read?;
        match frame.op_code() {
            OpCode::Binary | OpCode::Text => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
        buffer.clear();
    }
}
