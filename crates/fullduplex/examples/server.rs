//! An echo server: `cargo run --example server -- 127.0.0.1:9002`
#![allow(clippy::print_stdout)] // an example prints

use fullduplex::server::Server;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}/", server.local_addr()?);
    server
        .serve(|mut websocket| async move {
            while let Some(Ok(message)) = websocket.next().await {
                if websocket.send(message).await.is_err() {
                    break;
                }
            }
            println!("{}", websocket.close_info().expect("it has ended"));
        })
        .await?;
    Ok(())
}
