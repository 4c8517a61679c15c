//! The browser's `WebSocketStream`, with backpressure in both directions.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;

use fullduplex_proto::{CloseFrame, Message};
use js_sys::Array;
use js_sys::futures::{JsFuture, spawn_local};
use wasm_bindgen::{JsCast, JsValue};

use crate::web::bindings::{BrowserStream, Stream, StreamReader, StreamWriter, object, property};
use crate::web::connection::{Connection, Opened};
use crate::web::data;
use crate::web::rules::CloseEvent;

/// The browser's object, and what the tasks that wait for its promises share.
pub(super) struct StreamSocket(Rc<Shared>);

struct Shared {
    raw: BrowserStream,
    connection: Arc<Connection>,
    writer: RefCell<Option<StreamWriter>>,
    /// The bytes of messages that the browser has not sent.
    unsent: Cell<usize>,
    /// The arguments for `close()`, when all is sent.
    close: RefCell<Option<JsValue>>,
}

impl StreamSocket {
    /// Starts to connect. What happens is reported to the connection.
    pub(super) fn open(
        url: &str,
        subprotocols: &Array,
        connection: Arc<Connection>,
    ) -> Result<Self, JsValue> {
        let options = object(&[("protocols", subprotocols.into())]);
        let shared = Rc::new(Shared {
            raw: BrowserStream::new(url, &options)?,
            connection,
            writer: RefCell::default(),
            unsent: Cell::default(),
            close: RefCell::default(),
        });
        spawn_local(open(shared.clone()));
        spawn_local(report_end(shared.clone()));
        Ok(Self(shared))
    }

    /// Returns the bytes that the browser has not sent.
    pub(super) fn buffered(&self) -> usize {
        self.0.unsent.get()
    }

    /// Passes the browser a message. The task is woken when it is sent.
    pub(super) fn send(&self, message: &Message) {
        let writer = self.0.writer.borrow();
        let Some(writer) = &*writer else { return };
        let chunk = match message {
            Message::Text(text) => JsValue::from_str(text.as_str()),
            Message::Binary(bytes) => data::copy(bytes).into(),
        };
        let (len, written) = (message.len(), writer.write(&chunk));
        self.0.unsent.set(self.0.unsent.get() + len);
        let shared = self.0.clone();
        spawn_local(async move {
            // If it fails, it is the end, which is reported elsewhere.
            if JsFuture::from(written).await.is_ok() {
                shared.unsent.set(shared.unsent.get() - len);
                shared.close_when_sent();
                shared.connection.wake_task();
            }
        });
    }

    /// Starts the closing handshake when all is sent.
    pub(super) fn close(&self, frame: Option<CloseFrame>) {
        let options = frame.map_or_else(
            || object(&[]),
            |frame| {
                let reason = JsValue::from_str(&frame.reason);
                object(&[("closeCode", frame.code.get().into()), ("reason", reason)])
            },
        );
        self.0.close.replace(Some(options));
        self.0.close_when_sent();
    }
}

impl Shared {
    fn close_when_sent(&self) {
        if self.unsent.get() == 0
            && let Some(options) = self.close.take()
        {
            // It throws for a code and a reason that were checked before.
            let _ = self.raw.close(&options);
        }
    }
}

/// Waits until the connection is open, and then receives.
async fn open(shared: Rc<Shared>) {
    // Why it is not, is reported at the end.
    let Ok(parts) = JsFuture::from(shared.raw.opened()).await else { return };
    let stream = |name| property(&parts, name).unchecked_into::<Stream>();
    shared.writer.replace(Some(stream("writable").get_writer()));
    let subprotocol = property(&parts, "protocol").as_string().unwrap_or_default();
    shared.connection.opened(Opened { subprotocol });
    receive_all(&stream("readable").get_reader(), &shared.connection).await;
}

/// Receives messages as fast as the application takes them.
async fn receive_all(reader: &StreamReader, connection: &Connection) {
    loop {
        poll_fn(|cx| connection.poll_space(cx)).await;
        match JsFuture::from(reader.read()).await {
            Ok(read) if property(&read, "done").is_falsy() => {
                data::receive(connection, &property(&read, "value"));
            }
            _ => return,
        }
    }
}

/// Waits for the end of the connection and reports it.
async fn report_end(shared: Rc<Shared>) {
    let (told, was_clean) = match JsFuture::from(shared.raw.closed()).await {
        Ok(told) => (told, true),
        Err(error) => (error, false),
    };
    let code = property(&told, "closeCode").as_f64();
    // A failed connection has a code only if a Close arrived.
    let without = if was_clean { 1005 } else { 1006 };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is an unsigned short"
    )]
    let code = code.map_or(without, |code| code as u16);
    let reason = property(&told, "reason").as_string().unwrap_or_default();
    shared.connection.ended(CloseEvent { code, reason, was_clean }, shared.unsent.get());
}
