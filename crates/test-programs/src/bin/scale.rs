//! Many idle WebSockets: their cost to the server, a message to all of them, and their end. `cargo
//! xtask scale` runs both ends and records the results.
//!
//! `scale server ADDRESS:PORT` serves echo, and executes commands from its standard input:
//! `publish` sends 64 bytes to all, `drain` closes all; it answers each with a line, and so it does
//! `memory`. `scale client ADDRESS:PORT COUNT` connects from several addresses of this machine and
//! executes `echo` (1 KiB on each), `published` (waits until all have a message) and `closed`
//! (until the server has closed all with 1001).
#![allow(clippy::print_stdout)] // a program that prints

use std::io::{BufRead as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fullduplex::broadcast::{Group, LagPolicy};
use fullduplex::server::{self, DrainOptions, Server, ServerConfig, ServerHandle};
use fullduplex::{Client, CloseCode, PreparedMessage, WebSocket};
use tokio::net::{TcpListener, TcpSocket};

type Failure = Box<dyn std::error::Error>;

/// The number of connections of one address: fewer than its ports (28,232 on Linux).
const PER_ADDRESS: usize = 10_000;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match words[..] {
        ["server", address] => runtime.block_on(serve(address.parse()?)),
        ["client", address, count] => runtime.block_on(crowd(address.parse()?, count.parse()?)),
        _ => Err("scale server ADDRESS:PORT, or scale client ADDRESS:PORT COUNT".into()),
    }
}

/// Returns the lines of the standard input, which a separate thread reads.
fn commands() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines();
        lines.map_while(Result::ok).all(|line| send.send(line).is_ok())
    });
    receive
}

fn say(line: &str) -> Result<(), Failure> {
    println!("{line}");
    Ok(std::io::stdout().flush()?)
}

/// Returns a configuration without a limit on connections.
fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.limits.connections.max_connections = None;
    config
}

async fn serve(address: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::from_std(server::listen::bind(address, true, 4096)?)?;
    let address = listener.local_addr()?;
    let room = Group::new();
    let serving = Server::from_listener(listener).config(config());
    let handle = serving.handle();
    let joined = room.clone();
    let task = tokio::spawn(serving.serve(move |websocket| echo(websocket, joined.clone())));
    say(&format!("listening {address}"))?;
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        let cpu = cpu_seconds();
        match command.as_str() {
            "memory" => say(&format!("{} {}", resident(), handle.websocket_count()))?,
            "publish" => {
                let (at, begun) = (now(), Instant::now());
                let published = room.publish(&PreparedMessage::new(vec![7; 64]));
                let took = begun.elapsed().as_secs_f64();
                // Wait until all of it was written.
                tokio::time::sleep(Duration::from_secs(3)).await;
                let cpu = cpu_seconds() - cpu;
                say(&format!("{at} {took:.3} {cpu:.3} {}", published.delivered))?;
            }
            "drain" => {
                say(&drain(&handle).await)?;
                task.await??;
                return Ok(());
            }
            other => return Err(format!("{other} is not a command").into()),
        }
    }
    Ok(())
}

async fn drain(handle: &ServerHandle) -> String {
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let report = handle.drain(DrainOptions::default()).await;
    let took = begun.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    format!("{} {} {} {took:.1} {cpu:.2}", report.notified, report.cut, report.cut_http)
}

async fn echo(mut websocket: WebSocket, room: Group) {
    let _member = room.join(&websocket, LagPolicy::DropNewest);
    while let Some(Ok(message)) = websocket.next().await {
        if websocket.send(message).await.is_err() {
            return;
        }
    }
}

async fn crowd(address: SocketAddr, count: usize) -> Result<(), Failure> {
    let url = format!("ws://{address}/");
    let (begun, client) = (Instant::now(), Client::builder().build()?);
    let mut all = Vec::with_capacity(count);
    for i in 0..count {
        let socket = TcpSocket::new_v4()?;
        let host = u8::try_from(std::process::id() % 100 + 1)?;
        let source = Ipv4Addr::new(127, 1, host, u8::try_from(1 + i / PER_ADDRESS)?);
        socket.bind(SocketAddr::from((source, 0)))?;
        let tcp = socket.connect(address).await?;
        all.push(client.connect_over(tcp, &url).await?.0);
    }
    say(&format!("connected {count} {:.1}", begun.elapsed().as_secs_f64()))?;
    let mut commands = commands();
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "echo" => {
                for websocket in &mut all {
                    websocket.send(vec![7; 1024]).await?;
                    websocket.next().await.ok_or("it has ended")??;
                }
                say("echoed")?;
            }
            "published" => {
                for websocket in &mut all {
                    let message = websocket.next().await.ok_or("it has ended")??;
                    assert_eq!(message.into_bytes(), vec![7; 64]);
                }
                say(&now().to_string())?;
            }
            "closed" => {
                let mut notified = 0;
                // All at once, as the server waits for each answer.
                let mut waiting = tokio::task::JoinSet::new();
                for mut websocket in std::mem::take(&mut all) {
                    waiting.spawn(async move {
                        while let Some(Ok(_)) = websocket.next().await {}
                        websocket.close_info()
                    });
                }
                while let Some(ended) = waiting.join_next().await {
                    let ended = ended?.ok_or("it has not ended")?;
                    notified +=
                        usize::from(ended.is_clean() && ended.code() == CloseCode::GOING_AWAY);
                }
                say(&notified.to_string())?;
            }
            other => return Err(format!("{other} is not a command").into()),
        }
    }
    Ok(())
}

/// Returns the system's time in milliseconds, which is the same for both ends.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// Returns the resident memory in bytes (Linux).
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// Returns the CPU time of this process in seconds (Linux).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u32>().ok());
    f64::from(ticks.sum::<u32>()) / 100.0
}
