//! What Node calls: a class, and the events that its callback gets.

use fullduplex::client::ClientTls;
use fullduplex::{CloseCode, Message};
use napi::bindgen_prelude::{Function, Uint8Array, spawn};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::connection::{self, Command, Ending};

/// What the environment of a page decides.
#[napi(object)]
pub struct Settings {
    /// The value of the request's `Origin`.
    pub origin: Option<String>,
    /// A file with the certificates of further authorities.
    pub authorities: Option<String>,
}

/// A report of a connection to its page.
#[napi(discriminant = "type", object_from_js = false)]
pub enum Event {
    Open { protocol: String, extensions: String },
    Text { data: String },
    Binary { data: Uint8Array },
    Sent { bytes: u32 },
    Closing,
    Closed { code: u16, reason: String, was_clean: bool, has_failed: bool },
}

impl From<connection::Event> for Event {
    fn from(event: connection::Event) -> Self {
        match event {
            connection::Event::Open { subprotocol, extensions } => {
                Self::Open { protocol: subprotocol, extensions }
            }
            connection::Event::Received(message) => match message.as_text() {
                Some(text) => Self::Text { data: text.to_owned() },
                None => Self::Binary { data: Vec::from(message.into_bytes()).into() },
            },
            // A message has at most 4 GiB here: a string of JavaScript has less.
            connection::Event::Sent(bytes) => {
                Self::Sent { bytes: u32::try_from(bytes).unwrap_or(u32::MAX) }
            }
            connection::Event::Closing => Self::Closing,
            connection::Event::Closed(Ending { code, reason, was_clean, has_failed }) => {
                Self::Closed { code: code.get(), reason, was_clean, has_failed }
            }
        }
    }
}

/// A connection, as the object of a page has it.
#[napi]
pub struct Connection {
    commands: UnboundedSender<Command>,
}

#[napi]
impl Connection {
    /// Connects to an absolute URL. Throws if the subprotocols are not valid.
    #[napi(constructor)]
    pub fn new(
        url: String,
        subprotocols: Vec<String>,
        settings: Settings,
        on_event: Function<'_, Event, ()>,
    ) -> napi::Result<Self> {
        let offers_subprotocols = !subprotocols.is_empty();
        let mut builder = connection::builder().subprotocols(subprotocols);
        if let Some(origin) = settings.origin {
            builder = builder.origin(&origin);
        }
        if let Some(file) = settings.authorities {
            builder = builder.tls(ClientTls::new().add_authorities_file(file));
        }
        let client =
            builder.build().map_err(|error| napi::Error::from_reason(error.to_string()))?;
        let on_event = on_event.build_threadsafe_function().build()?;
        let report = move |event: connection::Event| {
            on_event.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let (commands, receiver) = unbounded_channel();
        spawn(connection::run(client, url, offers_subprotocols, receiver, report));
        Ok(Self { commands })
    }

    #[napi]
    pub fn send_text(&self, text: String) {
        self.command(Command::Send(Message::text(text)));
    }

    #[napi]
    pub fn send_binary(&self, data: Uint8Array) {
        self.command(Command::Send(Message::from(&data[..])));
    }

    #[napi]
    pub fn close(&self, code: u16, reason: String) {
        self.command(Command::Close(CloseCode::new(code), reason));
    }

    /// After the end of the connection, nothing happens.
    fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }
}
