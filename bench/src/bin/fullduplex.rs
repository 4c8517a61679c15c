//! fullduplex, through its ordinary API.

use std::sync::Arc;

use fullduplex::Transport;
use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::{Server, ServerConfig, accept_with};
use fullduplex::{PreparedMessage, WebSocket};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE, Setup};
use tokio::io::AsyncWriteExt as _;

/// The size of the buffer that parts of messages pass through, in bytes.
const PIECE: usize = 64 << 10;

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
    if setup.pieces {
        server.serve(|websocket| async move { drop(forward(websocket).await) }).await?;
    } else if setup.room {
        let room = Group::new();
        server
            .serve(move |websocket| {
                let room = room.clone();
                async move { drop(member(websocket, room).await) }
            })
            .await?;
    } else {
        server
            .serve(|mut websocket| async move {
                while let Some(Ok(message)) = websocket.next().await {
                    if websocket.send(message).await.is_err() {
                        break;
                    }
                }
            })
            .await?;
    }
    Ok(())
}

fn config(setup: &Setup) -> ServerConfig {
    let mut config = ServerConfig::default();
    config.websocket.limits.max_message_size = Some(MAX_MESSAGE as u64);
    config.websocket.deflate = setup.deflate_config();
    config
}

async fn echo<S: Transport>(mut websocket: WebSocket<S>) -> Result<(), fullduplex::Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

/// Sends each message back in parts, while it arrives.
async fn forward(websocket: WebSocket) -> Result<(), Error> {
    let (send, mut receive) = websocket.split();
    while let Some(mut reader) = receive.next_reader().await? {
        let mut writer = send.writer(reader.kind());
        tokio::io::copy_buf(
            &mut tokio::io::BufReader::with_capacity(PIECE, &mut reader),
            &mut writer,
        )
        .await?;
        writer.shutdown().await?;
    }
    Ok(())
}

/// Sends what this member says to all: encoded once.
async fn member(mut websocket: WebSocket, room: Group) -> Result<(), fullduplex::Error> {
    let _member = room.join(&websocket, LagPolicy::DropNewest);
    while let Some(message) = websocket.next().await {
        room.publish(&PreparedMessage::new(message?));
    }
    Ok(())
}
