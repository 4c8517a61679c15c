//! Settings that are out of range are errors where a client or server is given them.

#![cfg(all(feature = "client", feature = "server", feature = "deflate"))]

use std::time::Duration;

use fullduplex::client::{Backoff, DisconnectReason, OfflinePolicy, ReconnectEvent, SocketOptions};
use fullduplex::server::{Server, ServerConfig, accept_with};
use fullduplex::{
    Client, ClientBuilder, Config, DeflateConfig, Error, ErrorKind, HandshakeLimits,
    WebSocketBuilder,
};

const LIMIT: Duration = Duration::from_secs(10);

fn names(error: &Error, setting: &str) {
    assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    assert!(error.to_string().starts_with(&format!("{setting} must ")), "{setting}: {error}");
}

fn server_config(change: impl FnOnce(&mut ServerConfig)) -> ServerConfig {
    let mut config = ServerConfig::default();
    change(&mut config);
    config
}

#[tokio::test]
async fn settings_of_a_server_that_are_out_of_range_are_named() {
    let (none, zero) = (HandshakeLimits::default(), Duration::ZERO);
    for (setting, config) in [
        ("send.low_water", server_config(|c| c.websocket.send.high_water = 1000)),
        (
            "deflate.level",
            server_config(|c| c.websocket.deflate = Some(DeflateConfig::balanced().level(12))),
        ),
        (
            "keepalive.interval",
            server_config(|c| c.websocket = Config::default().keepalive_interval(zero)),
        ),
        ("idle_timeout", ServerConfig::default().idle_timeout(zero)),
        ("max_head_bytes", ServerConfig::default().handshake_limits(none.max_head_bytes(0))),
        ("max_fields", ServerConfig::default().handshake_limits(none.max_fields(0))),
        ("max_fields", ServerConfig::default().handshake_limits(none.max_fields(24_577))),
        ("handshake_timeout", ServerConfig::default().handshake_timeout(zero)),
        ("limits.max_handshakes", server_config(|c| c.limits.max_handshakes = 0)),
        ("limits.max_streams", server_config(|c| c.limits.max_streams = 0)),
        ("limits.http_idle_timeout", server_config(|c| c.limits.http_idle_timeout = zero)),
        ("limits.stall_timeout", server_config(|c| c.limits.stall_timeout = zero)),
        ("limits.min_response_rate", server_config(|c| c.limits.min_response_rate = Some(0))),
        ("proxy_protocol.max_header", server_config(|c| c.proxy_protocol.max_header = 15)),
    ] {
        assert_eq!(config.validate().unwrap_err().setting(), setting);
        let (_near, far) = tokio::io::duplex(64);
        let accepted = tokio::time::timeout(LIMIT, accept_with(far, config.clone())).await;
        names(&accepted.expect("it does not wait for a request").unwrap_err(), setting);
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        let ended = tokio::time::timeout(LIMIT, server.serve(async |_| {})).await;
        names(&ended.expect("it does not serve").unwrap_err(), setting);
    }
    assert_eq!(ServerConfig::default().validate(), Ok(()));
}

#[test]
fn settings_of_a_client_that_are_out_of_range_are_named() {
    type Change = fn(ClientBuilder) -> ClientBuilder;
    let changes: [(&str, Change); 6] = [
        ("close_timeout", |b| b.config(Config::default().close_timeout(Duration::ZERO))),
        ("deflate.send_window_bits", |b| b.deflate(DeflateConfig::balanced().send_window_bits(16))),
        ("max_fields", |b| b.handshake_limits(HandshakeLimits::client().max_fields(usize::MAX))),
        ("socket_options.keepalive", |b| {
            b.socket_options(SocketOptions::default().keepalive(Duration::from_millis(999)))
        }),
        ("socket_options.attempt_timeout", |b| {
            b.socket_options(SocketOptions::default().attempt_timeout(Duration::ZERO))
        }),
        ("connect_timeout", |b| b.connect_timeout(Duration::ZERO)),
    ];
    for (setting, change) in changes {
        names(&change(Client::builder()).build().unwrap_err(), setting);
    }
    assert!(Client::builder().build().is_ok());
}

#[tokio::test]
async fn settings_of_a_websocket_without_a_handshake_that_are_out_of_range_are_named() {
    let wrong = || Config::default().close_timeout(Duration::ZERO);
    let (near, _far) = tokio::io::duplex(1);
    let built = WebSocketBuilder::client().config(wrong()).build(near);
    names(&built.unwrap_err(), "close_timeout");
    for (client, server) in [(wrong(), Config::default()), (Config::default(), wrong())] {
        names(&fullduplex::pair_with(client, server).unwrap_err(), "close_timeout");
    }
}

#[tokio::test]
async fn settings_of_a_reconnecting_client_that_are_out_of_range_are_named() {
    let (second, wait) = (Duration::from_secs(1), OfflinePolicy::Wait);
    for (setting, backoff, capacity) in [
        ("backoff.initial", Backoff::default().initial(Duration::ZERO), 1),
        ("backoff.max", Backoff::default().initial(2 * second).max(second), 1),
        ("queue", Backoff::default(), 0),
    ] {
        let builder = Client::default().reconnecting("ws://127.0.0.1:1/");
        let mut client = builder.backoff(backoff).queue(capacity, wait).start();
        let event = tokio::time::timeout(LIMIT, client.next()).await.expect("an event");
        let Some(ReconnectEvent::Disconnected { reason, retry_in: None }) = event else {
            panic!("{setting}: {event:?}");
        };
        let DisconnectReason::Failed(error) = reason else { panic!("{setting}: {reason:?}") };
        names(&error, setting);
        assert!(client.next().await.is_none());
    }
}
