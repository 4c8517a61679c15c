//! `--idle`: how long the way to the server allows silence, and whether pings help.

use std::cell::Cell;
use std::time::{Duration, Instant};

use fullduplex::{Client, CloseInfo, KeepaliveConfig, WebSocket};
use http::HeaderMap;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::attempt::{attempt, with_clock};
use super::open::round_trip;
use super::printer::Printer;
use crate::base::escape::printable;

/// The longest time between the pings of the connection that is kept alive.
const MAX_PING_INTERVAL: Duration = Duration::from_secs(20);

/// The first silence that is followed by a Ping, or a quarter of the whole time.
const FIRST_SILENCE: Duration = Duration::from_secs(5);

/// The time for a Pong after a silence.
const PONG_TIMEOUT: Duration = Duration::from_secs(5);

/// What silence does to a connection.
#[derive(Clone, Debug)]
pub(super) struct IdleReport {
    /// How long was tried.
    pub(super) tried: Duration,
    /// The silence after which the connection was ended, and how.
    pub(super) cut: Option<(Duration, Option<CloseInfo>)>,
    /// The Pings and messages that the server sent by itself, which end the silence.
    pub(super) spoken: u64,
    /// The silence after which a Ping was not answered, and the longest after which one was, where
    /// nothing ended the connection: a device on the way has forgotten it.
    pub(super) forgotten: Option<(Duration, Duration)>,
    /// The time between pings, and whether they kept a connection open.
    pub(super) with_pings: (Duration, bool),
}

/// Opens three WebSockets: one is silent, one sends a Ping after each longer silence, one sends a
/// Ping often. Returns `None` if they can't be opened.
pub(super) async fn idle(
    client: &Client,
    url: &str,
    fields: &HeaderMap,
    longest: Duration,
    printer: &Printer,
) -> Option<IdleReport> {
    let quiet = KeepaliveConfig::default().interval(None);
    let client = client.to_builder().keepalive(quiet).build().ok()?;
    let open = async || {
        let opened = attempt(&client, url, fields.clone(), None).await.ok()?;
        Some(opened.result.ok()?.0)
    };
    let (mut silent, growing, pinging) = (open().await?, open().await?, open().await?);
    let interval = MAX_PING_INTERVAL.min(longest / 4);
    let since = Instant::now();
    let (until, is_cut) = (Cell::new(since + longest), Notify::new());
    let silent = async {
        let silence = silence(&mut silent, longest).await;
        if let Some((after, _)) = &silence.cut {
            // The others need not go on for longer than it takes to see whether Pings help.
            until.set(until.get().min(since + *after * 3 / 2 + interval));
            is_cut.notify_one();
        }
        silence
    };
    let growing = async {
        tokio::select! {
            lost = growing_silence(growing, longest) => lost,
            () = is_cut.notified() => None,
        }
    };
    let all = async { tokio::join!(silent, growing, pings(pinging, interval, &until)) };
    let all = with_clock(printer, since, || "the end of the silence", all);
    let (Silence { cut, spoken }, forgotten, is_kept) = all.await;
    let forgotten = forgotten.filter(|_| cut.is_none());
    let mut with_pings = (interval, is_kept);
    let ended_after = cut.as_ref().map(|(after, _)| *after).or(forgotten.map(|(lost, _)| lost));
    if let Some(after) = ended_after.filter(|after| !is_kept && interval > *after / 2) {
        // They were too far apart.
        let (since, interval) = (Instant::now(), after / 2);
        let until = Cell::new(since + after * 3 / 2);
        let again = pings(open().await?, interval, &until);
        let is_kept = with_clock(printer, since, || "what more Pings do", again).await;
        with_pings = (interval, is_kept);
    }
    Some(IdleReport { tried: longest, cut, spoken, forgotten, with_pings })
}

/// The end of a silence.
struct Silence {
    /// After how much silence the connection ended, and how; `None` if it did not.
    cut: Option<(Duration, Option<CloseInfo>)>,
    /// The Pings and messages that the server sent by itself.
    spoken: u64,
}

/// Sends nothing, except for answers to Pings, which the library sends.
async fn silence(websocket: &mut WebSocket, longest: Duration) -> Silence {
    let mut frames = websocket.control_frames();
    let (mut last, mut spoken) = (Instant::now(), 0);
    let end = sleep(longest);
    tokio::pin!(end);
    loop {
        // What the server sends by itself ends the silence.
        tokio::select! {
            Some(_) = frames.next() => {}
            message = websocket.next() => if !matches!(message, Some(Ok(_))) {
                let cut = Some((last.elapsed(), websocket.close_info()));
                return Silence { cut, spoken };
            },
            () = &mut end => return Silence { cut: None, spoken },
        }
        (last, spoken) = (Instant::now(), spoken + 1);
    }
}

/// Sends a Ping after each silence, which doubles. Returns the silence after which it was not
/// answered, and the longest one before; `None` if all were.
async fn growing_silence(
    mut websocket: WebSocket,
    longest: Duration,
) -> Option<(Duration, Duration)> {
    let mut survived = Duration::ZERO;
    let mut next = FIRST_SILENCE.min(longest / 4);
    loop {
        let Silence { cut, spoken } = silence(&mut websocket, next).await;
        if cut.is_some() || spoken > 0 {
            // The other connection tells it.
            return None;
        }
        if round_trip(&mut websocket, 0, PONG_TIMEOUT).await.is_none() {
            return Some((next, survived));
        }
        if next >= longest {
            return None;
        }
        survived = next;
        next = (next * 2).min(longest);
    }
}

/// Sends a Ping in each interval. Returns whether the connection is open at the end.
async fn pings(mut websocket: WebSocket, interval: Duration, until: &Cell<Instant>) -> bool {
    while Instant::now() < until.get() {
        sleep(interval).await;
        if round_trip(&mut websocket, 1, PONG_TIMEOUT).await.is_none() {
            return false;
        }
    }
    true
}

impl IdleReport {
    /// Returns whether silence does not end a connection within the time that was tried.
    pub(super) fn is_allowed(&self) -> bool {
        self.cut.is_none() && self.forgotten.is_none()
    }

    /// Returns the lines about it.
    pub(super) fn lines(&self) -> Vec<String> {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let (interval, is_kept) = self.with_pings;
        let mut lines = Vec::new();
        match (&self.cut, self.forgotten) {
            (Some((after, info)), _) => {
                let how =
                    info.as_ref().map_or("it ended".into(), |info| printable(&info.to_string()));
                lines.push(format!("after {} of silence: {how}", seconds(*after)));
            }
            (None, Some((lost, survived))) => {
                let before = if survived.is_zero() {
                    String::new()
                } else {
                    format!(", after {} it is", seconds(survived))
                };
                lines.push(format!(
                    "after {} of silence a Ping is not answered{before}: a device on the way has \
                     forgotten the connection without a word",
                    seconds(lost)
                ));
            }
            (None, None) if self.spoken == 0 => {
                lines.push(format!("{} of silence are allowed", seconds(self.tried)));
            }
            (None, None) => {
                lines.push(format!("it was open for {} without our Pings", seconds(self.tried)));
            }
        }
        if self.spoken > 0 {
            let spoken = self.spoken;
            lines.push(format!("the server sent {spoken} Pings or messages by itself meanwhile"));
        }
        let every = seconds(interval);
        lines.push(match (self.is_allowed(), is_kept) {
            (_, true) => format!("a Ping every {every} keeps a connection open"),
            (true, false) => format!("a connection with a Ping every {every} ended"),
            (false, false) => format!("a Ping every {every} does not help"),
        });
        lines
    }

    pub(super) fn json(&self) -> Value {
        let seconds = |time: Duration| time.as_secs_f64();
        json!({
            "tried_s": seconds(self.tried),
            "cut_after_s": self.cut.as_ref().map(|(after, _)| seconds(*after)),
            "cut_by": self.cut.as_ref().and_then(|(_, info)| Some(info.as_ref()?.to_string())),
            "server_frames": self.spoken,
            "unanswered_after_s": self.forgotten.map(|(lost, _)| seconds(lost)),
            "answered_after_s": self.forgotten.map(|(_, survived)| seconds(survived)),
            "ping_interval_s": seconds(self.with_pings.0),
            "pings_help": self.with_pings.1,
        })
    }
}
