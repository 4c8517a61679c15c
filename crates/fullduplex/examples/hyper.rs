//! Accepts WebSockets in a hyper server, on HTTP/1.1 and HTTP/2:
//! `cargo run --example hyper --features http2,hyper -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use std::convert::Infallible;

use fullduplex::server::{self, ServerConfig};
use fullduplex::{Error, WebSocket};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http2().enable_connect_protocol();
            let service = service_fn(respond);
            builder.serve_connection_with_upgrades(TokioIo::new(tcp), service).await
        });
    }
}

async fn respond(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if !server::integrate::is_websocket(&request) {
        return Ok(Response::new("This is a WebSocket server.\n".into()));
    }
    match server::upgrade(&mut request, ServerConfig::default()) {
        Ok((response, upgrade)) => {
            tokio::spawn(async move { echo(upgrade.await?).await });
            Ok(response.map(|()| String::new()))
        }
        Err(rejection) => {
            let text = format!("{rejection}\n");
            Ok(rejection.into_response().map(|_| text))
        }
    }
}

async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}
