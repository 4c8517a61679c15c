//! TCP connections through WebSockets. One program for both ends of the tunnel:
//!
//! * `cargo run --example tunnel -- serve 127.0.0.1:9002 127.0.0.1:22`, beside the TCP server;
//! * `cargo run --example tunnel -- connect 127.0.0.1:2222 ws://127.0.0.1:9002/`, beside the TCP
//!   client, which is then `ssh -p 2222 127.0.0.1`.
#![allow(clippy::print_stdout)] // an example prints

use std::io;

use fullduplex::server::Server;
use fullduplex::{Client, WebSocket};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [word, address, target] = [1, 2, 3].map(|n| std::env::args().nth(n).unwrap_or_default());
    match word.as_str() {
        "serve" => serve(address, target).await,
        "connect" => connect(address, target).await,
        _ => Err("usage: tunnel serve ADDRESS TARGET, or tunnel connect ADDRESS URL".into()),
    }
}

/// Accepts WebSockets, and connects each to the target. The client has no say in where to.
async fn serve(address: String, target: String) -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::bind(address).await?;
    println!("listening on ws://{}/", server.local_addr()?);
    server
        .serve(move |websocket| {
            let target = target.clone();
            async move {
                let tcp = TcpStream::connect(target).await?;
                carry(tcp, websocket).await
            }
        })
        .await?;
    Ok(())
}

/// Accepts TCP connections, and opens a WebSocket for each.
async fn connect(address: String, url: String) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on tcp://{}/", listener.local_addr()?);
    let client = Client::default();
    loop {
        let (tcp, _) = listener.accept().await?;
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move {
            // If this fails, the TCP connection is dropped.
            let carried = match client.connect(url).await {
                Ok((websocket, _)) => carry(tcp, websocket).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = carried {
                println!("{error}");
            }
        });
    }
}

/// Copies both directions until both have ended. Each ends by itself, as on TCP.
async fn carry(mut tcp: TcpStream, websocket: WebSocket) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut stream = websocket.into_byte_stream();
    // An end without `shutdown` at the other end is an error, so nothing is cut unnoticed. To drop
    // `tcp` then would say that all has arrived: it is reset.
    let copied = copy_bidirectional(&mut tcp, &mut stream).await;
    match copied {
        Ok((to_websocket, to_tcp)) => println!("{to_websocket} bytes in, {to_tcp} bytes out"),
        Err(_) => tcp.set_zero_linger()?,
    }
    copied.map(drop)
}
