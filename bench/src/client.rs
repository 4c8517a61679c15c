//! Clients under test: their tasks, and the protocol that they speak with the harness.
//!
//! A client keeps a number of messages in flight on each of its connections, or opens one
//! connection after the other, and compares each reply with its message. It prints `mark` when the
//! warm-up is over and again at the end, and waits each time for a line of the harness, which reads
//! its CPU time meanwhile. Then it prints the result of the run.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, BufRead};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::load::{CONCURRENT_HANDSHAKES, Counts, Run, Times, Traffic, Window};
use crate::setup::{Deflate, Error, Setup, ready};

/// The interval between checks whether the run is over.
const TICK: Duration = Duration::from_millis(5);

/// The longest time for opening a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// The arguments of a client, besides those of [`Setup`]: `--server ADDRESS --warm-up MS --measured
/// MS [--connections N --in-flight N --size BYTES [--text]] [--abort]`. Without connections,
/// handshakes are counted; with none in flight, the memory of idle connections is measured.
#[derive(Clone, Debug)]
pub struct Task {
    pub server: SocketAddr,
    pub setup: Setup,
    pub times: Times,
    pub connections: usize,
    pub in_flight: u64,
    size: usize,
    text: bool,
    /// Whether connections are ended without a Close.
    pub abort: bool,
}

impl Task {
    fn from_args() -> Result<Self, Error> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let find = |name: &str| words.iter().position(|word| word == name);
        let value = |name: &str| words.get(find(name)? + 1).map(String::as_str);
        let number = |name: &str| value(name).unwrap_or("0").parse::<u64>();
        let times = Times {
            warm_up: Duration::from_millis(number("--warm-up")?),
            measured: Duration::from_millis(number("--measured")?),
        };
        Ok(Self {
            server: value("--server").unwrap_or_default().parse()?,
            setup: Setup::from_args(),
            times,
            connections: number("--connections")? as usize,
            in_flight: number("--in-flight")?,
            size: number("--size")? as usize,
            text: find("--text").is_some(),
            abort: find("--abort").is_some(),
        })
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.server)
    }

    /// Connects a socket, for libraries that take one.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub fn traffic(&self) -> Traffic {
        Traffic::new(self.size, self.text, self.setup.deflate)
    }

    /// Returns the first message of a connection: with takeover the order matters, so all start
    /// with the first one.
    pub fn first(&self, connection: usize) -> usize {
        if self.setup.deflate == Deflate::Off { connection } else { 0 }
    }
}

/// A library's client: one connection.
pub trait Client: Sized + 'static {
    /// A message that is cheap to clone.
    type Message: 'static;

    /// Whether messages that have arrived already are received first, and answered with one flush:
    /// for libraries that can gather and don't do so automatically. Receiving must then be cancel
    /// safe.
    const GATHERS: bool;

    fn open(task: &Task) -> impl Future<Output = Result<Self, Error>>;

    /// Ends the connection, without a Close if `abort` is set.
    fn end(self, _abort: bool) {}

    fn message(payload: &[u8], text: bool) -> Self::Message;

    /// Sends a message, or keeps it until `flush`.
    fn send(&mut self, message: &Self::Message) -> impl Future<Output = Result<(), Error>>;

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        async { Ok(()) }
    }

    /// Receives a message, and passes whether it is text, and its payload, to `look`.
    fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> impl Future<Output = Result<(), Error>>;
}

/// A library whose connection is a `Stream` and a `Sink`: messages are fed to it, and flushed.
pub trait Sinks: Sized + 'static {
    type Socket: Stream + Sink<Self::Message, Error: Into<Error>> + Unpin + 'static;
    /// A message that is cheap to clone.
    type Message: Clone + 'static;

    fn open(task: &Task) -> impl Future<Output = Result<Self::Socket, Error>>;

    fn message(payload: &[u8], text: bool) -> Self::Message;

    /// Converts a received item to a message.
    fn received(item: <Self::Socket as Stream>::Item) -> Result<Self::Message, Error>;

    /// Returns whether a message is text, and its payload; `None` for a control frame.
    fn look(message: &Self::Message) -> Option<(bool, &[u8])>;
}

/// A client of a library whose connections are sinks.
pub struct SinkClient<S: Sinks>(S::Socket);

impl<S: Sinks> Client for SinkClient<S> {
    type Message = S::Message;

    const GATHERS: bool = true;

    async fn open(task: &Task) -> Result<Self, Error> {
        Ok(Self(S::open(task).await?))
    }

    fn message(payload: &[u8], text: bool) -> S::Message {
        S::message(payload, text)
    }

    async fn send(&mut self, message: &S::Message) -> Result<(), Error> {
        self.0.feed(message.clone()).await.map_err(Into::into)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.0.flush().await.map_err(Into::into)
    }

    async fn receive(
        &mut self,
        look: impl FnOnce(bool, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let message = S::received(self.0.next().await.ok_or("the server closed")?)?;
        let (is_text, payload) = S::look(&message).ok_or("a control frame")?;
        look(is_text, payload)
    }
}

/// Runs a client of a library, each connection a task, on the one thread of a pinned process.
pub fn run<C: Client>() -> Result<(), Error> {
    run_with(|task| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            match (task.connections, task.in_flight) {
                (0, _) => handshakes::<C>(task).await,
                (_, 0) => idle::<C>(task).await,
                _ => echoes::<C>(task).await,
            }
        })
    })
}

/// Runs the task, and prints its result or error.
pub fn run_with(work: impl FnOnce(Task) -> Result<Run, Error>) -> Result<(), Error> {
    match Task::from_args().and_then(work) {
        Ok(run) => println!("run {} {}", run.messages, run.seconds),
        Err(why) => println!("{why}"),
    }
    Ok(())
}

/// Lets the harness read the CPU time used so far.
pub fn mark() {
    println!("mark");
    // If the harness has ended, the process ends with its work.
    let _ = io::stdin().lock().read_line(&mut String::new());
}

/// The state that the connections of a process share.
#[derive(Default)]
struct Shared {
    messages: Cell<u64>,
    failed: RefCell<Option<Error>>,
}

impl Shared {
    /// Runs a connection that should never end.
    fn spawn(self: &Rc<Self>, work: impl Future<Output = Result<Infallible, Error>> + 'static) {
        let shared = self.clone();
        spawn_local(async move {
            let Err(why) = work.await;
            *shared.failed.borrow_mut() = Some(why);
        });
    }

    fn count(&self, messages: u64) {
        self.messages.set(self.messages.get() + messages);
    }

    /// Waits until the run is over.
    async fn finish(&self, times: Times, least: u64) -> Result<Run, Error> {
        let mut window = Window::new(times, least, mark);
        loop {
            sleep(TICK).await;
            if let Some(why) = self.failed.take() {
                return Err(why);
            }
            let counts = Counts { messages: self.messages.get(), payload: 0 };
            if let Some(run) = window.tick(counts)? {
                return Ok(run);
            }
        }
    }
}

/// Opens connections, one after the other.
async fn open<C: Client>(task: &Task, connections: usize) -> Result<Vec<C>, Error> {
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(timeout(PATIENCE, C::open(task)).await??);
    }
    Ok(clients)
}

async fn echoes<C: Client>(task: Task) -> Result<Run, Error> {
    let shared = Rc::new(Shared::default());
    let traffic = task.traffic();
    let message = |payload: &Vec<u8>| C::message(payload, task.text);
    let messages: Rc<Vec<_>> = Rc::new(traffic.payloads.iter().map(message).collect());
    let traffic = Rc::new(traffic);
    let clients = open::<C>(&task, task.connections).await?;
    for (i, client) in clients.into_iter().enumerate() {
        let next = task.first(i);
        let (messages, traffic, shared_too) = (messages.clone(), traffic.clone(), shared.clone());
        let exchange =
            Exchange { client, messages, traffic, next, expected: next, text: task.text };
        shared.spawn(exchange.run(task.in_flight, shared_too));
    }
    shared.finish(task.times, 2 * task.connections as u64).await
}

/// The exchange of messages on one connection.
struct Exchange<C: Client> {
    client: C,
    messages: Rc<Vec<C::Message>>,
    traffic: Rc<Traffic>,
    /// The message to send next.
    next: usize,
    /// The message that must arrive next.
    expected: usize,
    text: bool,
}

impl<C: Client> Exchange<C> {
    async fn run(mut self, in_flight: u64, shared: Rc<Shared>) -> Result<Infallible, Error> {
        self.send(in_flight).await?;
        loop {
            self.receive().await?;
            let mut received = 1;
            while C::GATHERS && received < in_flight {
                match ready(self.receive()).await {
                    Some(another) => another?,
                    None => break,
                }
                received += 1;
            }
            shared.count(received);
            self.send(received).await?;
        }
    }

    async fn send(&mut self, messages: u64) -> Result<(), Error> {
        for _ in 0..messages {
            let message = &self.messages[self.next % self.messages.len()];
            self.client.send(message).await?;
            self.next += 1;
        }
        self.client.flush().await
    }

    async fn receive(&mut self) -> Result<(), Error> {
        let (expected, text) = (self.traffic.payload(self.expected), self.text);
        self.client
            .receive(|is_text, payload| match is_text == text && payload == expected {
                true => Ok(()),
                false => Err("a message came back otherwise".into()),
            })
            .await?;
        self.expected += 1;
        Ok(())
    }
}

/// Lets the harness read the memory when only the first connections are open, when all are, and
/// when each has had one message back.
async fn idle<C: Client>(task: Task) -> Result<Run, Error> {
    const FIRST: usize = 16;
    let traffic = task.traffic();
    let mut first = open::<C>(&task, FIRST).await?;
    echo_once(&mut first, &task, &traffic).await?;
    mark();
    let mut clients = open::<C>(&task, task.connections).await?;
    mark();
    echo_once(&mut clients, &task, &traffic).await?;
    mark();
    Ok(Run { messages: task.connections as u64, payload: 0, seconds: 0.0 })
}

async fn echo_once<C: Client>(
    clients: &mut [C],
    task: &Task,
    traffic: &Traffic,
) -> Result<(), Error> {
    for client in clients {
        let message = C::message(traffic.payload(0), task.text);
        client.send(&message).await?;
        client.flush().await?;
        client
            .receive(|_, payload| match payload == traffic.payload(0) {
                true => Ok(()),
                false => Err("a message came back otherwise".into()),
            })
            .await?;
    }
    Ok(())
}

async fn handshakes<C: Client>(task: Task) -> Result<Run, Error> {
    let shared = Rc::new(Shared::default());
    for _ in 0..CONCURRENT_HANDSHAKES {
        let (task, shared_too) = (task.clone(), shared.clone());
        shared.spawn(async move {
            loop {
                C::open(&task).await?.end(task.abort);
                shared_too.count(1);
            }
        });
    }
    shared.finish(task.times, CONCURRENT_HANDSHAKES as u64).await
}
