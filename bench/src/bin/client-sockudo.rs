//! sockudo-ws' client: `connect_to_url`, which sets `TCP_NODELAY`; `feed` and `flush`.

use bytes::Bytes;
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::{Error, MAX_MESSAGE};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::client::WebSocketClient;
use sockudo_ws::{Config, Http1, Message, Stream, WebSocketStream};

struct Sockudo(WebSocketStream<Stream<Http1>>);

impl client::Client for Sockudo {
    type Message = Message;

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        let config =
            Config::builder().max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).build();
        let client = WebSocketClient::<Http1>::new(config);
        let (ws, _handshake) = client.connect_to_url(&task.url(), None).await?;
        Ok(Self(ws))
    }

    fn message(payload: &[u8], text: bool) -> Message {
        let payload = Bytes::copy_from_slice(payload);
        if text { Message::Text(payload) } else { Message::Binary(payload) }
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
            Message::Text(text) => look(true, &text),
            Message::Binary(bytes) => look(false, &bytes),
            other => Err(format!("{other:?}").into()),
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<Sockudo>()
}
