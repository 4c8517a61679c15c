//! The chat in a page, whose script calls it.

use js_sys::Function;
use js_sys::futures::spawn_local;
use tokio::sync::mpsc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::chat::chat;

/// A chat that goes on until this is freed.
#[wasm_bindgen]
pub struct Chat {
    typed: mpsc::Sender<String>,
}

#[wasm_bindgen]
impl Chat {
    /// Joins under a name. `show` is called with each line.
    #[wasm_bindgen(constructor)]
    pub fn new(url: String, name: String, show: Function) -> Self {
        let (typed, lines) = mpsc::channel(16);
        spawn_local(async move {
            let show = |line: &str| {
                // An exception of the page's function does not end the chat.
                let _ = show.call1(&JsValue::UNDEFINED, &line.into());
            };
            if let Err(error) = chat(&url, &name, lines, show).await {
                show(&format!("* {error}"));
            }
        });
        Self { typed }
    }

    /// Says something; returns whether it could be taken.
    pub fn say(&self, line: String) -> bool {
        self.typed.try_send(line).is_ok()
    }
}
