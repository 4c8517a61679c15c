//! `tunnel`, both ends.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::common::example::{Serving, example};

/// Both ends, and the TCP server behind them.
async fn tunnel() -> (Serving, Serving, TcpListener) {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = tcp.local_addr().unwrap().to_string();
    let server = Serving::run(example("tunnel").args(["serve", "127.0.0.1:0", &target]));
    let url = format!("ws://{}/", server.address);
    let client = Serving::run(example("tunnel").args(["connect", "127.0.0.1:0", &url]));
    (server, client, tcp)
}

#[tokio::test]
async fn example_tunnel_carries_both_directions_to_their_ends() {
    let (_server, client, tcp) = tunnel().await;
    let answering = tokio::spawn(async move {
        let (mut socket, _) = tcp.accept().await.unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.unwrap(); // one direction has ended
        all.reverse();
        socket.write_all(&all).await.unwrap();
    });
    let mut socket = TcpStream::connect(client.address).await.unwrap();
    let mut sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    socket.write_all(&sent).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut received = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut received)).await.unwrap().unwrap();
    sent.reverse();
    assert!(received == sent, "{} bytes", received.len());
    answering.await.unwrap();
}

#[tokio::test]
async fn example_tunnel_carries_a_failure_as_a_failure() {
    let (_server, client, tcp) = tunnel().await;
    let mut socket = TcpStream::connect(client.address).await.unwrap();
    socket.write_all(b"x").await.unwrap();
    let (mut behind, _) = timeout(PATIENCE, tcp.accept()).await.unwrap().unwrap();
    assert_eq!(behind.read_u8().await.unwrap(), b'x');
    behind.set_zero_linger().unwrap();
    drop(behind);
    let read = timeout(PATIENCE, socket.read(&mut [0; 8])).await.unwrap();
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
