//! Says hello and goodbye: `cargo run --example client -- ws://127.0.0.1:9002/`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::{Client, CloseCode};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:9002/".into());
    let client = Client::builder().header("User-Agent", "hello").build()?;
    let (mut websocket, response) = client.connect(&url).await?;
    println!("connected: {}", response.status());

    websocket.send("hello").await?;
    if let Some(message) = websocket.next().await {
        println!("received: {:?}", message?);
    }
    let info = websocket.close(CloseCode::NORMAL, "goodbye").await?;
    println!("{info}");
    Ok(())
}
