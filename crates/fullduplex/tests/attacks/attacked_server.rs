//! The server, and what an attack on it comes to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::stats::ServerStats;
use fullduplex::server::{DrainOptions, Handshake, ServerConfig, ServerHandle, Workers};
use fullduplex::{DeflateConfig, KeepaliveConfig};
use tokio::sync::Notify;
use tower::service_fn;

use crate::common::{echo, tls};
use crate::http_content::page;
use crate::open_files::descriptors;
use crate::siblings::{SIBLINGS, Siblings};
use crate::turns::Turns;

/// More than any deadline of [`short_deadlines`] takes on a busy machine.
pub(crate) const SLACK: Duration = Duration::from_secs(20);

/// What the median and the 99th percentile of the siblings' waits may come to during an attack,
/// beyond ten times what they are without it: turns of 128 KiB of eight floods of HTTP/2 frames,
/// by an h2 without optimizations on two busy cores.
const MEDIAN: Duration = Duration::from_secs(1);
const P99: Duration = Duration::from_secs(2);

/// One attack at a time, as they measure the memory of the process.
static TURN: Mutex<()> = Mutex::new(());

/// A server that is attacked.
pub(crate) struct AttackedServer {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    /// Those who joined at `/room`.
    pub(crate) room: Group,
    /// The handlers that run.
    pub(crate) handlers: Arc<AtomicUsize>,
    /// Ends the handlers of `/never`.
    pub(crate) release: Arc<Notify>,
    turns: Turns,
    /// The connections that were accepted before the attack.
    before: AtomicU64,
    has_tls: bool,
    serving: JoinHandle<()>,
    _turn: MutexGuard<'static, ()>,
}

/// What an attack came to.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Growth of the resident memory at its peak, in MiB.
    pub(crate) grown: u64,
    /// The bytes that attackers wrote between two turns of a task beside theirs, at most in nine
    /// of ten cases.
    pub(crate) flooded: u64,
    pub(crate) stats: ServerStats,
}

/// The defaults with short deadlines.
pub(crate) fn short_deadlines() -> ServerConfig {
    let second = Duration::from_secs(1);
    let mut config = ServerConfig::default().http2(true);
    config.handshake_limits.handshake_timeout = second;
    config.limits.http_idle_timeout = second;
    config.limits.stall_timeout = second;
    config.websocket.keepalive = KeepaliveConfig::default().interval(second).timeout(3 * second);
    config.websocket.close_timeout = second;
    config.websocket.deflate = Some(DeflateConfig::balanced());
    config
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn answer(handshake: Handshake, room: Group, release: Arc<Notify>, running: Running) {
    let path = handshake.request().uri().path().to_owned();
    match path.as_str() {
        // Keeps the handshake.
        "/never" => return release.notified().await,
        // Without a word on the standard error.
        "/panic" => std::panic::resume_unwind(Box::new("as asked for")),
        _ => {}
    }
    let Ok(websocket) = handshake.accept().await else { return };
    let _member = (path == "/room").then(|| room.join(&websocket, LagPolicy::DropNewest));
    if path == "/deaf" {
        // Never reads.
        return release.notified().await;
    }
    echo(websocket).await;
    drop(running);
}

impl AttackedServer {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self::start(config, false)
    }

    pub(crate) fn with_tls(config: ServerConfig) -> Self {
        Self::start(config, true)
    }

    fn start(config: ServerConfig, has_tls: bool) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Each attack needs a few thousand, for both of its ends.
        descriptors();
        let workers = Workers::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let workers = workers.config(config).configure(|server| {
            let server = server.service(service_fn(page));
            if has_tls { server.tls(tls::localhost()) } else { server }
        });
        let (address, handle) = (workers.local_addr(), workers.handle());
        let (room, handlers) = (Group::new(), Arc::<AtomicUsize>::default());
        let release = Arc::<Notify>::default();
        let turns = Turns::default();
        let watched = turns.clone();
        let (joined, counted, released) = (room.clone(), handlers.clone(), release.clone());
        let serving = thread::spawn(move || {
            let served = workers.serve_handshakes(move |handshake| {
                watched.watch();
                counted.fetch_add(1, Ordering::SeqCst);
                let running = Running(counted.clone());
                answer(handshake, joined.clone(), released.clone(), running)
            });
            served.unwrap();
        });
        let before = AtomicU64::new(0);
        Self {
            address,
            handle,
            room,
            handlers,
            release,
            turns,
            before,
            has_tls,
            serving,
            _turn: turn,
        }
    }

    /// Has it attacked while siblings talk to it. `attack` gives how many attackers there were
    /// and how many of them were cut.
    pub(crate) fn under_attack(
        self,
        name: &str,
        attack: impl FnOnce(&Self) -> (usize, usize),
    ) -> Figures {
        let siblings = Siblings::start(self.address, self.has_tls);
        thread::sleep(Duration::from_millis(300));
        let before = reset_peak();
        self.before.store(self.handle.stats().accepted, Ordering::SeqCst);
        siblings.attack_begins();
        let begun = Instant::now();
        let (attackers, cut) = attack(&self);
        let took = begun.elapsed();
        // So that there is something to compare, however busy the machine is.
        thread::sleep(Duration::from_millis(500).saturating_sub(took));
        self.wait_until("siblings and newcomers are served", || siblings.were_served());
        let grown = fullduplex_testkit::peak_rss().saturating_sub(before) >> 20;
        let mut seen = siblings.finish();
        // Whatever the attackers did, nothing of them is left.
        self.wait_until("no connection is left", || self.handle.connection_count() == 0);
        let stats = self.handle.stats();
        assert_eq!(stats.websockets, 0);
        let turns = self.turns.sorted();
        let flooded = [50, 90, 100].map(|percent| percentile(&turns, percent) >> 10);
        println!(
            "{name:<44} {took:>6.1?}  siblings {} → {} (bare {})  newcomers {}  +{grown} MiB  \
             cut {cut} of {attackers}  {} turns, KiB between them {flooded:?}",
            percentiles(&mut seen.before),
            percentiles(&mut seen.during),
            percentiles(&mut seen.bare),
            percentiles(&mut seen.newcomers),
            turns.len(),
        );
        assert!(!seen.during.is_empty() && !seen.newcomers.is_empty(), "siblings are served");
        for (percent, more) in [(50, MEDIAN), (99, P99)] {
            let calm = percentile(&seen.before, percent).max(percentile(&seen.bare, percent));
            let during = percentile(&seen.during, percent);
            assert!(
                during < 10 * calm + more,
                "{name}: {percent} % of siblings are answered in {during:?}, and in {calm:?} before"
            );
        }
        let flooded = percentile(&turns, 90);
        self.end();
        Figures { grown, flooded, stats }
    }

    /// Waits until so many attackers have come, and all are gone, whether they read or not.
    pub(crate) fn wait_for_the_end_of(&self, attackers: usize) {
        let come = self.before.load(Ordering::SeqCst) + attackers as u64;
        self.wait_until("attackers have come", || self.handle.stats().accepted >= come);
        self.wait_until("attackers are gone", || self.handle.connection_count() <= SIBLINGS);
    }

    /// Waits for what has to come.
    pub(crate) fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + SLACK;
        while !is_so() {
            let stats = self.handle.stats();
            assert!(Instant::now() < deadline, "not in {SLACK:?}: {what}; {stats:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Drains the server, which then ends.
    pub(crate) fn end(self) {
        let drain = DrainOptions::default().deadline(Duration::from_secs(1)).spread(Duration::ZERO);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.handle.drain(drain));
        self.serving.join().unwrap();
    }
}

/// Has the peak of the memory counted anew, and gives what is in use now.
fn reset_peak() -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    fullduplex_testkit::peak_rss()
}

/// The median and the 99th, in milliseconds. Sorts the times.
pub(crate) fn percentiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let millis = |percent| percentile(times, percent).as_secs_f64() * 1e3;
    format!("{:.2}/{:.2} ms", millis(50), millis(99))
}

/// What so many per cent of these sorted values do not exceed.
fn percentile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    let at = (sorted.len() * percent / 100).min(sorted.len().max(1) - 1);
    sorted.get(at).copied().unwrap_or_default()
}
