//! HTTP and SOCKS5 proxies.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use fullduplex::client::Proxy;
use fullduplex::server::accept;
use fullduplex::{Client, ClientBuilder, ErrorKind};
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::direct;
use crate::{Fixed, fails, serving};

/// Whoever is between a client and a server of TLS must not send it elsewhere.
#[tokio::test]
async fn redirect_by_a_proxy_is_not_followed() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let proxy = serving(move |mut stream, head| {
        seen.lock().unwrap().push(head.lines().next().unwrap().to_owned());
        async move {
            let answer = "HTTP/1.1 302 Found\r\nLocation: wss://evil.example/\r\n\r\n";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    let proxy = Proxy::parse(&proxy.replace("ws:", "http:")).unwrap();
    let builder = Client::builder().proxy(proxy).max_redirects(5);
    let error = fails(builder, "wss://bank.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert_eq!(*asked.lock().unwrap(), ["CONNECT bank.example:443 HTTP/1.1"]);
}

/// A SOCKS5 proxy (RFC 1928) that takes this address alone, where it is the server too. It
/// tells what it was asked for.
async fn socks5(good: [u8; 4]) -> (SocketAddr, Arc<Mutex<Vec<[u8; 4]>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 3];
            stream.read_exact(&mut hello).await.unwrap();
            assert_eq!(hello, [5, 1, 0]);
            stream.write_all(&[5, 0]).await.unwrap();
            let mut request = [0; 10];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..4], [5, 1, 0, 1]);
            let ip = [request[4], request[5], request[6], request[7]];
            seen.lock().unwrap().push(ip);
            // 5 is "connection refused".
            let answer = if ip == good { 0 } else { 5 };
            stream.write_all(&[5, answer, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if ip == good {
                tokio::spawn(async move { accept(stream).await.map(drop) });
            }
        }
    });
    (address, asked)
}

#[tokio::test]
async fn proxy_of_socks5_is_asked_for_each_address_in_turn() {
    let addresses = [[192, 0, 2, 1], [192, 0, 2, 2], [192, 0, 2, 3]];
    let (proxy, asked) = socks5(addresses[1]).await;
    let builder = |addresses: &[[u8; 4]]| {
        let addresses = addresses.iter().map(|ip| (*ip, 80).into()).collect();
        let proxy = Proxy::parse(&format!("socks5://{proxy}")).unwrap();
        Client::builder().proxy(proxy).resolver(Fixed(addresses))
    };
    let client = builder(&addresses).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();
    assert_eq!(*asked.lock().unwrap(), addresses[..2]);

    let error = fails(builder(&[addresses[2], addresses[0]]), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Proxy);
    assert!(error.to_string().contains("many.example:80 at 192.0.2.3"), "{error}");
    assert_eq!(asked.lock().unwrap()[2..], [addresses[2], addresses[0]]);
}

#[cfg(unix)]
#[tokio::test]
async fn proxy_is_not_used_for_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("fullduplex-direct-{}", std::process::id()));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { accept(listener.accept().await.unwrap().0).await.map(drop) });
    let proxy = Proxy::parse("http://user:secret@127.0.0.1:1/").unwrap();
    let client = Client::builder().proxy(proxy).unix_socket(&path).build().unwrap();
    client.connect("ws://a.example/").await.unwrap();
    std::fs::remove_file(&path).unwrap();
}

/// RFC 9110 §11.7.2.
#[tokio::test]
async fn proxy_authorization_goes_out_once() {
    let url = serving(|mut stream, head| async move {
        let sent: Vec<_> =
            head.lines().filter(|line| line.starts_with("Proxy-Authorization:")).collect();
        let sent = sent.join("|");
        let answer = format!("HTTP/1.1 407 No\r\nContent-Length: {}\r\n\r\n{sent}", sent.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let proxy =
        |user: &str| Proxy::parse(&url.replace("ws://", &format!("http://{user}"))).unwrap();
    let own = |client: ClientBuilder| {
        let value = HeaderValue::from_static("Bearer t");
        client.proxy_header(http::header::PROXY_AUTHORIZATION, value)
    };
    for (client, expected) in [
        (direct().proxy(proxy("")), ""),
        (direct().proxy(proxy("me:secret@")), "Proxy-Authorization: Basic bWU6c2VjcmV0"),
        (own(direct().proxy(proxy(""))), "Proxy-Authorization: Bearer t"),
        (own(direct().proxy(proxy("me:secret@"))), "Proxy-Authorization: Bearer t"),
    ] {
        let error = fails(client, "ws://a.example/").await;
        assert_eq!(error.response().unwrap().body(), expected, "{error}");
    }
}
