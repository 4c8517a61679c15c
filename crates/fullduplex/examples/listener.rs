//! An echo server on the application's listener: `cargo run --example listener -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::server;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let listener = TcpListener::bind(address).await?;
    println!("listening on ws://{}/", listener.local_addr()?);
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(tcp).await {
                println!("{error}");
            }
        });
    }
}

/// Accepts a WebSocket, and echoes its messages. Any transport can be used here, such as a TLS
/// stream or a pipe.
async fn serve(tcp: TcpStream) -> Result<(), fullduplex::Error> {
    let mut websocket = server::accept(tcp).await?;
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}
