//! fastwebsockets, as its example `echo_server` sets it up: hyper for the upgrade, tasks without
//! tokio's budget, and vectored writes, which are on by default. Each frame is written separately;
//! there is no way to gather them.

use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

fn main() -> Result<(), Error> {
    setup::run(|stream| async move {
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(open));
        Ok(connection.with_upgrades().await?)
    })
}

async fn open(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade::upgrade(&mut request)?;
    tokio::task::spawn_local(tokio::task::unconstrained(echo(upgraded)));
    Ok(response)
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = upgraded.await?;
    ws.set_max_message_size(MAX_MESSAGE);
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}
