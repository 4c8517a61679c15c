//! A chat client for the terminal and for a web page. All but the input and the output is the same.
//!
//! The server is `fdx serve`, whose `/broadcast` sends each message to everybody. In a terminal:
//!
//! ```sh
//! cargo run -p fullduplex-chat-client -- ws://127.0.0.1:9001/broadcast ann
//! ```
//!
//! In a page, which `fdx serve --root examples/chat-client/web` then serves:
//!
//! ```sh
//! rustup target add wasm32-unknown-unknown
//! cargo install wasm-bindgen-cli --version 0.2.130
//! cargo build --profile web --target wasm32-unknown-unknown -p fullduplex-chat-client
//! wasm-bindgen target/wasm32-unknown-unknown/web/chat-client.wasm \
//!     --target web --no-typescript --out-name chat_client --out-dir examples/chat-client/web
//! ```

mod chat;
#[cfg(target_family = "wasm")]
mod page;
#[cfg(not(target_family = "wasm"))]
mod terminal;

#[cfg(target_family = "wasm")]
fn main() {
    // The page's script calls `page::Chat`.
}

#[cfg(not(target_family = "wasm"))]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    terminal::main()
}
