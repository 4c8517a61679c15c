//! Code of the application that panics, or calls back into the library, wherever that calls it:
//! what it costs.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

#[path = "../common/mod.rs"]
mod common;

mod callbacks;
mod calling_transports;
mod payloads_and_wakers;
#[cfg(feature = "tracing")]
mod subscriber;
#[cfg(all(feature = "_tls", feature = "http2"))]
mod tls_transports;
mod transports;

use std::future::Future;
use std::time::Duration;

async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), doing).await.expect(what)
}

/// Runs a test on a thread of its own, and fails if it does not come to its end, as it may wait
/// for a lock that it holds.
fn without_deadlock(test: impl FnOnce() + Send + 'static) {
    let (done, waits) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match waits.recv_timeout(Duration::from_secs(20)) {
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("it waits for itself"),
        _ => thread.join().unwrap(),
    }
}

/// On a runtime of its own, of this thread.
fn on_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}
