//! yawc, with the buffers of the benchmarks in its README (128 KiB to read, 64 KiB of
//! backpressure). `--cork` is what they do: ready messages are answered together.

use fullduplex_bench::setup::{self, Deflate, Error, MAX_MESSAGE, Setup};
use futures_util::StreamExt;
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use yawc::frame::Frame;
use yawc::{CompressionLevel, OpCode, Options, WebSocket};

fn options(deflate: Deflate) -> Options {
    let options = Options::default()
        .with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
        .with_read_buffer_capacity(128 << 10)
        .with_backpressure_boundary(64 << 10)
        .with_utf8();
    match deflate {
        Deflate::Off => options.without_compression(),
        Deflate::Shared => options
            .with_compression_level(CompressionLevel::default())
            .server_no_context_takeover()
            .client_no_context_takeover(),
        Deflate::Dedicated | Deflate::Balanced => {
            options.with_compression_level(CompressionLevel::default())
        }
    }
}

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
        WebSocket::upgrade_with_options(&mut request, options(setup.deflate))?;
    tokio::task::spawn_local(async move {
        let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Text | OpCode::Binary);
        let ws = upgraded.await?.map(Ok::<_, yawc::WebSocketError>);
        setup::echo(ws, setup.cork, is_data).await
    });
    Ok(response)
}
