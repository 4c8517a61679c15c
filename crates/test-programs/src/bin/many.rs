//! Opens many WebSockets on one HTTP/2 or HTTP/3 connection, each of which echoes a number of
//! bytes, all at once. The first of them sends as much and does not read.
//!
//! `many wss://localhost:9001/ ca.pem 100 10000000 3`
#![allow(clippy::print_stdout)] // a program that prints

use fullduplex::client::{ClientTls, HttpVersion, RootCertificates};
use fullduplex::{Client, Error, Message, WebSocket};

const PIECE: usize = 64 << 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [url, authorities, count, bytes, version] = &args[..] else {
        return Err("usage: many URL FILE-OF-AUTHORITIES COUNT BYTES 2|3".into());
    };
    let version = if version == "3" { HttpVersion::Http3 } else { HttpVersion::Http2 };
    let (count, bytes) = (count.parse::<usize>()?, bytes.parse::<usize>()?);
    let tls = ClientTls::new().roots(RootCertificates::None).add_authorities_file(authorities);
    let client = Client::builder().tls(tls).http_version(version).build()?;

    let (mut silent, _) = client.connect(url).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 1..count {
        let (client, url) = (client.clone(), url.clone());
        tasks.spawn(async move {
            let (websocket, _) = client.connect(&url).await?;
            echo(websocket, i, bytes).await
        });
    }
    // It sends until nothing more is taken.
    for _ in 0..bytes.div_ceil(PIECE) {
        if silent.try_send(vec![0; PIECE]).is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut echoed = 0;
    while let Some(done) = tasks.join_next().await {
        echoed += done??;
    }
    println!("{echoed} bytes each way on {} WebSockets", count - 1);
    Ok(())
}

async fn echo(websocket: WebSocket, i: usize, bytes: usize) -> Result<usize, Error> {
    let (send, mut receive) = websocket.split();
    let piece = move |n: usize| vec![(i * 31 + n).to_le_bytes()[0]; PIECE];
    let pieces = bytes.div_ceil(PIECE);
    let sending = tokio::spawn(async move {
        for n in 0..pieces {
            send.send(piece(n)).await?;
        }
        Ok::<_, Error>(send)
    });
    for n in 0..pieces {
        let message = receive.next().await.expect("one for each message")?;
        assert_eq!(message, Message::from(piece(n)), "message {n} of WebSocket {i}");
    }
    drop(sending.await.expect("it does not panic")?);
    Ok(pieces * PIECE)
}
