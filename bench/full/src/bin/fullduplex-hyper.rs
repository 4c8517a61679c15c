//! fullduplex in a server on hyper, as in its example `hyper`.

use std::convert::Infallible;
use std::sync::Arc;

use fullduplex::WebSocket;
use fullduplex::server::{self, ServerConfig};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let listener = setup::listen()?;
    let config = Arc::new(ServerConfig::default().max_message_size(MAX_MESSAGE as u64));
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let config = config.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| respond(request, config.clone()));
            http1::Builder::new().serve_connection(TokioIo::new(tcp), service).with_upgrades().await
        });
    }
}

async fn respond(
    mut request: Request<Incoming>,
    config: Arc<ServerConfig>,
) -> Result<Response<String>, Infallible> {
    match server::upgrade(&mut request, config) {
        Ok((response, upgrade)) => {
            tokio::spawn(async move { echo(upgrade.await?).await });
            Ok(response.map(|()| String::new()))
        }
        Err(rejection) => Ok(rejection.into_response().map(|_| String::new())),
    }
}

async fn echo(mut websocket: WebSocket) -> Result<(), fullduplex::Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}
