//! tokio-websockets' client, set up as its server here: no limit of the frame's size, and
//! `feed` and `flush`.

use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::Error;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Config, Limits, Message, WebSocketStream};

struct TokioWebsockets(WebSocketStream<TcpStream>);

impl client::Client for TokioWebsockets {
    type Message = Message;

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        let client = ClientBuilder::new()
            .uri(&task.url())?
            .config(Config::default().frame_size(usize::MAX))
            .limits(Limits::unlimited());
        let (ws, _response) = client.connect_on(task.connect().await?).await?;
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
        let message = self.0.next().await.ok_or("the server closed")??;
        look(message.is_text(), message.as_payload())
    }
}

fn main() -> Result<(), Error> {
    client::run::<TokioWebsockets>()
}
