//! The ways to a server: addresses, interfaces, sockets, connectors.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use fullduplex::client::{BoxFuture, Connect, Resolve, SocketOptions};
use fullduplex::server::{Server, accept};
use fullduplex::{ErrorKind, NetStream};
use fullduplex_testkit::pipe::pipe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::{direct, switching};
use crate::{Fixed, common, fails};

#[tokio::test]
async fn connect_takes_the_address_that_answers() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let good = server.local_addr().unwrap();
    tokio::spawn(server.serve(|websocket| async move { drop(websocket) }));
    // Nobody listens there any more, so it refuses.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = direct().resolver(Fixed(vec![closed, good])).build().unwrap();
    client.connect("ws://many.example/").await.unwrap();

    let error = fails(direct().resolver(Fixed(vec![closed, closed])), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.to_string().matches(&closed.to_string()).count(), 2, "{error}");
    let error = fails(direct().resolver(Fixed(vec![])), "ws://many.example/").await;
    assert_eq!(error.kind(), ErrorKind::Resolve);
    let socket = SocketOptions::default().local_address(IpAddr::V6(Ipv6Addr::LOCALHOST));
    let builder = direct().resolver(Fixed(vec![good])).socket_options(socket);
    assert_eq!(fails(builder, "ws://many.example/").await.kind(), ErrorKind::Resolve);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn connect_by_a_chosen_interface() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    tokio::spawn(server.serve(common::echo));
    let through = |name: &str| {
        let interface = Some(name.to_owned());
        direct().socket_options(SocketOptions::default().interface(interface))
    };
    let (mut websocket, _) = through("lo").build().unwrap().connect(&url).await.unwrap();
    common::say(&mut websocket, "through lo").await;
    let error = fails(through("no-such-one"), &url).await;
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

struct Unknown;

impl Resolve for Unknown {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(std::future::ready(Err(io::Error::other("NXDOMAIN"))))
    }
}

#[tokio::test]
async fn connect_reports_a_missing_address_and_a_refused_port() {
    let error = fails(direct().resolver(Unknown), "ws://nowhere.example/").await;
    assert_eq!(error.kind(), ErrorKind::Resolve);
    assert!(error.to_string().contains("nowhere.example"), "{error}");
    assert!(error.to_string().contains("NXDOMAIN"), "{error}");
    assert!(error.is_retryable());
    // By the system, which needs to ask nobody: a label has at most 63 bytes (RFC 1035 §2.3.4).
    let error = fails(direct(), &format!("ws://{}.example/", "x".repeat(64))).await;
    assert_eq!(error.kind(), ErrorKind::Resolve, "{error}");

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fails(direct(), &format!("ws://{closed}/")).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn connect_to_unix_sockets() {
    let folder = std::env::temp_dir().join(format!("fullduplex-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut websocket = accept(stream).await.unwrap();
            websocket.send("from a socket").await.unwrap();
        }
    });
    let client = direct().build().unwrap();
    let (mut websocket, _) =
        client.connect(format!("ws+unix:{}:/chat", path.display())).await.unwrap();
    let message = websocket.next().await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("from a socket"));
    let client = direct().unix_socket(&path).build().unwrap();
    client.connect("ws://any.example/").await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let error = client.connect("ws://any.example/").await.unwrap_err();
    assert!(error.to_string().contains("socket"), "{error}");
}

/// Gives one end of a pipe, behind which a server is.
struct Piped;

impl Connect for Piped {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        assert_eq!((host, port), ("a.example", 80));
        let (near, far) = pipe(4096);
        tokio::spawn(async move {
            let mut websocket = accept(far).await.unwrap();
            websocket.send("through a pipe").await.unwrap();
        });
        Box::pin(std::future::ready(Ok(NetStream::new(near))))
    }
}

#[tokio::test]
async fn connect_by_a_custom_connector() {
    let client = direct().connector(Piped).build().unwrap();
    let (mut websocket, _) = client.connect("ws://a.example/").await.unwrap();
    let message = websocket.next().await.unwrap().unwrap();
    assert_eq!(message.as_text(), Some("through a pipe"));
}

/// It is for link-local addresses, where it may be a name. The first interface is loopback's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn uri_zone_of_ipv6_leads_to_the_interface() {
    for (zone, is_found) in [("lo", true), ("nosuch0", false)] {
        let error = fails(direct(), &format!("ws://[fe80::1%25{zone}]:9/")).await;
        assert_eq!(error.kind() != ErrorKind::Resolve, is_found, "{zone}: {error}");
    }
    // Its addresses, in hexadecimal; without IPv6 there is no such file.
    let addresses = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    if !addresses.contains(&format!("{:032x}", 1)) {
        return;
    }
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
        (head, stream)
    });
    let client = direct().resolver(Fixed(Vec::new())).build().unwrap();
    client.connect(format!("http://[::1%251]:{port}/")).await.unwrap();
    let (head, _stream) = asked.await.unwrap();
    assert!(head.contains(&format!("\r\nHost: [::1]:{port}\r\n")), "{head}");
}
