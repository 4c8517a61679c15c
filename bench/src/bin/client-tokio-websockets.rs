//! tokio-websockets' client, set up as its server here: no limit of the frame's size, and
//! `feed` and `flush`.

use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::Error;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, WebSocketStream};

struct TokioWebsockets;

impl client::Sinks for TokioWebsockets {
    type Socket = WebSocketStream<TcpStream>;
    type Message = Message;

    async fn open(task: &Task) -> Result<Self::Socket, Error> {
        let client = ClientBuilder::new()
            .uri(&task.url())?
            .config(Config::default().frame_size(usize::MAX))
            .limits(Limits::unlimited());
        let (ws, _response) = client.connect_on(task.connect().await?).await?;
        Ok(ws)
    }

    fn message(payload: &[u8], text: bool) -> Message {
        match text {
            true => Message::text(String::from_utf8_lossy(payload).into_owned()),
            false => Message::binary(payload.to_vec()),
        }
    }

    fn received(item: Result<Message, tokio_websockets::Error>) -> Result<Message, Error> {
        Ok(item?)
    }

    fn look(message: &Message) -> Option<(bool, &[u8])> {
        Some((message.is_text(), message.as_payload()))
    }
}

fn main() -> Result<(), Error> {
    client::run::<client::SinkClient<TokioWebsockets>>()
}
