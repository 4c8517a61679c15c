//! Accepts WebSockets in front of a tower service, on HTTP/1.1 and HTTP/2, until Ctrl-C:
//! `cargo run --example tower --features http2,tower -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use std::convert::Infallible;

use fullduplex::WebSocket;
use fullduplex::server::{DrainOptions, ServerHandle, WebSocketLayer};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{ServiceBuilder, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);

    let sockets = ServerHandle::new();
    let layer = WebSocketLayer::new(|websocket, _request| echo(websocket))
        .filter(|head| head.uri.path() == "/echo")
        .track(&sockets);
    let service = ServiceBuilder::new().layer(layer).service(service_fn(page));
    let accepting = async {
        while let Ok((tcp, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let mut builder = Builder::new(TokioExecutor::new());
                builder.http2().enable_connect_protocol();
                builder.serve_connection_with_upgrades(TokioIo::new(tcp), service).await
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = tokio::signal::ctrl_c() => println!("{}", sockets.drain(DrainOptions::default()).await),
    }
    Ok(())
}

async fn page(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("There is a WebSocket at /echo.\n".into()))
}

async fn echo(mut websocket: WebSocket) {
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            break;
        }
    }
}
