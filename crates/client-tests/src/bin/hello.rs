//! The smallest client that does all that one does: it connects, sends, receives and closes. As
//! WebAssembly it is held to a budget of bytes.
#![cfg_attr(target_family = "wasm", no_main)]

use fullduplex::{CloseCode, Error, connect};

async fn hello(url: &str) -> Result<String, Error> {
    let (mut websocket, _response) = connect(url).await?;
    // Waits while too many bytes are unsent.
    websocket.send("hello").await?;
    let received = websocket.next().await.transpose()?;
    let info = websocket.close(CloseCode::NORMAL, "goodbye").await?;
    // Not the whole of `info`, whose text needs tables of what to escape.
    Ok(format!("{}; {}", received.unwrap_or_default(), info.code()))
}

#[cfg(target_family = "wasm")]
#[allow(unreachable_pub, reason = "what is exported to JavaScript is public")]
mod page {
    use js_sys::Promise;
    use js_sys::futures::future_to_promise;
    use wasm_bindgen::prelude::wasm_bindgen;

    /// Says hello to the server at this URL; returns what it said.
    #[wasm_bindgen]
    pub fn hello(url: String) -> Promise {
        future_to_promise(async move {
            let said = super::hello(&url).await.map_err(|error| error.to_string())?;
            Ok(said.into())
        })
    }
}

#[cfg(not(target_family = "wasm"))]
#[allow(clippy::print_stdout, reason = "a program that prints")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("ws://127.0.0.1:9001/echo".into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(hello(&url))?);
    Ok(())
}
