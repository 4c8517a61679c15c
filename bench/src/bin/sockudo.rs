//! Echo with sockudo-ws. Modes: off, shared (no context takeover), dedicated.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::deflate::DeflateConfig;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Config, Message, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let deflate = match mode.as_str() {
        "shared" => Some(DeflateConfig {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            ..DeflateConfig::default()
        }),
        "dedicated" => Some(DeflateConfig::default()),
        _ => None,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, deflate.clone()));
    }
}

async fn serve(mut stream: TcpStream, deflate: Option<DeflateConfig>) -> Result<()> {
    let extension = deflate.as_ref().map(|deflate| {
        if deflate.server_no_context_takeover {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        } else {
            "permessage-deflate"
        }
    });
    let mut buffer = BytesMut::new();
    let leftover: Option<Bytes> = loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if let Some((request, consumed)) = parse_request(&buffer)? {
            let key = generate_accept_key(request.key);
            let response = build_response(&key, None, extension);
            stream.write_all(&response).await?;
            break Some(buffer.split_off(consumed).freeze());
        }
    };
    let config = Config::builder().max_message_size(16 << 20).max_frame_size(16 << 20).build();
    match deflate {
        Some(deflate) => {
            let ws =
                CompressedWebSocketStream::server_with_leftover(stream, config, deflate, leftover);
            echo(ws).await
        }
        None => echo(WebSocketStream::server(stream, config)).await,
    }
}

async fn echo<W, E>(mut ws: W) -> Result<()>
where
    W: futures_util::Stream<Item = std::result::Result<Message, E>>
        + futures_util::Sink<Message, Error = E>
        + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    while let Some(message) = ws.next().await {
        let message = message?;
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            ws.send(message).await?;
        }
    }
    Ok(())
}
