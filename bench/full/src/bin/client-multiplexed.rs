//! The load on HTTP/2 or HTTP/3: fullduplex's client, with all WebSockets on one connection as far
//! as the server allows.

use std::sync::OnceLock;

use fullduplex::client::{ClientTls, HttpVersion};
use fullduplex::{Client, Message, MessageKind, WebSocket};
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::setup::{Error, MAX_MESSAGE};

struct Multiplexed(WebSocket);

/// Returns the client of this process, which keeps the connection.
fn client(task: &Task) -> Result<&'static Client, Error> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client);
    }
    let folder = task.setup.tls.as_ref().ok_or("--tls FOLDER is needed")?;
    let version = if task.setup.http == 3 { HttpVersion::Http3 } else { HttpVersion::Http2 };
    let made = Client::builder()
        .http_version(version)
        .max_message_size(MAX_MESSAGE as u64)
        .tls(ClientTls::new().add_authorities_file(folder.join("cert.pem")))
        .build()?;
    Ok(CLIENT.get_or_init(|| made))
}

impl client::Client for Multiplexed {
    type Message = Message;

    const GATHERS: bool = false;

    async fn open(task: &Task) -> Result<Self, Error> {
        let url = format!("wss://localhost:{}/", task.server.port());
        let (websocket, _response) = client(task)?.connect(&url).await?;
        Ok(Self(websocket))
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
    client::run::<Multiplexed>()
}
