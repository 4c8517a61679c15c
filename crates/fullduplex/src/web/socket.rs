//! The browser's `WebSocket` with the handlers of its events, and the choice between it and a
//! `WebSocketStream`.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use fullduplex_proto::{CloseFrame, Message};
use js_sys::Array;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::base::error::Error;
use crate::base::invalid_url::invalid_url;
use crate::web::bindings::{BrowserCloseEvent, BrowserSocket, MessageEvent, Url};
use crate::web::bindings::{base_url, has_stream, message_of};
use crate::web::connection::{Connection, Opened};
use crate::web::data;
use crate::web::rules::{CloseEvent, websocket_url};
use crate::web::stream::StreamSocket;

/// Values of `readyState`.
const OPEN: u16 = 1;
const CLOSING: u16 = 2;

/// The browser's object.
pub(super) enum Socket {
    Events(EventSocket),
    Stream(StreamSocket),
}

impl Socket {
    /// Starts to connect, with a `WebSocketStream` if there is one. What happens is reported to the
    /// connection.
    ///
    /// # Errors
    /// If the browser throws an exception: for the URL, or as the page may not connect to it, such
    /// as one of `https:` to `ws:`.
    pub(super) fn open(url: &str, connection: Arc<Connection>) -> Result<Self, Error> {
        let parsed = Url::parse(url, &base_url()).map_err(|_| {
            invalid_url(url, "not a URL: begin it with ws:// or wss://, or / in a page")
        })?;
        let target = websocket_url(&parsed.href()).map_err(|fault| invalid_url(url, fault))?;
        let names: Array =
            connection.subprotocols().iter().map(|name| JsValue::from_str(name)).collect();
        let opened = if has_stream() {
            StreamSocket::open(&target, &names, connection).map(Self::Stream)
        } else {
            EventSocket::open(&target, &names, connection).map(Self::Events)
        };
        opened.map_err(|exception| {
            let fault = message_of(&exception);
            invalid_url(url, fault.as_deref().unwrap_or("the browser does not connect to it"))
        })
    }

    /// Reports a change of the object's state, if it has no event for it.
    pub(super) fn report_state(&self) {
        if let Self::Events(socket) = self {
            socket.report_state();
        }
    }

    /// Returns the bytes that the browser has not sent.
    pub(super) fn buffered(&self) -> usize {
        match self {
            Self::Events(socket) => buffered(&socket.raw),
            Self::Stream(socket) => socket.buffered(),
        }
    }

    /// Returns whether a change of [`buffered`](Self::buffered) wakes the task.
    pub(super) fn wakes_when_sent(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Passes the browser a message, which it sends, or drops if the peer has closed.
    pub(super) fn send(&self, message: &Message) {
        match self {
            Self::Events(socket) => socket.send(message),
            Self::Stream(socket) => socket.send(message),
        }
    }

    /// Starts the closing handshake, behind what it has been given. Before it is open, it fails the
    /// connection.
    pub(super) fn close(&self, frame: Option<CloseFrame>) {
        match self {
            Self::Events(socket) => socket.close(frame),
            Self::Stream(socket) => socket.close(frame),
        }
    }
}

/// A `WebSocket`. Dropping it takes its handlers away, and leaves it to the browser.
pub(super) struct EventSocket {
    raw: BrowserSocket,
    connection: Arc<Connection>,
    _on_event: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(JsValue)>,
    _on_close: Closure<dyn FnMut(BrowserCloseEvent)>,
}

impl EventSocket {
    fn open(url: &str, subprotocols: &Array, connection: Arc<Connection>) -> Result<Self, JsValue> {
        let raw = BrowserSocket::new(url, subprotocols)?;
        raw.set_binary_type("arraybuffer");
        Ok(Self::with_handlers(raw, connection))
    }

    fn with_handlers(raw: BrowserSocket, connection: Arc<Connection>) -> Self {
        let on_event = Closure::new({
            let connection = connection.clone();
            move || connection.wake_task()
        });
        let on_message = Closure::new({
            let connection = connection.clone();
            move |event: MessageEvent| data::receive(&connection, &event.data())
        });
        // Node, Deno and Bun say more than browsers may.
        let detail = Rc::new(RefCell::new(String::new()));
        let on_error = Closure::new({
            let detail = detail.clone();
            move |event: JsValue| {
                detail.replace(message_of(&event).unwrap_or_default());
            }
        });
        let on_close = Closure::new({
            let (connection, raw) = (connection.clone(), raw.clone());
            move |event: BrowserCloseEvent| {
                let (code, was_clean) = (event.code(), event.was_clean());
                let mut reason = event.reason();
                if reason.is_empty() && !was_clean {
                    reason = detail.take();
                }
                connection.ended(CloseEvent { code, reason, was_clean }, buffered(&raw));
            }
        });
        raw.set_onopen(Some(on_event.as_ref().unchecked_ref()));
        raw.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        raw.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        raw.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Self {
            raw,
            connection,
            _on_event: on_event,
            _on_message: on_message,
            _on_error: on_error,
            _on_close: on_close,
        }
    }

    /// Reports a change of the object's state. Its end is an event.
    fn report_state(&self) {
        match self.raw.ready_state() {
            OPEN => {
                self.connection.opened(Opened { subprotocol: self.raw.protocol() });
            }
            CLOSING => self.connection.peer_closes(),
            _ => {}
        }
    }

    fn send(&self, message: &Message) {
        // It throws only before it is open.
        let _ = match message {
            Message::Text(text) => self.raw.send_text(text.as_str()),
            Message::Binary(bytes) => self.raw.send_bytes(&data::copy(bytes)),
        };
    }

    fn close(&self, frame: Option<CloseFrame>) {
        // It throws for a code and a reason that were checked before.
        let _ = match frame {
            Some(frame) => self.raw.close_with(frame.code.get(), &frame.reason),
            None => self.raw.close(),
        };
    }
}

impl Drop for EventSocket {
    fn drop(&mut self) {
        // An event must not call a handler that is gone.
        self.raw.set_onopen(None);
        self.raw.set_onmessage(None);
        self.raw.set_onerror(None);
        self.raw.set_onclose(None);
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it counts bytes, of which a browser can't hold as many as a usize can count"
)]
fn buffered(raw: &BrowserSocket) -> usize {
    raw.buffered_amount() as usize
}
