//! Uploads of files of up to 1 GiB, each as one message, of which only a part is in memory:
//!
//! * `cargo run --example upload -- serve 127.0.0.1:9002 FOLDER`;
//! * `cargo run --example upload -- send FILE ws://127.0.0.1:9002/NAME`.
#![allow(clippy::print_stdout)] // an example prints

use std::error::Error;
use std::path::{Path, PathBuf};

use fullduplex::server::{Handshake, Server};
use fullduplex::{CloseCode, MessageKind, WebSocket};
use http::{Response, StatusCode};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;

/// The longest file that the server accepts.
const MAX_LENGTH: u64 = 1 << 30;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let [word, first, second] = [1, 2, 3].map(|n| std::env::args().nth(n).unwrap_or_default());
    match word.as_str() {
        "serve" => serve(&first, second.into()).await,
        "send" => send(&first, &second).await,
        _ => Err("usage: upload serve ADDRESS FOLDER, or upload send FILE URL".into()),
    }
}

async fn serve(address: &str, folder: PathBuf) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Server::bind(address).await?.max_message_size(MAX_LENGTH);
    println!("listening on ws://{}/", server.local_addr()?);
    server.serve_handshakes(move |handshake| receive(handshake, folder.clone())).await?;
    Ok(())
}

/// Receives a file under the name in the path. A name that is not valid, or of a file that another
/// client is sending, is rejected.
async fn receive(
    handshake: Handshake,
    folder: PathBuf,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let name = handshake.request().uri().path().trim_start_matches('/').to_owned();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !handshake.is_websocket() || !is_name {
        return Ok(handshake.respond(status(StatusCode::NOT_FOUND)).await?);
    }
    let part = folder.join(format!("{name}.part"));
    let Ok(file) = File::create_new(&part).await else {
        return Ok(handshake.respond(status(StatusCode::CONFLICT)).await?);
    };
    let saved = match handshake.accept().await {
        Ok(websocket) => save(websocket, file, &part, &folder.join(&name)).await,
        Err(error) => Err(error.into()),
    };
    match &saved {
        Ok(length) => println!("received {name}, {length} bytes"),
        Err(_) => fs::remove_file(&part).await?,
    }
    saved.map(drop)
}

/// Writes a message to a file, which gets its name when it is complete.
async fn save(
    mut websocket: WebSocket,
    mut file: File,
    part: &Path,
    path: &Path,
) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let mut message = websocket.next_reader().await?.ok_or("no message has arrived")?;
    // Fails if the connection ends within the message.
    let length = tokio::io::copy(&mut message, &mut file).await?;
    file.sync_all().await?;
    fs::rename(part, path).await?;
    websocket.send(length.to_string()).await?;
    websocket.close(CloseCode::NORMAL, "").await?;
    Ok(length)
}

async fn send(path: &str, url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut file = File::open(path).await?;
    let (mut websocket, _) = fullduplex::connect(url).await?;
    let mut writer = websocket.writer(MessageKind::Binary);
    let length = tokio::io::copy(&mut file, &mut writer).await?;
    writer.shutdown().await?; // ends the message
    let answer = websocket.next().await.transpose()?;
    if answer.is_none_or(|answer| answer.as_text() != Some(&length.to_string())) {
        return Err(format!("not saved: {:?}", websocket.close_info()).into());
    }
    println!("sent {length} bytes");
    websocket.close(CloseCode::NORMAL, "").await?;
    Ok(())
}

fn status(status: StatusCode) -> Response<String> {
    let mut response = Response::new(format!("{status}\n"));
    *response.status_mut() = status;
    response
}
