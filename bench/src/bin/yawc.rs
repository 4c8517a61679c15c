//! yawc. `--cork` is what the benchmarks in its README do: ready messages are answered together.

use fullduplex_bench::settings;
use fullduplex_bench::setup::{self, Error, Setup};
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::frame::Frame;
use yawc::{OpCode, WebSocket};

fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    setup::run(move |stream| {
        let setup = setup.clone();
        async move {
            let service = service_fn(move |request| open(request, setup.clone()));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            Ok(connection.with_upgrades().await?)
        }
    })
}

async fn open(
    mut request: Request<Incoming>,
    setup: Setup,
) -> Result<Response<Empty<Bytes>>, yawc::WebSocketError> {
    let (response, upgraded) =
        WebSocket::upgrade_with_options(&mut request, settings::yawc(setup.deflate))?;
    tokio::task::spawn_local(async move {
        let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary);
        let ws = upgraded.await?.map(Ok::<_, yawc::WebSocketError>);
        setup::echo(ws, setup.cork, is_data).await
    });
    Ok(response)
}
