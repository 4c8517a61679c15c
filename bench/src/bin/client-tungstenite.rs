//! tokio-tungstenite's client, with its defaults and `TCP_NODELAY`: `feed` and `flush`, as
//! the crate's documentation of `Sink` advises.

use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

struct Tungstenite;

impl client::Sinks for Tungstenite {
    type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
    type Message = Message;

    async fn open(task: &Task) -> Result<Self::Socket, Error> {
        let (ws, _response) = connect_async_with_config(task.url(), None, true).await?;
        Ok(ws)
    }

    fn message(payload: &[u8], text: bool) -> Message {
        match text {
            true => Message::text(String::from_utf8_lossy(payload).into_owned()),
            false => Message::binary(payload.to_vec()),
        }
    }

    fn received(item: Result<Message, tungstenite::Error>) -> Result<Message, Error> {
        Ok(item?)
    }

    fn look(message: &Message) -> Option<(bool, &[u8])> {
        match message {
            Message::Text(text) => Some((true, text.as_bytes())),
            Message::Binary(bytes) => Some((false, bytes)),
            _ => None,
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<client::SinkClient<Tungstenite>>()
}
