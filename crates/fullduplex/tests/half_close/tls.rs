//! `close_notify`.

use std::io;

use bytes::BytesMut;
use fullduplex::CloseCode;
use fullduplex::proto::CloseCause;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::common::direct;
use crate::common::tls::{LOCALHOST, trusting};
use crate::{DEADLINE, common};

/// How a peer of rustls sees the end of what it reads: whether there was `close_notify`.
async fn reads_to_the_end(mut stream: impl AsyncRead + Unpin) -> io::Result<usize> {
    let mut rest = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("it does not end")
}

#[tokio::test]
async fn tls_close_notify_is_sent_by_the_client_however_it_ends() {
    for case in ["the client closes", "the server closes", "refused", "dropped"] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
        let server = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = common::tls::acceptor(&[b"http/1.1"]);
            let mut tls = acceptor.accept(tcp).await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tls.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            if case == "refused" {
                let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
                tls.write_all(refusal).await.unwrap();
                return reads_to_the_end(tls).await;
            }
            tls.write_all(common::switching(&head, "").as_bytes()).await.unwrap();
            if case == "the server closes" {
                tls.write_all(b"\x88\x02\x03\xe8").await.unwrap();
            }
            let mut close = [0; 8];
            tls.read_exact(&mut close).await.unwrap();
            assert_eq!(close[0], 0x88);
            if case != "the server closes" {
                tls.write_all(b"\x88\x02\x03\xe8").await.unwrap();
            }
            tls.shutdown().await.unwrap();
            reads_to_the_end(tls).await
        });
        let client = direct().tls(trusting(LOCALHOST)).build().unwrap();
        let connected = client.connect(&url).await;
        match (case, connected) {
            ("refused", Err(_)) => {}
            ("the client closes", Ok((mut websocket, _))) => {
                assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
            }
            ("the server closes", Ok((mut websocket, _))) => {
                assert!(websocket.next().await.is_none());
            }
            ("dropped", Ok((websocket, _))) => drop(websocket),
            (_, outcome) => panic!("{case}: {outcome:?}"),
        }
        let end = server.await.unwrap();
        assert_eq!(end.map_err(|error| error.kind()), Ok(0), "{case}");
    }
}

#[tokio::test]
async fn tls_end_without_close_notify_reads_like_an_end_of_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = common::tls::acceptor(&[b"http/1.1"]).accept(tcp).await.unwrap();
        let mut head = BytesMut::new();
        while !head.ends_with(b"\r\n\r\n") {
            tls.read_buf(&mut head).await.unwrap();
        }
        let head = String::from_utf8(head.to_vec()).unwrap();
        tls.write_all(common::switching(&head, "").as_bytes()).await.unwrap();
        tls.flush().await.unwrap();
        // The socket alone.
        let (mut tcp, _) = tls.into_inner();
        tcp.shutdown().await.unwrap();
    });
    let client = direct().tls(trusting(LOCALHOST)).build().unwrap();
    let (mut websocket, _) = client.connect(&url).await.unwrap();
    let next = timeout(DEADLINE, websocket.next()).await.expect("it does not end");
    let error = next.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the peer ended the transport without a Close frame");
    assert_eq!(websocket.close_info().unwrap().cause, CloseCause::TransportEnd);
}
