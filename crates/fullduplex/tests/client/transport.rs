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

#[tokio::test]
async fn transport_that_is_connected_becomes_one_in_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = direct().tls(trusting(LOCALHOST)).build().unwrap();
    for (scheme, host) in [("ws", "localhost"), ("wss", "localhost"), ("wss", "other.example")] {
        let plain = client.connect_transport(&*format!("ws://localhost:{port}/")).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let url = format!("{scheme}://{host}:{port}/");
        let securing = client.connect_transport_over(plain, &*url, &[b"http/1.1"]);
        let accepting = async {
            match scheme {
                "ws" => Ok(socket.into()),
                _ => localhost().accept(socket).await.map(|accepted| accepted.0),
            }
        };
        let (stream, peer) = tokio::join!(securing, accepting);
        if host == "other.example" {
            let error = stream.unwrap_err();
            assert_eq!(error.kind(), fullduplex::ErrorKind::Tls, "{error}");
            continue;
        }
        let ((mut stream, chosen), mut peer) = (stream.unwrap(), peer.unwrap());
        assert_eq!(chosen.is_some(), scheme == "wss");
        stream.write_all(b"anything").await.unwrap();
        stream.flush().await.unwrap();
        let mut seen = [0; 8];
        peer.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"anything");
    }
}

#[tokio::test]
async fn transport_to_a_server_offers_protocols() {
    for (scheme, offered, expected) in [
        ("wss", &[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        ("wss", &[b"http/1.1"], Some(b"http/1.1")),
        ("wss", &[], None),
        ("ws", &[b"h2"], None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://localhost:{}/", listener.local_addr().unwrap().port());
        let client = direct().tls(trusting(LOCALHOST)).build().unwrap();
        let serving = async {
            let (socket, _) = listener.accept().await.unwrap();
            if scheme == "wss" {
                localhost().alpn(&[b"h2", b"http/1.1"]).accept(socket).await.unwrap();
            }
        };
        let connecting = client.connect_transport_with_alpn(&url, offered);
        let (connected, ()) = tokio::join!(connecting, serving);
        assert_eq!(connected.unwrap().1.as_deref(), expected, "{scheme} {offered:?}");
    }
}
