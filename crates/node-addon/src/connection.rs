//! The task of a connection, from its commands to its events.
#![forbid(unsafe_code)]

use fullduplex::client::HttpVersion;
use fullduplex::{
    Client, ClientBuilder, CloseCause, CloseCode, DeflateConfig, Message, ReceiveHalf, SendHalf,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::turns;

/// What the page asks for.
pub(crate) enum Command {
    /// Sends a message.
    Send(Message),
    /// Starts the closing handshake, or fails a connection that is not open yet.
    Close(CloseCode, String),
}

/// A report to the page.
pub(crate) enum Event {
    /// The connection is established, with what the server has selected.
    Open { subprotocol: String, extensions: String },
    /// A message has been received.
    Received(Message),
    /// The number of bytes of messages that have been written since the last report.
    Sent(usize),
    /// The peer has started the closing handshake.
    Closing,
    /// The connection is closed.
    Closed(Ending),
}

/// How a connection was closed.
pub(crate) struct Ending {
    pub(crate) code: CloseCode,
    pub(crate) reason: String,
    pub(crate) was_clean: bool,
    /// Whether the standard wants an `error` event.
    pub(crate) has_failed: bool,
}

/// Returns a client as the standard wants it.
pub(crate) fn builder() -> ClientBuilder {
    // As browsers do: redirections are not followed, compression is offered, and the page decides
    // how much it receives.
    Client::builder()
        .http_version(HttpVersion::Auto)
        .max_redirects(0)
        .deflate(DeflateConfig::default())
        .max_message_size(None)
}

/// Connects, and carries out the commands until the connection is closed.
pub(crate) async fn run(
    client: Client,
    url: String,
    offers_subprotocols: bool,
    mut commands: UnboundedReceiver<Command>,
    report: impl Fn(Event),
) {
    let connecting = async {
        let _turn = turns::turn(turns::server(&url)).await;
        client.connect(&url).await
    };
    let connected = tokio::select! {
        connected = connecting => connected,
        // While it connects, a page can only close.
        _ = commands.recv() => return report(Event::Closed(not_opened())),
    };
    let Ok((websocket, response)) = connected else {
        return report(Event::Closed(not_opened()));
    };
    // RFC 6455 §4.1 lets a server select none, the standard does not.
    if offers_subprotocols && websocket.subprotocol().is_none() {
        return report(Event::Closed(not_opened()));
    }
    let extensions = response.headers().get_all("sec-websocket-extensions").iter();
    let extensions: Vec<_> = extensions.filter_map(|value| value.to_str().ok()).collect();
    report(Event::Open {
        subprotocol: websocket.subprotocol().unwrap_or_default().to_owned(),
        extensions: extensions.join(", "),
    });
    let (sender, mut receiver) = websocket.split();
    let ended = {
        let mut receiving = Box::pin(receive(&mut receiver, &sender, &report));
        tokio::select! {
            ending = &mut receiving => ending,
            () = send(&sender, &mut commands, &report) => receiving.await,
        }
    };
    report(Event::Closed(ended));
}

/// Returns how a connection ends that was never open. A page does not learn why.
fn not_opened() -> Ending {
    let (code, reason) = (CloseCode::ABNORMAL, String::new());
    Ending { code, reason, was_clean: false, has_failed: true }
}

/// Sends until a Close is queued, or nothing can be sent any more.
async fn send(
    sender: &SendHalf,
    commands: &mut UnboundedReceiver<Command>,
    report: &impl Fn(Event),
) {
    // The bytes of messages that have not been reported as sent.
    let mut unreported = 0;
    loop {
        if commands.is_empty() && unreported > 0 {
            if sender.flush().await.is_err() {
                return;
            }
            report(Event::Sent(unreported));
            unreported = 0;
        }
        match commands.recv().await {
            Some(Command::Send(message)) => {
                unreported += message.len();
                if sender.send(message).await.is_err() {
                    return;
                }
                let written = unreported.saturating_sub(sender.buffered_amount());
                if written > 0 {
                    report(Event::Sent(written));
                    unreported -= written;
                }
            }
            Some(Command::Close(code, reason)) => {
                let closes = sender.start_close(code, &reason).is_ok();
                if closes && sender.flush().await.is_ok() && unreported > 0 {
                    report(Event::Sent(unreported));
                }
                return;
            }
            None => return,
        }
    }
}

/// Receives until the connection is closed.
async fn receive(receiver: &mut ReceiveHalf, sender: &SendHalf, report: &impl Fn(Event)) -> Ending {
    while let Some(message) = receiver.next().await {
        // The error is in the record, too.
        if let Ok(message) = message {
            report(Event::Received(message));
        }
    }
    report(Event::Closing);
    sender.closed().await;
    let Some(info) = receiver.close_info() else { return not_opened() };
    Ending {
        code: info.code(),
        reason: info.reason().to_owned(),
        was_clean: info.is_clean(),
        has_failed: !matches!(info.cause, CloseCause::Handshake | CloseCause::CloseTimeout),
    }
}
