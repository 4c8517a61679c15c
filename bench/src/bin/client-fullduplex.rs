//! fullduplex's client, through its ordinary API, with its defaults.

use fullduplex::{Client, Message, MessageKind, WebSocket};
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::{Deflate, Error};

struct Ours(WebSocket);

impl client::Client for Ours {
    type Message = Message;

    // It gathers writes automatically.
    const GATHERS: bool = false;

    async fn open(task: &Task) -> Result<Self, Error> {
        let (websocket, _response) = match task.setup.deflate {
            Deflate::Off => fullduplex::connect(&task.url()).await?,
            _ => {
                let client = Client::builder().deflate(task.setup.deflate_config()).build()?;
                client.connect(&task.url()).await?
            }
        };
        Ok(Self(websocket))
    }

    fn end(mut self, abort: bool) {
        // A WebSocket that is dropped sends a Close, and waits for the peer's in the background.
        if abort {
            self.0.abort();
        }
    }

    fn message(payload: &[u8], text: bool) -> Message {
        match text {
            true => Message::text(String::from_utf8_lossy(payload).into_owned()),
            false => Message::binary(payload.to_vec()),
        }
    }

    async fn send(&mut self, message: &Message) -> Result<(), Error> {
        Ok(self.0.send(message.clone()).await?)
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let message = self.0.next().await.ok_or("the server closed")??;
        look(message.kind() == MessageKind::Text, message.as_bytes())
    }
}

fn main() -> Result<(), Error> {
    client::run::<Ours>()
}
