//! Messages from and to JavaScript.

use fullduplex_proto::Message;
use js_sys::{JsString, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use crate::web::connection::Connection;

/// Queues the data of a message. A message that is too long is not copied.
pub(super) fn receive(connection: &Connection, data: &JsValue) {
    if let Some(text) = data.dyn_ref::<JsString>() {
        // A UTF-16 unit takes at least a byte.
        if connection.admits(text.length() as usize) {
            connection.received(Message::text(String::from(text)));
        }
    } else {
        // An ArrayBuffer, as `binaryType` says.
        let bytes = Uint8Array::new(data);
        if connection.admits(bytes.length() as usize) {
            connection.received(Message::binary(bytes.to_vec()));
        }
    }
}

/// Returns a copy for the browser, as the memory of a program with threads is shared, which a
/// WebSocket refuses.
pub(super) fn copy(bytes: &[u8]) -> Uint8Array {
    Uint8Array::from(bytes)
}
