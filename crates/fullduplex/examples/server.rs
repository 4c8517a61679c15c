//! An echo server: `cargo run --example server -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::{Error, server::Server};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}/", server.local_addr()?);
    server
        .serve(|mut websocket| async move {
            while let Some(message) = websocket.next().await {
                websocket.send(message?).await?;
            }
            Ok::<(), Error>(())
        })
        .await
}
