//! sockudo-ws, as its example `simple_echo` sets it up. `--cork`: `feed`, and `flush` when
//! there is no more input.

use bytes::{Bytes, BytesMut};
use fullduplex_bench::settings;
use fullduplex_bench::setup::{self, Deflate, Error, Setup};
use sockudo_ws::deflate::DeflateConfig;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Message, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    setup::run(move |stream| serve(stream, setup.deflate, setup.cork))
}

async fn serve(mut stream: TcpStream, deflate: Deflate, cork: bool) -> Result<(), Error> {
    let (settings, extension) = match deflate {
        Deflate::Off => (None, None),
        Deflate::Shared => (
            Some(DeflateConfig {
                server_no_context_takeover: true,
                client_no_context_takeover: true,
                ..DeflateConfig::default()
            }),
            Some("permessage-deflate; server_no_context_takeover; client_no_context_takeover"),
        ),
        Deflate::Dedicated | Deflate::Balanced => {
            (Some(DeflateConfig::default()), Some("permessage-deflate"))
        }
    };
    let Some(leftover) = upgrade(&mut stream, extension).await? else { return Ok(()) };
    let config = settings::sockudo();
    let is_data = |m: &Message| matches!(m, Message::Text(_) | Message::Binary(_));
    match settings {
        Some(settings) => {
            let leftover = Some(leftover);
            let ws =
                CompressedWebSocketStream::server_with_leftover(stream, config, settings, leftover);
            setup::echo(ws, cork, is_data).await
        }
        None => setup::echo(WebSocketStream::server(stream, config), cork, is_data).await,
    }
}

/// Answers the request, and returns what follows it.
async fn upgrade(stream: &mut TcpStream, extension: Option<&str>) -> Result<Option<Bytes>, Error> {
    let mut buffer = BytesMut::new();
    while stream.read_buf(&mut buffer).await? > 0 {
        if let Some((request, consumed)) = parse_request(&buffer)? {
            let key = generate_accept_key(request.key);
            stream.write_all(&build_response(&key, None, extension)).await?;
            return Ok(Some(buffer.split_off(consumed).freeze()));
        }
    }
    Ok(None)
}
