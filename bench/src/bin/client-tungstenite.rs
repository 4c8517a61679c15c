//! tokio-tungstenite's client, with its defaults and `TCP_NODELAY`: `feed` and `flush`, as
//! the crate's documentation of `Sink` advises.

use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::Error;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

struct Tungstenite(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl client::Client for Tungstenite {
    type Message = Message;

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        let (ws, _response) = connect_async_with_config(task.url(), None, true).await?;
        Ok(Self(ws))
    }

    fn message(payload: &[u8], text: bool) -> Message {
        match text {
            true => Message::text(String::from_utf8_lossy(payload).into_owned()),
            false => Message::binary(payload.to_vec()),
        }
    }

    async fn send(&mut self, message: &Message) -> Result<(), Error> {
        Ok(self.0.feed(message.clone()).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(self.0.flush().await?)
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.0.next().await.ok_or("the server closed")?? {
            Message::Text(text) => look(true, text.as_bytes()),
            Message::Binary(bytes) => look(false, &bytes),
            other => Err(format!("{other:?}").into()),
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<Tungstenite>()
}
