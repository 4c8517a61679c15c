//! What is used of JavaScript. All of it is taken from `globalThis`, so that it is found in pages,
//! workers, service workers, Node, Deno and Bun alike.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen]
extern "C" {
    /// The WHATWG's `WebSocket`.
    #[wasm_bindgen(js_name = WebSocket)]
    #[derive(Clone, Debug)]
    pub(crate) type BrowserSocket;

    #[wasm_bindgen(constructor, js_class = "WebSocket", catch)]
    pub(crate) fn new(url: &str, protocols: &Array) -> Result<BrowserSocket, JsValue>;

    #[wasm_bindgen(method, getter, js_name = readyState)]
    pub(crate) fn ready_state(this: &BrowserSocket) -> u16;

    #[wasm_bindgen(method, getter, js_name = bufferedAmount)]
    pub(crate) fn buffered_amount(this: &BrowserSocket) -> f64;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn protocol(this: &BrowserSocket) -> String;

    #[wasm_bindgen(method, setter, js_name = binaryType)]
    pub(crate) fn set_binary_type(this: &BrowserSocket, binary_type: &str);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_onopen(this: &BrowserSocket, handler: Option<&Function>);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_onmessage(this: &BrowserSocket, handler: Option<&Function>);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_onerror(this: &BrowserSocket, handler: Option<&Function>);

    #[wasm_bindgen(method, setter)]
    pub(crate) fn set_onclose(this: &BrowserSocket, handler: Option<&Function>);

    #[wasm_bindgen(method, js_name = send, catch)]
    pub(crate) fn send_text(this: &BrowserSocket, text: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, js_name = send, catch)]
    pub(crate) fn send_bytes(this: &BrowserSocket, bytes: &Uint8Array) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &BrowserSocket) -> Result<(), JsValue>;

    #[wasm_bindgen(method, js_name = close, catch)]
    pub(crate) fn close_with(this: &BrowserSocket, code: u16, reason: &str) -> Result<(), JsValue>;

    /// A `MessageEvent`.
    pub(crate) type MessageEvent;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn data(this: &MessageEvent) -> JsValue;

    /// A `CloseEvent`.
    #[wasm_bindgen(js_name = CloseEvent)]
    pub(crate) type BrowserCloseEvent;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn code(this: &BrowserCloseEvent) -> u16;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn reason(this: &BrowserCloseEvent) -> String;

    #[wasm_bindgen(method, getter, js_name = wasClean)]
    pub(crate) fn was_clean(this: &BrowserCloseEvent) -> bool;

    /// A `URL`, which is parsed by the URL standard.
    #[wasm_bindgen(js_name = URL)]
    pub(crate) type Url;

    #[wasm_bindgen(constructor, js_class = "URL", catch)]
    pub(crate) fn parse(url: &str, base: &JsValue) -> Result<Url, JsValue>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn href(this: &Url) -> String;

    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(callback: &Function, millis: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    pub(crate) fn clear_timeout(timer: &JsValue);

    #[wasm_bindgen(js_namespace = performance)]
    pub(crate) fn now() -> f64;
}

#[wasm_bindgen]
extern "C" {
    /// An `EventTarget`, such as `globalThis` and `document` are.
    #[wasm_bindgen(js_name = EventTarget)]
    #[derive(Clone, Debug)]
    pub(crate) type EventTarget;

    #[wasm_bindgen(method, js_name = addEventListener)]
    pub(crate) fn add_event_listener(this: &EventTarget, name: &str, listener: &Function);

    #[wasm_bindgen(method, js_name = removeEventListener)]
    pub(crate) fn remove_event_listener(this: &EventTarget, name: &str, listener: &Function);
}

#[wasm_bindgen]
extern "C" {
    /// The `WebSocketStream` of Chromium, which waits for its reader, and says when it has sent.
    #[wasm_bindgen(js_name = WebSocketStream)]
    #[derive(Clone, Debug)]
    pub(crate) type BrowserStream;

    #[wasm_bindgen(constructor, js_class = "WebSocketStream", catch)]
    pub(crate) fn new(url: &str, options: &JsValue) -> Result<BrowserStream, JsValue>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn opened(this: &BrowserStream) -> Promise;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn closed(this: &BrowserStream) -> Promise;

    #[wasm_bindgen(method, catch)]
    pub(crate) fn close(this: &BrowserStream, options: &JsValue) -> Result<(), JsValue>;

    /// A `ReadableStream` or a `WritableStream`.
    #[derive(Clone, Debug)]
    pub(crate) type Stream;

    #[wasm_bindgen(method, js_name = getReader)]
    pub(crate) fn get_reader(this: &Stream) -> StreamReader;

    #[wasm_bindgen(method, js_name = getWriter)]
    pub(crate) fn get_writer(this: &Stream) -> StreamWriter;

    /// A `ReadableStreamDefaultReader`.
    #[derive(Clone, Debug)]
    pub(crate) type StreamReader;

    #[wasm_bindgen(method)]
    pub(crate) fn read(this: &StreamReader) -> Promise;

    /// A `WritableStreamDefaultWriter`.
    #[derive(Clone, Debug)]
    pub(crate) type StreamWriter;

    #[wasm_bindgen(method)]
    pub(crate) fn write(this: &StreamWriter, chunk: &JsValue) -> Promise;
}

/// Returns whether there is a `WebSocketStream`.
pub(crate) fn has_stream() -> bool {
    property(&js_sys::global().into(), "WebSocketStream").is_function()
}

/// Returns an object with these properties.
pub(crate) fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        // It can't fail on a new object.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object.into()
}

/// Returns the object as one that has events, if it is.
pub(crate) fn event_target(object: JsValue) -> Option<EventTarget> {
    property(&object, "addEventListener").is_function().then(|| object.unchecked_into())
}

/// Returns the property of an object, or `undefined` if there is none, also of a value that has no
/// properties.
pub(crate) fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// Returns the URL that others are relative to: that of the document or worker, or `undefined`
/// where there is none, as in Node.
pub(crate) fn base_url() -> JsValue {
    let global = js_sys::global().into();
    let of_document = property(&property(&global, "document"), "baseURI");
    if of_document.is_undefined() {
        property(&property(&global, "location"), "href")
    } else {
        of_document
    }
}

/// Returns the message of an exception or an error event.
pub(crate) fn message_of(error: &JsValue) -> Option<String> {
    property(error, "message").as_string().filter(|message| !message.is_empty())
}
