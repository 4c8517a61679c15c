//! Echo with yawc. Modes: off, shared (no context takeover), dedicated.

use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use yawc::{CompressionLevel, OpCode, Options, WebSocket};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn options(mode: &str) -> Options {
    let options = Options::default().with_limits(16 << 20, 32 << 20).with_utf8();
    match mode {
        "shared" => options
            .with_compression_level(CompressionLevel::default())
            .server_no_context_takeover()
            .client_no_context_takeover(),
        "dedicated" => options.with_compression_level(CompressionLevel::default()),
        _ => options.without_compression(),
    }
}

async fn upgrade(mut request: Request<Incoming>, mode: String) -> Result<Response<Empty<Bytes>>> {
    let (response, upgrade) = WebSocket::upgrade_with_options(&mut request, options(&mode))?;
    tokio::spawn(async move {
        let mut ws = upgrade.await?;
        while let Some(frame) = ws.next().await {
            if matches!(frame.opcode(), OpCode::Text | OpCode::Binary) {
                ws.send(frame).await?;
            }
        }
        Result::Ok(())
    });
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mode = mode.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| upgrade(request, mode.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connection.with_upgrades().await
        });
    }
}
