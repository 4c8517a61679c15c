//! fullduplex, through its ordinary API.

use std::sync::{Arc, Mutex, PoisonError};

use fullduplex::Transport;
use fullduplex::server::{Server, ServerConfig, accept_with};
use fullduplex::{DeflateConfig, PreparedMessage, SendHalf, WebSocket};
use fullduplex_bench::setup::{self, Deflate, Error, MAX_MESSAGE, Setup};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    let listener = setup::listen()?;
    if let Some(tls) = setup.tls_acceptor()? {
        let config = Arc::new(config(&setup));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (tls, config) = (tls.clone(), config.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                if let Ok(websocket) = accept_with(stream, config).await {
                    let _ = echo(websocket).await;
                }
            });
        }
    }
    let server = Server::from_listener(listener).config(config(&setup));
    if setup.room {
        let room = Room::default();
        server.serve(move |websocket| member(websocket, room.clone())).await?;
    } else {
        server.serve(|websocket| async { drop(echo(websocket).await) }).await?;
    }
    Ok(())
}

fn config(setup: &Setup) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.websocket.limits.max_message_size = Some(MAX_MESSAGE as u64);
    config.websocket.deflate = match setup.deflate {
        Deflate::Off => None,
        Deflate::Shared => Some(DeflateConfig::small_memory()),
        Deflate::Balanced => Some(DeflateConfig::balanced()),
        Deflate::Dedicated => Some(DeflateConfig {
            send_window_bits: 15,
            receive_window_bits: 15,
            ..DeflateConfig::balanced()
        }),
    };
    if let (Some(deflate), Some(level)) = (&mut config.websocket.deflate, setup.level) {
        deflate.level = level;
    }
    config
}

async fn echo<S: Transport>(mut websocket: WebSocket<S>) -> Result<(), fullduplex::Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

type Room = Arc<Mutex<Vec<SendHalf<tokio::net::TcpStream>>>>;

/// Sends what this member says to all: encoded once.
async fn member(websocket: WebSocket<tokio::net::TcpStream>, room: Room) {
    let (sender, mut receiver) = websocket.split();
    room.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
    while let Some(Ok(message)) = receiver.next().await {
        let prepared = PreparedMessage::new(message);
        for sender in room.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = sender.try_send_prepared(&prepared);
        }
    }
    let open = |sender: &SendHalf<_>| sender.state() == fullduplex::State::Open;
    room.lock().unwrap_or_else(PoisonError::into_inner).retain(open);
}
