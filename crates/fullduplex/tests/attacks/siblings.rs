//! Honest clients that are served while others attack.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fullduplex::client::HttpVersion;
use fullduplex::{Client, CloseCode, WebSocket};

use crate::common::tls::{LOCALHOST, trusting};
use crate::common::{direct, say};

/// How long an honest client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// How many there are, on both versions of HTTP by turns.
const TALKERS: usize = 4;

/// The connections that they have at most: of the talkers, and of a newcomer.
pub(crate) const SIBLINGS: usize = TALKERS + 1;

/// The times at which the siblings were answered.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) before: Vec<Duration>,
    pub(crate) during: Vec<Duration>,
    /// Of an echo by a thread of its own: what the machine takes meanwhile.
    pub(crate) bare: Vec<Duration>,
    /// From the beginning of a connection to the first echo.
    pub(crate) newcomers: Vec<Duration>,
}

/// Threads of siblings.
pub(crate) struct Siblings {
    phase: Arc<Phase>,
    threads: Vec<JoinHandle<Seen>>,
}

/// How far an attack is, and who was answered since it began.
#[derive(Default)]
struct Phase {
    at: AtomicU8,
    talked: AtomicBool,
    came: AtomicBool,
}

const BEFORE: u8 = 0;
const DURING: u8 = 1;
const OVER: u8 = 2;

impl Siblings {
    /// Siblings of a server.
    pub(crate) fn start(address: SocketAddr, has_tls: bool) -> Self {
        let phase = Arc::new(Phase::default());
        let client = |version| {
            let builder = direct().http_version(version).tls(trusting(LOCALHOST));
            builder.build().unwrap()
        };
        let scheme = if has_tls { "wss" } else { "ws" };
        let url = format!("{scheme}://localhost:{}/", address.port());
        let spawn = |client, talks| {
            let (phase, url) = (phase.clone(), url.clone());
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async move {
                    if talks {
                        talk(&client, &url, &phase).await
                    } else {
                        come(&client, &url, &phase).await
                    }
                })
            })
        };
        let versions = [HttpVersion::Http1, HttpVersion::Http2];
        let talkers = versions.into_iter().cycle().take(TALKERS);
        let mut threads: Vec<_> = talkers.map(|version| spawn(client(version), true)).collect();
        threads.push(spawn(client(HttpVersion::Http1), false));
        let over = phase.clone();
        threads.push(thread::spawn(move || bare_echo(&over)));
        Self { phase, threads }
    }

    pub(crate) fn attack_begins(&self) {
        self.phase.at.store(DURING, Ordering::SeqCst);
    }

    /// Whether a sibling and a newcomer were answered since the attack began.
    pub(crate) fn were_served(&self) -> bool {
        [&self.phase.talked, &self.phase.came].iter().all(|one| one.load(Ordering::SeqCst))
    }

    /// Ends them; panics if one was not served.
    pub(crate) fn finish(self) -> Seen {
        self.phase.at.store(OVER, Ordering::SeqCst);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().unwrap();
            all.before.extend(seen.before);
            all.during.extend(seen.during);
            all.bare.extend(seen.bare);
            all.newcomers.extend(seen.newcomers);
        }
        all
    }
}

/// Bytes between two threads without any runtime, for as long as the attack.
fn bare_echo(phase: &Phase) -> Seen {
    let mut seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut byte = [0];
            while far.read_exact(&mut byte).and_then(|()| far.write_all(&byte)).is_ok() {}
        });
        while phase.at.load(Ordering::SeqCst) != OVER {
            let begun = Instant::now();
            near.write_all(&[1]).unwrap();
            near.read_exact(&mut [0]).unwrap();
            if phase.at.load(Ordering::SeqCst) == DURING {
                seen.bare.push(begun.elapsed());
            }
            thread::sleep(Duration::from_millis(5));
        }
        drop(near);
    });
    seen
}

async fn echoed(websocket: &mut WebSocket, text: &str) {
    let answered = tokio::time::timeout(PATIENCE, say(websocket, text)).await;
    answered.expect("siblings are answered during an attack");
}

/// Talks on a connection that stands.
async fn talk(client: &Client, url: &str, phase: &Phase) -> Seen {
    let mut seen = Seen::default();
    let (mut websocket, _) = client.connect(url).await.unwrap();
    loop {
        let begun = Instant::now();
        echoed(&mut websocket, "still there?").await;
        match phase.at.load(Ordering::SeqCst) {
            BEFORE => seen.before.push(begun.elapsed()),
            DURING => {
                seen.during.push(begun.elapsed());
                phase.talked.store(true, Ordering::SeqCst);
            }
            _ => {
                assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
                return seen;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Comes anew, again and again.
async fn come(client: &Client, url: &str, phase: &Phase) -> Seen {
    let mut seen = Seen::default();
    loop {
        let begun = Instant::now();
        let connected = tokio::time::timeout(PATIENCE, client.connect(url)).await;
        let (mut websocket, _) = connected.expect("newcomers are let in").unwrap();
        echoed(&mut websocket, "new here").await;
        match phase.at.load(Ordering::SeqCst) {
            BEFORE => {}
            DURING => {
                seen.newcomers.push(begun.elapsed());
                phase.came.store(true, Ordering::SeqCst);
            }
            _ => return seen,
        }
        let closed = tokio::time::timeout(PATIENCE, websocket.close(CloseCode::NORMAL, "")).await;
        assert!(closed.unwrap().unwrap().is_clean());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
