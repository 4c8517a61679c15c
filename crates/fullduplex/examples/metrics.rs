//! Figures for a recorder of the `metrics` facade, and events and spans for `tracing`:
//! `cargo run --example metrics --features metrics,tracing -- 127.0.0.1:9002`
//!
//! Prints all figures every ten seconds and at the end, and what happens to stderr. A real program
//! installs `metrics-exporter-prometheus` or another recorder in place of the one here.
#![allow(clippy::print_stdout)] // an example prints

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullduplex::server::{DrainOptions, Server, ServerHandle};
use fullduplex::{Error, WebSocket};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::Level;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    // The library's events are at `DEBUG`, apart from rejections and failures.
    let events = tracing_subscriber::fmt().with_max_level(Level::DEBUG);
    events.with_writer(std::io::stderr).init();
    let figures = Figures::default();
    metrics::set_global_recorder(figures.clone())?;

    let server = Server::bind(address).await?;
    println!("listening on ws://{}/", server.local_addr()?);
    let handle = server.handle();
    let mut serving = tokio::spawn(server.serve(echo));
    let mut ticks = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = ticks.tick() => figures.print(&handle),
            _ = tokio::signal::ctrl_c() => {
                handle.drain(DrainOptions::default()).await;
                figures.print(&handle);
            }
            ended = &mut serving => return Ok(ended??),
        }
    }
}

/// Runs in a span `websocket`, which has the client's address and the path.
async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        let message = message?;
        tracing::info!(length = message.len(), "received");
        metrics::counter!("echoes_total").increment(1); // the application's own
        websocket.send(message).await?;
    }
    Ok(()) // an error would be logged
}

/// The counters and gauges, by name and labels.
#[derive(Clone, Default)]
struct Figures(Arc<Mutex<BTreeMap<String, Figure>>>);

#[derive(Default)]
struct Figure {
    /// The value, or the bits of an `f64`.
    value: Arc<AtomicU64>,
    is_gauge: bool,
}

impl Figures {
    fn figure(&self, key: &Key, is_gauge: bool) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={:?}", label.key(), label.value()));
        let name = key.name().to_owned() + &labels.collect::<String>();
        let mut figures = self.0.lock().expect("nothing panics with the lock");
        let figure = Figure { is_gauge, ..Figure::default() };
        figures.entry(name).or_insert(figure).value.clone()
    }

    /// Prints all figures, after the library has recorded its own.
    fn print(&self, handle: &ServerHandle) {
        handle.record_metrics();
        for (name, figure) in &*self.0.lock().expect("nothing panics with the lock") {
            let value = figure.value.load(Relaxed);
            if figure.is_gauge {
                println!("{name}: {}", f64::from_bits(value));
            } else {
                println!("{name}: {value}");
            }
        }
    }
}

impl Recorder for Figures {
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.figure(key, false).into()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.figure(key, true).into()
    }

    /// Does nothing: the library records its histogram as counters and a gauge.
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }

    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
}
