//! The addresses that an open connection knows.

use std::io::ErrorKind;

use fullduplex::{CloseCode, pair};

#[cfg(all(feature = "tls", feature = "http2", feature = "http3"))]
#[tokio::test]
async fn addresses_are_those_of_the_connection_on_every_version() {
    for (version, mut client, mut server, _open) in crate::on_each_version().await {
        let (client_addr, server_addr) = (server.peer_addr().unwrap(), client.peer_addr().unwrap());
        assert_eq!(server.local_addr().unwrap(), server_addr, "{version}");
        let local = client.local_addr().unwrap();
        assert_eq!(local.port(), client_addr.port(), "{version}");
        // The client's UDP socket has no address of its own.
        let is_known = local.ip() == client_addr.ip();
        assert!(is_known || version == "HTTP/3" && local.ip().is_unspecified(), "{version}");
        let (send, receive) = server.split();
        assert_eq!(send.peer_addr().unwrap(), receive.peer_addr().unwrap());
        assert_eq!(send.local_addr().unwrap(), receive.local_addr().unwrap());
        server = send.reunite(receive).unwrap();
        server.abort();
        assert_eq!(server.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected, "{version}");
        client.abort();
    }
}

#[tokio::test]
async fn addresses_of_other_transports_are_unsupported() {
    let (client, _server) = pair();
    assert_eq!(client.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(client.local_addr().unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn byte_stream_gives_its_websocket_back() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut client, server) = pair();
    let mut bytes = server.into_byte_stream();
    client.send("bytes").await.unwrap();
    let mut read = [0; 5];
    bytes.read_exact(&mut read).await.unwrap();
    bytes.write_all(b"and back").await.unwrap();
    // Half-closed, it would wait for the end of this side.
    client.start_close(CloseCode::NORMAL, "").unwrap();
    assert_eq!(crate::in_time("the end", bytes.read(&mut read)).await.unwrap(), 0);
    let mut server = bytes.into_inner();
    assert!(crate::in_time("the end", server.next()).await.is_none());
    assert!(server.close_info().unwrap().is_clean());
    assert_eq!(client.next().await.unwrap().unwrap().as_bytes(), b"and back");
    assert!(crate::in_time("the end", client.next()).await.is_none());
}
