//! The chat itself, which is the same in a terminal and in a page.

use fullduplex::{CloseCode, Error, connect};
use tokio::sync::mpsc;

/// Sends what is typed with a name before it, and shows what comes, until no more can be typed or
/// the connection ends.
pub(crate) async fn chat(
    url: &str,
    name: &str,
    mut typed: mpsc::Receiver<String>,
    show: impl Fn(&str),
) -> Result<(), Error> {
    let (mut websocket, _response) = connect(url).await?;
    show("* connected");
    loop {
        tokio::select! {
            message = websocket.next() => match message.transpose()? {
                Some(message) => show(message.as_text().unwrap_or("* not text")),
                None => break,
            },
            line = typed.recv() => {
                let Some(line) = line else {
                    websocket.close(CloseCode::NORMAL, "").await?;
                    break;
                };
                websocket.send(format!("{name}: {line}")).await?;
            }
        }
    }
    if let Some(info) = websocket.close_info() {
        show(&format!("* {info}"));
    }
    Ok(())
}
