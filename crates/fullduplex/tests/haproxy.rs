//! What a real haproxy says about its clients: the PROXY protocol, `Forwarded` and
//! `X-Forwarded-For`.
//!
//! `cargo test -p fullduplex --test haproxy -- --ignored`, as `cargo xtask test` runs it.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fullduplex::server::policy::{
    ForwardedHeader, ForwardedProto, Forwarding, PeerAddr, ProxyHeader, ProxyMode, ProxyProtocol,
    ProxyStatus,
};
use fullduplex::server::{Handshake, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A haproxy in front of listeners of ours, each with a mode and a server's options.
struct Haproxy {
    child: Child,
    config: PathBuf,
    fronts: Vec<SocketAddr>,
}

impl Haproxy {
    fn start(name: &str, backs: &[(&TcpListener, &str, &str)]) -> Self {
        let mut text = String::from(
            "defaults\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n retries 0\n",
        );
        let mut fronts = Vec::new();
        for (index, (back, mode, server)) in backs.iter().enumerate() {
            // Free a moment ago; haproxy fails to start if it is not any more.
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let front = free.local_addr().unwrap();
            let back = back.local_addr().unwrap();
            writeln!(text, "listen l{index}\n {mode}\n bind {front}\n server s {back} {server}")
                .unwrap();
            fronts.push(front);
        }
        let config = format!("fullduplex-haproxy-{}-{name}.cfg", std::process::id());
        let config = std::env::temp_dir().join(config);
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config).stdout(Stdio::null());
        let child = command.spawn().expect("haproxy is installed");
        Self { child, config, fronts }
    }

    /// A client of one of the listeners.
    async fn client(&self, index: usize) -> TcpStream {
        let connecting = async {
            loop {
                match TcpStream::connect(self.fronts[index]).await {
                    Ok(stream) => return stream,
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        };
        timeout(PATIENCE, connecting).await.expect("haproxy listens")
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Takes a connection and reads its header, and not a byte more.
async fn accept(listener: &TcpListener) -> (TcpStream, PeerAddr, ProxyHeader) {
    let settings =
        ProxyProtocol::default().mode(ProxyMode::Required).trusted("127.0.0.1".parse().unwrap());
    let (mut stream, peer) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let peer = PeerAddr::Inet(peer);
    let mut bytes = Vec::new();
    loop {
        match settings.read(&peer, &bytes).unwrap() {
            ProxyStatus::Incomplete { needed } => {
                let have = bytes.len();
                bytes.resize(have + needed, 0);
                timeout(PATIENCE, stream.read_exact(&mut bytes[have..])).await.unwrap().unwrap();
            }
            ProxyStatus::Header { header, length } => {
                assert_eq!(length, bytes.len());
                return (stream, settings.client(&peer, &header), header);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn proxy_protocol_of_haproxy_names_the_client() {
    let backs = [listener().await, listener().await, listener().await];
    let haproxy = Haproxy::start(
        "proxy",
        &[
            (&backs[0], "mode tcp", "send-proxy"),
            (&backs[1], "mode tcp", "send-proxy-v2"),
            (&backs[2], "mode tcp", "send-proxy-v2 proxy-v2-options crc32c,unique-id,ssl"),
        ],
    );
    for (index, back) in backs.iter().enumerate() {
        let mut client = haproxy.client(index).await;
        client.write_all(b"hello").await.unwrap();
        let (mut stream, known, header) = accept(back).await;
        let source = client.local_addr().unwrap();
        assert_eq!(known, PeerAddr::Inet(source), "listener {index}");
        assert_eq!(header, ProxyHeader::Inet { source, destination: haproxy.fronts[index] });
        let mut text = [0; 5];
        timeout(PATIENCE, stream.read_exact(&mut text)).await.unwrap().unwrap();
        assert_eq!(&text, b"hello");
    }
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn proxy_protocol_of_a_health_check_names_the_proxy() {
    let back = listener().await;
    let server = "send-proxy-v2 check check-send-proxy inter 50ms";
    let _haproxy = Haproxy::start("check", &[(&back, "mode tcp", server)]);
    let (_stream, _, header) = accept(&back).await;
    assert_eq!(header, ProxyHeader::Local);
}

#[tokio::test]
#[ignore = "needs haproxy"]
async fn forwarded_of_haproxy_names_the_client() {
    let backs = [listener().await, listener().await];
    let modes = [
        "mode http\n http-request add-header Forwarded \
         for=\\\"%[src]:%[src_port]\\\";proto=http;host=%[req.hdr(host)]",
        "mode http\n option forwardfor\n http-request set-header X-Forwarded-Proto http\n \
         http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    ];
    let haproxy = Haproxy::start("fields", &[(&backs[0], modes[0], ""), (&backs[1], modes[1], "")]);
    for (index, header) in
        [ForwardedHeader::Forwarded, ForwardedHeader::XForwardedFor].into_iter().enumerate()
    {
        let forwarding = Forwarding::default()
            .header(header)
            .trusted("127.0.0.1".parse().unwrap())
            .x_forwarded_proto(true)
            .x_forwarded_host(true);
        let mut client = haproxy.client(index).await;
        let request = "GET / HTTP/1.1\r\nHost: a.example\r\nForwarded: for=6.6.6.6;proto=https\r\n\
                       X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        let (stream, peer) = timeout(PATIENCE, backs[index].accept()).await.unwrap().unwrap();
        let handshake = Handshake::read(stream, ServerConfig::default()).await.unwrap();
        let known = forwarding.client(PeerAddr::Inet(peer), handshake.request().headers()).unwrap();
        let ip = client.local_addr().unwrap().ip();
        // The client's address is that of a trusted proxy here, so what it sent is believed in
        // its turn.
        assert_eq!(known.to_string(), "6.6.6.6 (reported by 2 trusted proxies)");
        let headers = handshake.request().headers();
        let nearest = forwarding.trusted("unix".parse().unwrap());
        let known = nearest.client(PeerAddr::Unix, headers).unwrap();
        assert_eq!((known.ip, known.proto), (Some(ip), Some(ForwardedProto::Http)), "{known}");
        assert_eq!(known.host.as_deref(), Some("a.example"));
        if header == ForwardedHeader::Forwarded {
            assert_eq!(known.port, Some(client.local_addr().unwrap().port()));
        }
    }
}
