//! Serves pages and WebSockets on one port, on HTTP/1.1, HTTP/2 and HTTP/3, until Ctrl-C:
//! `cargo run --example internet --features hyper,http2,http3 -- [::]:443 chain.pem key.pem`
#![allow(clippy::print_stdout)] // an example prints

use std::convert::Infallible;

use fullduplex::server::tls::ServerTls;
use fullduplex::server::{Body, DrainOptions, Handshake, Server, ServerConfig};
use http::{Request, Response};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [address, chain, key] = [1, 2, 3].map(|n| std::env::args().nth(n).unwrap_or_default());
    let config = ServerConfig::default().http2(true);
    let server = Server::bind(address)
        .await?
        .config(config)
        .tls(ServerTls::files(chain, key)?)
        .service(tower::service_fn(page)) // or an axum router
        .http3();
    println!("listening on https://{}/", server.local_addr()?);

    let handle = server.handle();
    tokio::spawn(async move {
        tokio::signal::ctrl_c().await.ok();
        println!("{}", handle.drain(DrainOptions::default()).await);
    });
    server.serve_handshakes(chat).await?;
    Ok(())
}

async fn chat(handshake: Handshake) {
    let name = handshake.request().uri().query().unwrap_or("stranger").to_owned();
    let Ok(mut websocket) = handshake.accept().await else { return };
    while let Some(Ok(message)) = websocket.next().await {
        let Some(text) = message.as_text() else { return };
        if websocket.send(format!("{name}: {text}")).await.is_err() {
            break;
        }
    }
}

async fn page(_: Request<Body>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("There is a WebSocket here.\n".into()))
}
