//! sockudo-ws' client: `connect_to_url`, which sets `TCP_NODELAY`; `feed` and `flush`.

use bytes::Bytes;
use fullduplex_bench::client::{self, Task};
use fullduplex_bench::settings;
use fullduplex_bench::setup::Error;
use sockudo_ws::client::WebSocketClient;
use sockudo_ws::{Http1, Message, Stream, WebSocketStream};

struct Sockudo;

impl client::Sinks for Sockudo {
    type Socket = WebSocketStream<Stream<Http1>>;
    type Message = Message;

    async fn open(task: &Task) -> Result<Self::Socket, Error> {
        let client = WebSocketClient::<Http1>::new(settings::sockudo());
        let (ws, _handshake) = client.connect_to_url(&task.url(), None).await?;
        Ok(ws)
    }

    fn message(payload: &[u8], text: bool) -> Message {
        let payload = Bytes::copy_from_slice(payload);
        if text { Message::Text(payload) } else { Message::Binary(payload) }
    }

    fn received(item: Result<Message, sockudo_ws::Error>) -> Result<Message, Error> {
        Ok(item?)
    }

    fn look(message: &Message) -> Option<(bool, &[u8])> {
        match message {
            Message::Text(text) => Some((true, text)),
            Message::Binary(bytes) => Some((false, bytes)),
            _ => None,
        }
    }
}

fn main() -> Result<(), Error> {
    client::run::<client::SinkClient<Sockudo>>()
}
