//! tokio-tungstenite.
//!
//! `--cork` is what the crate's documentation of `Sink` and the example `echo-server`
//! (`read.forward(write)`) do: `feed`, and `flush` when there is no more input.
//! The buffers have their default sizes, 128 KiB each: `WebSocketConfig` says that "for high
//! read load scenarios a larger buffer, e.g. 128 KiB, improves performance".

use fullduplex_bench::setup::{self, Error, MAX_MESSAGE, Setup};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};

fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    let tls = setup.tls_acceptor()?;
    let (room, _) = broadcast::channel(64);
    setup::run(move |stream| {
        let (setup, tls, room) = (setup.clone(), tls.clone(), room.clone());
        async move {
            match tls {
                Some(tls) => serve(tls.accept(stream).await?, &setup, room).await,
                None => serve(stream, &setup, room).await,
            }
        }
    })
}

async fn serve<S>(stream: S, setup: &Setup, room: broadcast::Sender<Message>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let ws = accept_async_with_config(stream, Some(config)).await?;
    if setup.room { member(ws, room).await } else { setup::echo(ws, setup.cork, is_data).await }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}

/// A member of the room: the payload is shared, frames are written by each connection.
async fn member<W>(mut ws: W, room: broadcast::Sender<Message>) -> Result<(), Error>
where
    W: Stream<Item = tungstenite::Result<Message>>
        + Sink<Message, Error = tungstenite::Error>
        + Unpin,
{
    let mut messages = room.subscribe();
    loop {
        tokio::select! {
            received = ws.next() => match received {
                Some(message) => {
                    let message = message?;
                    if is_data(&message) {
                        // There is always a member to receive it: this one.
                        drop(room.send(message));
                    }
                }
                None => return Ok(()),
            },
            message = messages.recv() => {
                let mut next = Some(message);
                while let Some(message) = next.take() {
                    match message {
                        Ok(message) => ws.feed(message).await?,
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return Ok(()),
                    }
                    next = messages.recv().now_or_never();
                }
                ws.flush().await?;
            }
        }
    }
}
