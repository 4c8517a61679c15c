//! tokio-websockets, as its example `echo_server` sets it up for speed: no limit of the
//! frame's size, tasks without tokio's budget. `--cork`: `feed`, and `flush` when there is no
//! more input.

use fullduplex_bench::setup::{self, Error, Setup};
use tokio_websockets::{Config, Limits, Message, ServerBuilder};

fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    setup::run(move |stream| {
        let cork = setup.cork;
        tokio::task::unconstrained(async move {
            let (_request, ws) = ServerBuilder::new()
                .config(Config::default().frame_size(usize::MAX))
                .limits(Limits::unlimited())
                .accept(stream)
                .await?;
            setup::echo(ws, cork, |m: &Message| m.is_text() || m.is_binary()).await
        })
    })
}
