//! HTTP/2 by hand, on either side.

use bytes::Bytes;
use fullduplex::Transport;
use fullduplex_testkit::eventually;
use h2::RecvStream;
use h2::client::SendRequest;
use http::Response;
use tokio::net::TcpStream;

/// A client's connection.
pub async fn connect(tcp: TcpStream) -> SendRequest<Bytes> {
    let (send, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    send
}

/// Waits until the server's SETTINGS have come, and with them leave for extended CONNECT.
pub async fn extended_connect(send: &SendRequest<Bytes>) {
    eventually("extended CONNECT is allowed", || send.is_extended_connect_protocol_enabled()).await;
}

/// All that comes on a stream.
pub async fn content(stream: &mut RecvStream) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(data) = stream.data().await {
        content.extend_from_slice(&data.unwrap());
    }
    content
}

/// A server that opens every stream and keeps it, until the connection ends; or fails.
pub async fn keep<S: Transport>(stream: S) -> Option<()> {
    let mut builder = h2::server::Builder::new();
    let handshake = builder.enable_connect_protocol().handshake::<_, Bytes>(stream);
    let mut connection = handshake.await.ok()?;
    let mut kept = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        kept.push((respond.send_response(Response::new(()), false).ok()?, request));
    }
    Some(())
}
