//! Connections of both roles, with each other and with peers that break the rules, over UDP
//! on this machine.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use fullduplex_http3::quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use fullduplex_http3::quinn::{self, ClientConfig, ConnectionError, Endpoint, ServerConfig};
use fullduplex_http3::{
    ALPN, ConnectProtocol, Error, ErrorCode, LocalSettings, client, server, transport_config,
};
use http::{Method, Request, Response};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Connects a client and a server over QUIC. The client allows streams of the server, so that a
/// test can open one against the rules.
async fn quic() -> (quinn::Connection, quinn::Connection) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = [&rustls::version::TLS13];
    let tls = rustls::ServerConfig::builder_with_provider(provider.clone());
    let tls = tls.with_protocol_versions(&versions).unwrap().with_no_client_auth();
    let mut tls = tls.with_single_cert(vec![certificate.clone()], key).unwrap();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let transport = Arc::new(transport_config(10, Duration::from_secs(30)));
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
    config.transport_config(transport.clone());
    let server = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(provider);
    let tls = tls.with_protocol_versions(&versions).unwrap();
    let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(transport);
    let client = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting =
        client.connect_with(config, server.local_addr().unwrap(), "localhost").unwrap();
    let (client, server) =
        tokio::join!(connecting, async { server.accept().await.unwrap().await.unwrap() });
    (client.unwrap(), server)
}

fn settings() -> LocalSettings {
    LocalSettings::default().enable_connect_protocol(true)
}

async fn pair() -> (client::ClientConnection, server::ServerConnection) {
    let (client, server) = quic().await;
    (
        client::ClientConnection::new(client, settings()),
        server::ServerConnection::new(server, settings()),
    )
}

fn connect() -> Request<()> {
    Request::connect("https://localhost/x").extension(ConnectProtocol::WEBSOCKET).body(()).unwrap()
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("https://localhost{path}")).body(()).unwrap()
}

/// Returns the code with which the other end closes this connection.
async fn closed_with(quic: &quinn::Connection) -> ErrorCode {
    match quic.closed().await {
        ConnectionError::ApplicationClosed(close) => ErrorCode(close.error_code.into_inner()),
        other => panic!("{other}"),
    }
}

/// Opens a unidirectional stream and writes these bytes to it.
async fn open_with(quic: &quinn::Connection, bytes: &[u8]) -> quinn::SendStream {
    let mut stream = quic.open_uni().await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn request_and_response_carry_content() {
    let (client, mut server) = pair().await;
    let answering = tokio::spawn(async move {
        let mut accepted = server.accept().await.unwrap();
        assert_eq!(accepted.request.method(), Method::POST);
        let mut content = Vec::new();
        accepted.stream.read_to_end(&mut content).await.unwrap();
        let early = Response::builder().status(103).body(()).unwrap();
        accepted.stream.send_response(&early).await.unwrap();
        let response = Response::builder().header("content-length", content.len());
        accepted.stream.send_response(&response.body(()).unwrap()).await.unwrap();
        let again = accepted.stream.send_response(&Response::new(())).await;
        assert!(matches!(again, Err(Error::Misuse(_))));
        accepted.stream.write_all(&content).await.unwrap();
        accepted.stream.shutdown().await.unwrap();
        assert!(server.accept().await.is_none());
    });
    let content: Vec<u8> = (0..300_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let request = Request::post("https://localhost/").header("content-length", content.len());
    let mut pending = client.send_request(&request.body(()).unwrap()).await.unwrap();
    pending.stream().write_all(&content).await.unwrap();
    pending.stream().shutdown().await.unwrap();
    let (response, mut stream) = pending.response().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer == content);
    drop((stream, client));
    answering.await.unwrap();
}

#[tokio::test]
async fn tunnel_directions_end_separately() {
    let (client, mut server) = pair().await;
    let (tunnel, mut accepted) = tokio::join!(
        async { client.send_request(&connect()).await.unwrap().response().await.unwrap().1 },
        async {
            let mut accepted = server.accept().await.unwrap();
            assert_eq!(accepted.request.extensions().get(), Some(&ConnectProtocol::WEBSOCKET));
            accepted.stream.send_response(&Response::new(())).await.unwrap();
            accepted
        }
    );
    let mut tunnel = tunnel;
    accepted.stream.shutdown().await.unwrap();
    assert_eq!(tunnel.read(&mut [0; 9]).await.unwrap(), 0);
    tunnel.write_all(b"still").await.unwrap();
    tunnel.shutdown().await.unwrap();
    assert!(tunnel.write_all(b"x").await.is_err());
    let mut rest = String::new();
    accepted.stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "still");
}

/// What was written arrives, though all that held the connection was dropped.
#[tokio::test]
async fn stream_that_was_finished_arrives() {
    let (client, mut server) = pair().await;
    let mut pending = client.send_request(&connect()).await.unwrap();
    pending.stream().write_all(&vec![7; 100_000]).await.unwrap();
    pending.stream().shutdown().await.unwrap();
    drop((pending, client));
    let mut stream = server.accept().await.unwrap().stream;
    let mut content = Vec::new();
    stream.read_to_end(&mut content).await.unwrap();
    assert_eq!(content.len(), 100_000);
    assert!(server.accept().await.is_none());
}

#[tokio::test]
async fn goaway_lets_open_streams_end() {
    let (client, mut server) = pair().await;
    let first = client.send_request(&get("/1")).await.unwrap();
    let answer = tokio::spawn(first.response());
    let mut accepted = server.accept().await.unwrap();
    server.shutdown();
    assert!(server.accept().await.is_none());
    // Before it knows, a request is rejected; once it knows, it opens none.
    let late = loop {
        match client.send_request(&get("/2")).await {
            Ok(pending) => match pending.response().await {
                Err(error) => assert!(error.is_unprocessed(), "{error}"),
                Ok(_) => panic!("answered"),
            },
            Err(error) => break error,
        }
    };
    assert!(matches!(late, Error::GoingAway), "{late}");
    assert!(client.is_going_away());
    accepted.stream.send_response(&Response::new(())).await.unwrap();
    accepted.stream.shutdown().await.unwrap();
    assert_eq!(answer.await.unwrap().unwrap().0.status(), 200);
}

#[tokio::test]
async fn limits_on_heads_hold_for_sender_and_receiver() {
    let (quic_client, quic_server) = quic().await;
    let limits = LocalSettings::default().max_fields(10).max_field_section_size(2000);
    let client = client::ClientConnection::new(quic_client, settings());
    let mut server = server::ServerConnection::new(quic_server, limits);
    assert_eq!(client.peer_settings().await.unwrap().max_field_section_size, Some(2000));
    let huge = Request::get("https://localhost/").header("x", "y".repeat(2000)).body(()).unwrap();
    let error = client.send_request(&huge).await.unwrap_err();
    assert!(matches!(error, Error::Limit { max: 2000, .. }), "{error}");
    let mut many = get("/");
    for i in 0..20 {
        let name = http::HeaderName::from_bytes(format!("x{i}").as_bytes()).unwrap();
        many.headers_mut().insert(name, "y".parse().unwrap());
    }
    // RFC 6585 §5.
    let (response, _) = client.send_request(&many).await.unwrap().response().await.unwrap();
    assert_eq!(response.status(), 431);
    drop(client);
    assert!(server.accept().await.is_none());
}

#[tokio::test]
async fn handshake_does_not_wait_for_a_head_that_does_not_come() {
    let (raw, quic) = quic().await;
    let settings = settings().head_timeout(Duration::from_millis(50));
    let _server = server::ServerConnection::new(quic, settings);
    let (mut send, mut recv) = raw.open_bi().await.unwrap();
    send.write_all(&[0x01, 0x20, 0x00]).await.unwrap();
    let error = recv.read(&mut [0; 9]).await.unwrap_err();
    let quinn::ReadError::Reset(code) = error else { panic!("{error}") };
    assert_eq!(ErrorCode(code.into_inner()), ErrorCode::REQUEST_INCOMPLETE);
}

/// RFC 9114 §6.2, §7.2, RFC 9204 §4.2: what a client may not do on streams of its own.
#[tokio::test]
async fn client_that_breaks_a_rule_gets_its_code() {
    const CONTROL: [u8; 3] = [0, 4, 0];
    for (streams, code) in [
        (&[&[0x00, 0x0d, 0x01, 0x00][..]][..], ErrorCode::MISSING_SETTINGS),
        (&[&CONTROL, &CONTROL], ErrorCode::STREAM_CREATION_ERROR),
        (&[&[0x02], &[0x02]], ErrorCode::STREAM_CREATION_ERROR),
        (&[&[0x03], &[0x03]], ErrorCode::STREAM_CREATION_ERROR),
        (&[&[0x01, 0x00]], ErrorCode::STREAM_CREATION_ERROR),
        (&[&[0x00, 0x04, 0x02, 0x02, 0x00]], ErrorCode::SETTINGS_ERROR),
        (&[&[0x00, 0x04, 0x00, 0x04, 0x00]], ErrorCode::FRAME_UNEXPECTED),
        (&[&[0x00, 0x04, 0x00, 0x0d, 1, 5, 0x0d, 1, 4]], ErrorCode::ID_ERROR),
        (&[&[0x00, 0x04, 0x00, 0x07, 1, 4, 0x07, 1, 8]], ErrorCode::ID_ERROR),
        (&[&[0x02, 0x3f, 0x01]], ErrorCode::QPACK_ENCODER_STREAM_ERROR),
        (&[&[0x03, 0x81]], ErrorCode::QPACK_DECODER_STREAM_ERROR),
    ] {
        let (raw, quic) = quic().await;
        let mut server = server::ServerConnection::new(quic, settings());
        let mut open = Vec::new();
        for bytes in streams {
            open.push(open_with(&raw, bytes).await);
        }
        assert_eq!(closed_with(&raw).await, code, "{streams:?}");
        assert!(server.accept().await.is_none());
    }
}

/// RFC 9114 §6.2.1: SETTINGS come first, and control streams last as long as the connection.
#[tokio::test]
async fn critical_streams_stay_open() {
    for kind in [&[0x00, 0x04, 0x00][..], &[0x02], &[0x03]] {
        for resets in [false, true] {
            let (raw, quic) = quic().await;
            let _server = server::ServerConnection::new(quic, settings());
            let mut stream = open_with(&raw, kind).await;
            if resets {
                // What is reset at once may never be seen.
                raw.accept_uni().await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.reset(0_u32.into()).unwrap();
            } else {
                stream.finish().unwrap();
            }
            assert_eq!(closed_with(&raw).await, ErrorCode::CLOSED_CRITICAL_STREAM);
        }
    }
    let (raw, quic) = quic().await;
    let _server = server::ServerConnection::new(quic, settings());
    let mut control = raw.accept_uni().await.unwrap();
    let mut begin = [0; 2];
    control.read_exact(&mut begin).await.unwrap();
    assert_eq!(begin, [0x00, 0x04]);
    control.stop(0_u32.into()).unwrap();
    assert_eq!(closed_with(&raw).await, ErrorCode::CLOSED_CRITICAL_STREAM);
}

#[tokio::test]
async fn server_that_breaks_a_rule_gets_its_code() {
    for (bytes, code) in [
        (&[0x01, 0x00][..], ErrorCode::ID_ERROR),
        (&[0x00, 0x04, 0x00, 0x0d, 1, 5], ErrorCode::FRAME_UNEXPECTED),
        (&[0x00, 0x04, 0x00, 0x07, 1, 3], ErrorCode::ID_ERROR),
        (&[0x00, 0x04, 0x02, 0x08, 0x02], ErrorCode::SETTINGS_ERROR),
    ] {
        let (quic, raw) = quic().await;
        let client = client::ClientConnection::new(quic, settings());
        let _open = open_with(&raw, bytes).await;
        assert_eq!(closed_with(&raw).await, code, "{bytes:?}");
        let error = client.send_request(&get("/")).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(violation) if violation.code == code), "{error}");
    }
    let (quic, raw) = quic().await;
    let _client = client::ClientConnection::new(quic, settings());
    let (mut send, _recv) = raw.open_bi().await.unwrap();
    send.write_all(b"x").await.unwrap();
    assert_eq!(closed_with(&raw).await, ErrorCode::STREAM_CREATION_ERROR);
}

/// Reads a response of these bytes from a server that follows no rules. Returns its content, and
/// the code with which the client closes the connection.
async fn response_to(bytes: &[u8], finish: bool) -> (Result<Vec<u8>, Error>, ErrorCode) {
    let (quic, raw) = quic().await;
    let client = client::ClientConnection::new(quic, settings());
    let control = open_with(&raw, &[0x00, 0x04, 0x02, 0x08, 0x01]).await;
    let pending = client.send_request(&get("/")).await.unwrap();
    let (bytes, server) = (bytes.to_vec(), raw.clone());
    let answering = tokio::spawn(async move {
        let (mut send, recv) = server.accept_bi().await.unwrap();
        send.write_all(&bytes).await.unwrap();
        if finish {
            send.finish().unwrap();
        }
        // Until the other end has had enough.
        let _ = send.stopped().await;
        drop(recv);
    });
    let content = async {
        let (_, mut stream) = pending.response().await?;
        let mut content = Vec::new();
        match stream.read_to_end(&mut content).await {
            Ok(_) => Ok(content),
            Err(error) => Err(error.into_inner().unwrap().downcast_ref::<Error>().unwrap().clone()),
        }
    };
    let content = content.await;
    drop(client);
    answering.await.unwrap();
    let code = closed_with(&raw).await;
    drop(control);
    (content, code)
}

#[tokio::test]
async fn response_is_accepted_or_rejected() {
    const OK: [u8; 5] = [0x01, 3, 0, 0, 0xd9];
    let with = |rest: &[u8]| [&OK[..], rest].concat();
    // An unknown frame, content in two pieces, and trailers.
    let right = with(&[0x21, 1, 9, 0, 1, b'a', 0, 2, b'b', b'c', 1, 2, 0, 0]);
    assert_eq!(response_to(&right, true).await.0.unwrap(), b"abc");
    for (bytes, finish, code, of_connection) in [
        (with(&[0, 3, b'a']), true, ErrorCode::FRAME_ERROR, true),
        (with(&[4, 0]), false, ErrorCode::FRAME_UNEXPECTED, true),
        (with(&[5, 1, 0]), false, ErrorCode::ID_ERROR, true),
        (vec![0, 1, b'a'], false, ErrorCode::FRAME_UNEXPECTED, true),
        (vec![1, 3, 0, 0, 0x80], false, ErrorCode::QPACK_DECOMPRESSION_FAILED, true),
        // No :status; content-length: 0, and content.
        (vec![1, 2, 0, 0], false, ErrorCode::MESSAGE_ERROR, false),
        (vec![1, 4, 0, 0, 0xd9, 0xc4, 0, 1, b'a'], false, ErrorCode::MESSAGE_ERROR, false),
    ] {
        let (answer, closed) = response_to(&bytes, finish).await;
        let error = answer.unwrap_err();
        assert!(
            matches!(error, Error::Protocol(violation) if violation.code == code),
            "{bytes:?}: {error}"
        );
        let expected = if of_connection { code } else { ErrorCode::NO_ERROR };
        assert_eq!(closed, expected, "{bytes:?}");
    }
    assert!(matches!(response_to(&[], true).await.0, Err(Error::Incomplete)));
}

/// Frames without content take turns with other tasks, however many there are.
#[tokio::test]
async fn frames_without_content_starve_no_other_stream() {
    let (quic, raw) = quic().await;
    let client = client::ClientConnection::new(quic, settings());
    let pending = client.send_request(&get("/")).await.unwrap();
    let flooding = tokio::spawn(async move {
        let (mut send, _recv) = raw.accept_bi().await.unwrap();
        send.write_all(&[0x01, 3, 0, 0, 0xd9]).await.unwrap();
        while send.write_all(&[0; 2000]).await.is_ok() {}
    });
    let (_, mut stream) = pending.response().await.unwrap();
    let mut content = Vec::new();
    let read = stream.read_to_end(&mut content);
    assert!(tokio::time::timeout(Duration::from_millis(200), read).await.is_err());
    drop(stream);
    flooding.await.unwrap();
}
