//! The clients of `fdx listen`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fullduplex::server::Handshake;
use fullduplex::{CloseCode, Error, Message, NetStream, SendHalf};
use http::HeaderName;
use tokio::time::timeout;

use crate::base::redact::{is_secret_parameter, redact_url, shown_value};
use crate::frames::ConnectionLabel;
use crate::screen::LabelledEvent;
use crate::session::{Action, Event, QueueReceiver, QueueSender};

/// The time for a Pong.
const PONG_TIMEOUT: Duration = Duration::from_secs(30);

/// The most fields of a request that are shown.
const MAX_FIELDS: usize = 50;

/// The clients that are connected, by their numbers.
pub(super) struct Clients {
    events: QueueSender<LabelledEvent>,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    last: u32,
    senders: BTreeMap<u32, SendHalf<NetStream>>,
}

impl Clients {
    pub(super) fn new(events: QueueSender<LabelledEvent>) -> Self {
        Self { events, open: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the sending halves, with the labels of their clients.
    fn senders(&self) -> Vec<(String, SendHalf<NetStream>)> {
        let open = self.open();
        open.senders.iter().map(|(number, send)| (label(*number), send.clone())).collect()
    }

    async fn event(&self, label: &str, event: Event) {
        // If the screen has ended, the program is about to.
        let _ = self.events.send(LabelledEvent { label: label.to_owned(), event }).await;
    }

    async fn note(&self, note: String) {
        self.event("", Event::Note(note)).await;
    }

    /// Shows a note, if there is room for it now.
    pub(super) fn note_now(&self, note: String) {
        let event = LabelledEvent { label: String::new(), event: Event::Note(note) };
        // A flood of rejected clients must not make the server wait.
        let _ = self.events.try_send(event);
    }

    /// Shows a request, accepts it, and shows what the client sends until its end.
    pub(super) async fn serve(&self, mut handshake: Handshake) -> Result<(), Error> {
        let number = {
            let mut open = self.open();
            open.last += 1;
            open.last
        };
        let label = label(number);
        self.note(describe(&label, &handshake)).await;
        if !handshake.is_websocket() {
            let response = http::Response::builder().status(426).header("upgrade", "websocket");
            let body = "this is fdx listen, which takes WebSockets only\n";
            return match response.body(body) {
                Ok(response) => handshake.respond(response).await,
                Err(_) => Ok(()),
            };
        }
        let extensions = handshake.request_mut().extensions_mut();
        extensions.insert(ConnectionLabel(label.clone()));
        let (send, mut receive) = handshake.accept().await?.split();
        self.open().senders.insert(number, send.clone());
        let mut error = None;
        while let Some(received) = receive.next().await {
            match received {
                Ok(message) => self.event(&label, Event::Message(message)).await,
                Err(why) => error = Some(why),
            }
        }
        self.open().senders.remove(&number);
        let info = send.close_info().map(|info| info.to_string());
        let end = error.map(|error| error.to_string()).or(info).unwrap_or_default();
        self.note(format!("{label} {end}")).await;
        Ok(())
    }

    /// Does what is typed, for all clients, until the screen ends, or the input if `ends_with_it`.
    pub(super) async fn act(&self, mut actions: QueueReceiver<Action>, ends_with_it: bool) {
        while let Some(action) = actions.recv().await {
            let clients = self.senders();
            match action {
                Action::EndOfInput | Action::Fail(_) if ends_with_it => return,
                Action::EndOfInput | Action::Fail(_) => {}
                _ if clients.is_empty() => self.note("no client is connected".into()).await,
                Action::Send(message) => self.send(&clients, message).await,
                Action::Ping(payload) => self.ping(clients, &payload),
                Action::Pong(payload) => {
                    for (_, send) in clients {
                        let payload = payload.clone();
                        tokio::spawn(async move { send.pong(&payload).await });
                    }
                }
                Action::Close(code, reason) => self.close(&clients, code, &reason).await,
            }
        }
    }

    /// Sends to those that take it now: a slow client holds back no other.
    async fn send(&self, clients: &[(String, SendHalf<NetStream>)], message: Message) {
        let mut labels = Vec::new();
        for (label, send) in clients {
            match send.try_send(message.clone()) {
                Ok(()) => labels.push(label.as_str()),
                Err(error) => self.note(format!("not sent to {label}: {error}")).await,
            }
        }
        if !labels.is_empty() {
            self.event(&labels.join(" "), Event::Sent(message)).await;
        }
    }

    fn ping(&self, clients: Vec<(String, SendHalf<NetStream>)>, payload: &Bytes) {
        for (label, send) in clients {
            let (payload, events) = (payload.clone(), self.events.clone());
            tokio::spawn(async move {
                let Ok(pong) = send.ping(&payload).await else { return };
                if let Ok(Ok(round_trip)) = timeout(PONG_TIMEOUT, pong).await {
                    let event = Event::Pong { payload, round_trip: Some(round_trip) };
                    let _ = events.send(LabelledEvent { label, event }).await;
                }
            });
        }
    }

    async fn close(
        &self,
        clients: &[(String, SendHalf<NetStream>)],
        code: CloseCode,
        reason: &str,
    ) {
        for (label, send) in clients {
            if let Err(error) = send.start_close(code, reason) {
                self.note(format!("{label} {error}")).await;
            }
        }
    }
}

fn label(number: u32) -> String {
    format!("#{number}")
}

/// Returns the request as lines without secrets, such as `#1 127.0.0.1:50000 GET /chat HTTP/1.1`.
fn describe(label: &str, handshake: &Handshake) -> String {
    let request = handshake.request();
    let from = handshake.peer_addr().map_or_else(String::new, |from| format!("{from} "));
    let (method, version) = (request.method(), request.version());
    let uri = redact_url(&request.uri().to_string());
    let mut text = format!("{label} {from}{method} {uri} {version:?}");
    for (name, value) in request.headers().iter().take(MAX_FIELDS) {
        let value = shown_value(name.as_str(), value.as_bytes(), is_secret_field(name));
        // Writing to a string does not fail.
        let _ = write!(text, "\n{name}: {value}");
    }
    text
}

/// Whether the value of a request's field is likely a secret.
fn is_secret_field(name: &HeaderName) -> bool {
    let name = name.as_str();
    // The key of the handshake is not one.
    name == "cookie" || !name.starts_with("sec-websocket-") && is_secret_parameter(name)
}
