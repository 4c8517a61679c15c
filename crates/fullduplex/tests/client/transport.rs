//! The transport to a server without an opening handshake, and its end by a reset.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::direct;
use crate::common::tls::{LOCALHOST, localhost, trusting};

#[tokio::test]
async fn transport_to_a_server_carries_any_bytes_and_ends_with_a_reset() {
    for scheme in ["ws", "wss"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let client = direct().tls(trusting(LOCALHOST)).build().unwrap();
        let url = format!("{scheme}://localhost:{}/", address.port());
        let connecting = tokio::spawn(async move { client.connect_transport(&url).await });
        let (socket, _) = listener.accept().await.unwrap();
        let mut peer = match scheme {
            "ws" => socket.into(),
            _ => localhost().accept(socket).await.unwrap().0,
        };
        let mut stream = connecting.await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        stream.write_all(b"anything").await.unwrap();
        let mut seen = [0; 8];
        peer.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"anything");
        stream.set_zero_linger().unwrap();
        drop(stream);
        let error = peer.read(&mut seen).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{scheme}");
    }
}
