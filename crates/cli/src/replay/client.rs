//! Recorded WebSockets as a client.

use std::sync::Arc;
use std::time::Duration;

use fullduplex::{Client, Role};
use fullduplex_inspect::replay::Talk;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::args::Args;
use super::play::{PlaySettings, play};
use super::report::Report;
use crate::base::redact::redact_url;
use crate::client::url::path_of;
use crate::client::{ConnectOutcome, report_connect_error};
use crate::serve::until_signal::StartError;

/// The time for pooled connections to close, such as for CONNECTION_CLOSE on HTTP/3 to leave.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(300);

/// What all WebSockets share.
struct Replayed {
    url: String,
    settings: PlaySettings,
    report: Arc<Report>,
}

/// Opens the recorded WebSockets anew, and returns what came of them.
pub(super) async fn connect(
    args: &Args,
    talks: Vec<Talk>,
    report: Arc<Report>,
) -> Result<ConnectOutcome, StartError> {
    let url = args.url.clone().unwrap_or_default();
    let first = talks.iter().map(|talk| talk.opening.time).min().unwrap_or_default();
    let settings = args.play_settings();
    let replayed = Arc::new(Replayed { url, settings, report });
    let mut running = JoinSet::new();
    let mut clients = Vec::new();
    for talk in talks {
        let client = client(args, &replayed.url, &talk)?;
        clients.push(client.clone());
        let after = if args.has_original_times() {
            talk.opening.time.saturating_sub(first)
        } else {
            Duration::ZERO
        };
        let replayed = replayed.clone();
        running.spawn(async move {
            sleep(after).await;
            replayed.replay(&client, &talk).await
        });
    }
    let mut outcome = ConnectOutcome::Clean;
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(ConnectOutcome::Clean) => {}
            Ok(failed) => outcome = failed,
            Err(error) => return Err((error.to_string(), ConnectOutcome::LocalIo)),
        }
    }
    for client in clients {
        // Those of HTTP/1.1 have ended.
        let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
    }
    Ok(outcome)
}

/// Returns a client that offers what was offered.
fn client(args: &Args, url: &str, talk: &Talk) -> Result<Client, StartError> {
    let of_setup = |error: crate::client::SetupError| (error.to_string(), error.outcome());
    let mut builder = args.client.client_builder(url).map_err(of_setup)?;
    if !args.client.has_subprotocols() {
        let offered = talk.opening.request_field("sec-websocket-protocol").unwrap_or_default();
        let offered = offered.split(',').map(str::trim).filter(|name| !name.is_empty());
        builder = builder.subprotocols(offered);
    }
    builder.build().map_err(|error| of_setup(error.into()))
}

impl Replayed {
    async fn replay(&self, client: &Client, talk: &Talk) -> ConnectOutcome {
        let began = Instant::now();
        let url = with_path_of(&self.url, &talk.opening.url);
        match client.connect(&url).await {
            Ok((websocket, _)) => {
                let shown = redact_url(&url);
                self.report.note(talk, &format!("connected to {shown}"));
                let played = play(websocket, talk, Role::Client, began, &self.settings).await;
                self.report.ended(talk, Role::Client, &played);
                ConnectOutcome::Clean
            }
            Err(error) => {
                self.report.failed();
                report_connect_error(&format!("fdx replay: #{}", talk.connection), &url, &error)
            }
        }
    }
}

/// Returns a URL, with the path and query of another one if it has none.
fn with_path_of(url: &str, recorded: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.strip_suffix('/').unwrap_or(rest) {
        authority if authority.contains(['/', '?']) => url.to_owned(),
        authority => format!("{scheme}://{authority}{}", path_of(recorded)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_path_is_that_of_a_url_without_one() {
        for (url, recorded, expected) in [
            ("ws://a:1", "wss://b/chat?x=1", "ws://a:1/chat?x=1"),
            ("ws://a:1/", "wss://b/chat?x=1", "ws://a:1/chat?x=1"),
            ("ws://a:1/", "wss://b", "ws://a:1/"),
            ("ws://a:1/own", "wss://b/chat", "ws://a:1/own"),
            ("ws://a:1?x", "wss://b/chat", "ws://a:1?x"),
            ("ws+unix:/a.sock:/x", "wss://b/chat", "ws+unix:/a.sock:/x"),
        ] {
            assert_eq!(with_path_of(url, recorded), expected);
        }
    }
}
