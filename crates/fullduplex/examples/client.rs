//! Says hello and goodbye: `cargo run --example client -- ws://127.0.0.1:9002/`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::{CloseCode, Error, connect};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:9002/".into());
    let (mut websocket, _response) = connect(&url).await?;
    websocket.send("hello").await?;
    if let Some(message) = websocket.next().await {
        println!("received: {}", message?);
    }
    let info = websocket.close(CloseCode::NORMAL, "goodbye").await?;
    println!("{info}");
    Ok(())
}
