//! Drains that somebody would hold up.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::server::{DrainOptions, Handshake, Server, ServerConfig, ServerHandle};
use fullduplex_testkit::wait_until;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tower::service_fn;

use crate::common::echo;
use crate::http_content::page;
use crate::http2_frames::{
    END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW, connect_to, frame, get, websocket,
};
use crate::sockets::{connect_from, count_gone, frame as ws_frame, open, upgrade};

/// A server on a runtime that goes on when it has ended.
struct Draining {
    runtime: Runtime,
    address: SocketAddr,
    handle: ServerHandle,
    serving: JoinHandle<Result<(), fullduplex::Error>>,
    /// A handler of `/later` has begun.
    arrived: Arc<Notify>,
    /// Handlers of `/later` wait for it before they accept.
    accept: Arc<Notify>,
}

async fn answer(handshake: Handshake, arrived: Arc<Notify>, accept: Arc<Notify>) {
    if handshake.request().uri().path() == "/later" {
        arrived.notify_one();
        accept.notified().await;
    }
    let Ok(websocket) = handshake.accept().await else { return };
    echo(websocket).await;
}

fn start() -> Draining {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let (arrived, accept) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let (comes, opens) = (arrived.clone(), accept.clone());
    // With the deadlines of the defaults, which are longer than the drain's.
    let config = ServerConfig::default().http2(true);
    let server = runtime.block_on(Server::bind("127.0.0.1:0")).unwrap().config(config);
    let server = server.service(service_fn(page));
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    let serving =
        server.serve_handshakes(move |handshake| answer(handshake, comes.clone(), opens.clone()));
    let serving = runtime.spawn(serving);
    Draining { runtime, address, handle, serving, arrived, accept }
}

/// Waits for what has to come.
#[test]
fn drain_cuts_whatever_makes_no_progress() {
    let Draining { runtime, address, handle, serving, .. } = start();
    let mut all =
        vec![connect_from(0, address), connect_from(1, address), connect_from(2, address)];
    all[0].write_all(b"GET / HT").unwrap();
    all[1].write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    all[2].write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n").unwrap();
    // A WebSocket that says nothing any more.
    all.push(open(3, address, "/"));
    for stream in 4..7 {
        all.push(connect_to(stream, address, &[(INITIAL_WINDOW, 0)]));
    }
    // HTTP/2: nothing at all, a page and a WebSocket behind windows of 0.
    all[5].write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/endless"))).unwrap();
    all[6].write_all(&frame(HEADERS, END_HEADERS, 1, &websocket("/"))).unwrap();
    all[6].write_all(&frame(0, 0, 1, &ws_frame(0x82, b"hello"))).unwrap();
    wait_until("all have come", || handle.websocket_count() == 2 && handle.connection_count() == 7);
    // Told before it has answered, the handler would be done.
    wait_until("it is heard", || handle.stats().traffic.received.binary == 1);
    let drain = DrainOptions::default().deadline(Duration::from_millis(500)).spread(Duration::ZERO);
    let report = runtime.block_on(handle.drain(drain));
    println!("a drain of what stands still: {report}");
    assert_eq!((report.notified, report.cut), (2, 2));
    assert!(report.cut_http >= 4, "{report}");
    runtime.block_on(serving).unwrap().unwrap();
    wait_until("all sockets are closed", || count_gone(&mut all) == all.len());
}

#[test]
fn drain_accepts_no_connection() {
    let Draining { runtime, address, handle, serving, arrived, accept } = start();
    let mut late = connect_from(0, address);
    late.write_all(upgrade("/later", "").as_bytes()).unwrap();
    runtime.block_on(arrived.notified());
    let draining = runtime.spawn({
        let handle = handle.clone();
        async move { handle.drain(DrainOptions::default().spread(Duration::ZERO)).await }
    });
    runtime.block_on(handle.drain_started());
    accept.notify_one();
    let mut said = String::new();
    late.read_to_string(&mut said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 503 ") && said.to_lowercase().contains("retry-after"),
        "{said}"
    );
    let report = runtime.block_on(draining).unwrap();
    assert_eq!((report.notified, report.cut, report.cut_http), (0, 0, 0));
    runtime.block_on(serving).unwrap().unwrap();
}
