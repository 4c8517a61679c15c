//! The crate `rust_socketio` as a client of `fullduplex-socketio`: `fullduplex-rust-socketio URL`.
//!
//! The server is the program `socketio_server`. Each check is a line `ok NAME` or
//! `not ok NAME: why`.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Payload, RawClient, TransportType};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);

type Failure = Box<dyn std::error::Error>;
type Heard = (String, Payload);

/// A client, and what it hears.
struct Peer {
    client: Client,
    heard: Receiver<Heard>,
}

impl Peer {
    fn connect(url: &str, namespace: &str, transport: TransportType) -> Result<Self, Failure> {
        let (sender, heard) = channel();
        let client = ClientBuilder::new(url)
            .namespace(namespace)
            .auth(json!({ "name": "Ann" }))
            .transport_type(transport)
            .reconnect(true)
            .reconnect_on_disconnect(true)
            .reconnect_delay(10, 50)
            .on_any(move |event, payload, _| {
                let _ = sender.send((event.into(), payload));
            })
            .connect()?;
        let peer = Self { client, heard };
        peer.until("auth", text(json!({ "name": "Ann" })))?;
        Ok(peer)
    }

    /// Waits for an event, and checks what it brings.
    fn until(&self, event: &str, expected: Payload) -> Result<(), Failure> {
        let payload = self.next(event)?;
        if payload == expected {
            return Ok(());
        }
        Err(format!("{event} brought {payload:?}").into())
    }

    fn next(&self, event: &str) -> Result<Payload, Failure> {
        loop {
            match self.heard.recv_timeout(DEADLINE) {
                Ok((name, payload)) if name == event => return Ok(payload),
                Ok(_) => {}
                Err(_) => return Err(format!("no {event}").into()),
            }
        }
    }

    /// Returns the acknowledgement of an event.
    fn ask(&self, event: &str, data: impl Into<Payload>) -> Result<Payload, Failure> {
        let (sender, answer) = channel();
        let answered = move |payload: Payload, _: RawClient| {
            let _ = sender.send(payload);
        };
        self.client.emit_with_ack(event, data, DEADLINE, answered)?;
        Ok(answer.recv_timeout(DEADLINE).map_err(|_| format!("no answer to {event}"))?)
    }
}

fn text(value: Value) -> Payload {
    Payload::Text(vec![value])
}

fn expect(payload: &Payload, expected: Value) -> Result<(), Failure> {
    // What the client returns for an acknowledgement is the list of its arguments.
    if *payload == text(expected) { Ok(()) } else { Err(format!("it is {payload:?}").into()) }
}

fn events(url: &str, transport: TransportType) -> Result<(), Failure> {
    for namespace in ["/", "/custom"] {
        let peer = Peer::connect(url, namespace, transport.clone())?;
        peer.client.emit("message", json!({ "a": [1, null, "grüße 🌍"] }))?;
        peer.until("message-back", text(json!({ "a": [1, null, "grüße 🌍"] })))?;
        // The client takes the byte 30 of a binary message for a separator.
        let bytes: Vec<u8> = (31..=255).cycle().take(5000).collect();
        peer.client.emit("message", bytes.clone())?;
        peer.until("message-back", bytes.into())?;
        for number in 0..20 {
            expect(&peer.ask("message-with-ack", json!(number))?, json!([number]))?;
        }
        expect(&peer.ask("join", json!("room"))?, json!([true]))?;
        let other = Peer::connect(url, namespace, transport.clone())?;
        let to_room = Payload::Text(vec![json!("room"), json!("hello")]);
        expect(&other.ask("say", to_room)?, json!([1]))?;
        peer.until("said", text(json!("hello")))?;
        peer.client.disconnect()?;
        other.client.disconnect()?;
    }
    Ok(())
}

/// The server cuts the connection, and the client comes back.
fn reconnects(url: &str, transport: TransportType) -> Result<(), Failure> {
    let peer = Peer::connect(url, "/", transport)?;
    peer.client.emit("cut", Payload::Text(Vec::new()))?;
    peer.next("goodbye")?;
    peer.until("auth", text(json!({ "name": "Ann" })))?;
    expect(&peer.ask("message-with-ack", json!("again"))?, json!(["again"]))?;
    peer.client.disconnect()?;
    Ok(())
}

fn main() -> ExitCode {
    let Some(url) = std::env::args().nth(1) else {
        eprintln!("fullduplex-rust-socketio URL");
        return ExitCode::from(2);
    };
    let check = |name: &str, run: &dyn Fn() -> Result<(), Failure>| match run() {
        Ok(()) => {
            println!("ok {name}");
            true
        }
        Err(why) => {
            println!("not ok {name}: {why}");
            false
        }
    };
    let mut is_good = true;
    for (name, transport) in [
        ("polling", TransportType::Polling),
        ("polling with an upgrade", TransportType::WebsocketUpgrade),
        ("WebSocket", TransportType::Websocket),
    ] {
        let what = format!("{name}: events, bytes, acknowledgements and rooms");
        is_good &= check(&what, &|| events(&url, transport.clone()));
        // This client does not come back when a poll brings the close packet.
        if transport != TransportType::Polling {
            let what = format!("{name}: a cut connection is made again");
            is_good &= check(&what, &|| reconnects(&url, transport.clone()));
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
