//! What one connection's messages cost does not hold up the others on its thread.
//!
//! Counted in publications, not in time: how many there are between two turns of a sibling.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server"))]

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use common::{echo, open, say};
use fullduplex::broadcast::{Group, LagPolicy, Membership};
use fullduplex::proto::PerMessageDeflate;
use fullduplex::{
    Config, DeflateConfig, KeepaliveConfig, Message, PreparedMessage, Role, SendHalf, WebSocket,
    WebSocketBuilder,
};
use fullduplex_testkit::cancel::yield_now;
use fullduplex_testkit::pipe::{Pipe, pipe};
use fullduplex_testkit::{Rng, eventually};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const MEMBERS: usize = 1000;

/// So much a task may do between two turns of a sibling, where it once did 150,000 publications.
const MOST: usize = 400;

/// How often each sibling has its turn.
const TURNS: usize = 20;

/// What was done so far, by all that take the thread's time.
type Done = Arc<AtomicUsize>;

/// Calls `turn` again and again; returns the most that was done meanwhile.
async fn longest_wait(done: &Done, mut turn: impl AsyncFnMut()) -> usize {
    // Until it has begun, and once more for what went on at that moment.
    eventually("it has begun", || done.load(Relaxed) > 0).await;
    turn().await;
    let mut longest = 0;
    for _ in 0..TURNS {
        let before = done.load(Relaxed);
        turn().await;
        longest = longest.max(done.load(Relaxed) - before);
    }
    longest
}

async fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (near, listener.accept().await.unwrap().0)
}

/// Sends messages of 7 bytes without pause, header and mask included, until it is cut off.
fn flood(to: SocketAddr) {
    let block = [0x82, 0x81, 0, 0, 0, 0, b'x'].repeat(10_000);
    std::thread::spawn(move || {
        let mut socket = std::net::TcpStream::connect(to).unwrap();
        while socket.write_all(&block).is_ok() {}
    });
}

/// Two connections that are flooded, and what is done about each of their messages.
async fn flooded(done: &Done, mut each: impl FnMut() -> Box<dyn FnMut(Message) + Send>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for _ in 0..2 {
        flood(listener.local_addr().unwrap());
        let (socket, _) = listener.accept().await.unwrap();
        let mut websocket = open(socket, Role::Server, Config::default());
        let (done, mut each) = (done.clone(), each());
        tokio::spawn(async move {
            while let Some(Ok(message)) = websocket.next().await {
                each(message);
                done.fetch_add(1, Relaxed);
            }
        });
    }
}

/// The longest waits of an echo, an accept, a timer and a keepalive.
async fn siblings(done: &Done) -> [usize; 4] {
    let (near, far) = socket_pair().await;
    tokio::spawn(echo(open(far, Role::Server, Config::default())));
    let mut client = open(near, Role::Client, Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let keepalive = KeepaliveConfig::default()
        .interval(Duration::from_millis(1))
        .timeout(Duration::from_secs(30));
    let config = Config::default().keepalive(keepalive);
    let waits = async {
        tokio::join!(
            longest_wait(done, async || say(&mut client, "still there?").await),
            longest_wait(done, async || {
                let (connected, accepted) =
                    tokio::join!(TcpStream::connect(address), listener.accept());
                drop((connected.unwrap(), accepted.unwrap()));
            }),
            longest_wait(done, async || sleep(Duration::from_millis(1)).await),
            longest_wait(done, async || {
                let (mut pinged, far) = duplex(1024);
                let mut silent = open(far, Role::Server, config);
                let reading = tokio::spawn(async move { silent.next().await.is_some() });
                assert_eq!(pinged.read_u8().await.unwrap(), 0x89);
                reading.abort();
            }),
        )
    };
    let waits = timeout(Duration::from_secs(60), waits).await.expect("siblings have their turn");
    [waits.0, waits.1, waits.2, waits.3]
}

type End = WebSocket<DuplexStream>;

/// Connections whose peers do not read.
fn unread() -> (Vec<End>, Vec<DuplexStream>) {
    let pairs = (0..MEMBERS).map(|_| duplex(64));
    pairs.map(|(near, far)| (open(near, Role::Server, Config::default()), far)).unzip()
}

#[tokio::test]
async fn publish_leaves_others_on_the_thread_their_turn() {
    for slow in [LagPolicy::DropOldest { keep: 64 }, LagPolicy::DropNewest] {
        let (group, done) = (Group::new(), Done::default());
        let (ends, _peers) = unread();
        let _members: Vec<Membership> = ends.iter().map(|end| group.join(end, slow)).collect();
        flooded(&done, || {
            let group = group.clone();
            Box::new(move |message| {
                group.publish(&PreparedMessage::new(message));
            })
        })
        .await;
        let waits = siblings(&done).await;
        assert!(waits.iter().all(|most| *most <= MOST), "{waits:?} publications meanwhile");
        assert!(done.load(Relaxed) > TURNS, "publishing goes on too");
    }
}

#[tokio::test]
async fn try_send_leaves_others_on_the_thread_their_turn() {
    let done = Done::default();
    let (ends, _peers) = unread();
    let halves: Vec<_> = ends.into_iter().map(WebSocket::split).collect();
    let halves: Arc<Vec<_>> = Arc::new(halves);
    flooded(&done, || {
        let halves = halves.clone();
        Box::new(move |message: Message| {
            let send = |half: &SendHalf<_>| drop(half.try_send(message.clone()));
            halves.iter().for_each(|(half, _)| send(half));
        })
    })
    .await;
    let waits = siblings(&done).await;
    assert!(waits.iter().all(|most| *most <= MOST), "{waits:?} messages to all meanwhile");
}

/// Members with which every window was agreed on.
fn compressing() -> (Vec<End>, Vec<DuplexStream>) {
    let windows = (9..=15).map(|send_window_bits| {
        let config = DeflateConfig::smallest_bytes().send_window_bits(send_window_bits);
        let (_, deflate): (_, PerMessageDeflate) = config.accept(&config.offers()).unwrap();
        let (near, far) = duplex(64);
        (WebSocketBuilder::server().deflate(deflate).build(near).unwrap(), far)
    });
    windows.unzip()
}

#[tokio::test]
async fn publish_charges_what_it_compresses() {
    let (group, done) = (Group::new(), Done::default());
    let (ends, _peers) = compressing();
    let _members: Vec<Membership> =
        ends.iter().map(|end| group.join(end, LagPolicy::DropNewest)).collect();
    let text: Vec<u8> = {
        let mut rng = Rng::new(1);
        (0..20_000).map(|_| b"abcdefgh"[rng.below(8)]).collect()
    };
    flooded(&done, || {
        let (group, text) = (group.clone(), text.clone());
        Box::new(move |_| {
            group.publish(&PreparedMessage::new(text.clone()));
        })
    })
    .await;
    let waits = siblings(&done).await;
    // One publication is a turn of each of the two publishers.
    assert!(waits.iter().all(|most| *most <= 8), "{waits:?} compressed messages meanwhile");
}

/// The driver writes for some of them at a time.
#[tokio::test]
async fn broadcast_to_many_leaves_others_on_the_thread_their_turn() {
    const AT_A_TIME: usize = 256;
    let (ends, peers): (Vec<_>, Vec<_>) = (0..MEMBERS).map(|_| pipe(1024)).unzip();
    let ends: Vec<_> =
        ends.into_iter().map(|end| open(end, Role::Server, Config::default())).collect();
    let group = Group::new();
    let _members: Vec<Membership> =
        ends.iter().map(|end| group.join(end, LagPolicy::DropNewest)).collect();
    group.publish(&PreparedMessage::new("to all"));
    let wires: Vec<_> = peers.iter().map(Pipe::incoming).collect();
    // A task beside the driver: the runtime polls the test itself only once in 61 turns.
    let turns = tokio::spawn(async move {
        let (mut written, mut longest) = (0, 0);
        while written < MEMBERS {
            let now = wires.iter().filter(|wire| wire.waiting() > 0).count();
            longest = longest.max(now - written);
            written = now;
            // tokio's own `yield_now` comes back less often than the driver has its turn.
            yield_now().await;
        }
        longest
    });
    let turns = timeout(Duration::from_secs(60), turns).await.expect("all are written to");
    let longest = turns.unwrap();
    assert!(longest <= AT_A_TIME, "{longest} connections between two turns");
}
