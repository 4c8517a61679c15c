//! web-socket. It reads from the stream directly, so a `BufReader` is needed, as in the examples of
//! its repository; it has no handshake.

use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};
use fullduplex_bench::upgrade;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use web_socket::{DataType, Event, MessageType, WebSocket};

fn main() -> Result<(), Error> {
    setup::run(serve)
}

async fn serve(mut stream: TcpStream) -> Result<(), Error> {
    let mut head = Vec::new();
    let response = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
        if let Some((response, _)) = upgrade::respond(&head) {
            break response;
        }
    };
    stream.write_all(response.as_bytes()).await?;
    let mut ws = WebSocket::server(BufReader::new(stream));
    ws.max_payload_len = MAX_MESSAGE;
    loop {
        match ws.recv().await? {
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                // Text is for the application to check.
                ws.send(std::str::from_utf8(&data)?).await?;
            }
            Event::Data { data, .. } => ws.send(&data[..]).await?,
            Event::Ping(data) => ws.send_pong(data).await?,
            Event::Pong(_) => {}
            Event::Error(_) | Event::Close { .. } => return Ok(()),
        }
    }
}
