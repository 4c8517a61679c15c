//! What is tried on an open WebSocket: round trips, and how the server closes.

use std::time::{Duration, Instant};

use fullduplex::{CloseCause, CloseCode, CloseInfo, ReadyState, WebSocket};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::base::escape::printable;
use crate::client::ConnectOutcome;

/// The Pings that are sent.
const PINGS: usize = 5;

/// The time for a Pong.
const PONG_TIMEOUT: Duration = Duration::from_secs(2);

/// The time for the server to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The times from Ping to Pong.
#[derive(Clone, Debug, Default)]
pub(super) struct RoundTrips {
    pub(super) times: Vec<Duration>,
    /// Whether a Ping was not answered in time; no further one is sent then.
    pub(super) is_unanswered: bool,
    /// Whether the connection ended before a Pong arrived.
    pub(super) has_ended: bool,
}

/// Sends some Pings, one after the other.
pub(super) async fn round_trips(websocket: &mut WebSocket) -> RoundTrips {
    let mut trips = RoundTrips::default();
    for number in 0..PINGS {
        let Some(time) = round_trip(websocket, number, PONG_TIMEOUT).await else {
            trips.has_ended = websocket.state() != ReadyState::Open;
            trips.is_unanswered = !trips.has_ended;
            break;
        };
        trips.times.push(time);
    }
    trips
}

/// Sends a Ping, and reads until its Pong arrives. Returns `None` if it does not, or if the
/// connection ends.
pub(super) async fn round_trip(
    websocket: &mut WebSocket,
    number: usize,
    limit: Duration,
) -> Option<Duration> {
    let exchange = async {
        let mut pong = websocket.ping(format!("fdx {number}").as_bytes()).await.ok()?;
        loop {
            tokio::select! {
                time = &mut pong => return time.ok(),
                message = websocket.next() => drop(message?.ok()?),
            }
        }
    };
    timeout(limit, exchange).await.ok()?
}

impl RoundTrips {
    /// Returns the line about them.
    pub(super) fn line(&self) -> String {
        let millis = |time: &Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let times: Vec<_> = self.times.iter().map(millis).collect();
        let end = match (self.is_unanswered, self.has_ended) {
            (true, _) => "a Ping was not answered in 2 s (RFC 6455 §5.5.2 requires a Pong)",
            (_, true) => "the connection ended before a Pong arrived",
            _ => "",
        };
        match (times.is_empty(), end.is_empty()) {
            (true, _) => end.into(),
            (false, false) => format!("{} ms; then {end}", times.join(", ")),
            (false, true) => format!("{} ms", times.join(", ")),
        }
    }

    pub(super) fn json(&self) -> Value {
        let millis = |time: &Duration| time.as_secs_f64() * 1e3;
        json!({
            "ms": self.times.iter().map(millis).collect::<Vec<_>>(),
            "unanswered": self.is_unanswered,
            "ended": self.has_ended,
        })
    }
}

/// How the server closed.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    /// The time until its Close arrived, or the connection ended without.
    pub(super) answered_after: Duration,
    /// The time until the transport had ended, too; `None` if it did not in 5 s.
    pub(super) ended_after: Option<Duration>,
    pub(super) info: Option<CloseInfo>,
    /// Whether the connection had ended, or the server had closed, before it was asked to.
    pub(super) is_by_server: bool,
    /// The messages that arrived before.
    pub(super) messages: u64,
}

/// Closes with 1000, and reads until the server has closed.
pub(super) async fn close(mut websocket: WebSocket) -> Closing {
    let is_by_server = websocket.state() != ReadyState::Open;
    let since = Instant::now();
    let mut answered_after = Duration::ZERO;
    let closing = async {
        // It may be closed already.
        let _ = websocket.start_close(CloseCode::NORMAL, "");
        while let Some(Ok(_)) = websocket.next().await {}
        answered_after = since.elapsed();
        websocket.close(CloseCode::NORMAL, "").await.ok()
    };
    let info = timeout(CLOSE_TIMEOUT, closing).await;
    let ended_after = info.is_ok().then(|| since.elapsed());
    let info = info.ok().flatten().or_else(|| websocket.close_info());
    if answered_after.is_zero() {
        answered_after = since.elapsed();
    }
    let received = websocket.stats().received;
    let messages = received.text + received.binary;
    Closing { answered_after, ended_after, info, is_by_server, messages }
}

impl Closing {
    /// Returns the line about it.
    pub(super) fn line(&self) -> String {
        let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        if let (true, Some(info)) = (self.is_by_server, &self.info) {
            return format!("by itself: {}", printable(&info.to_string()));
        }
        let after = millis(self.answered_after);
        let received = self.info.as_ref().filter(|info| info.close_received);
        let answer = match received.map(|info| info.received.as_ref()) {
            Some(Some(frame)) => {
                let frame = printable(&frame.to_string());
                format!("the server answered the Close with {frame} after {after}")
            }
            Some(None) => format!("the server answered the Close without a code after {after}"),
            None => match &self.info {
                Some(info) => {
                    let why = printable(&info.to_string());
                    format!("the server did not answer the Close in {after}: {why}")
                }
                None => format!("the server did not answer the Close in {after}"),
            },
        };
        let end = match self.ended_after {
            Some(time) => format!("the transport ended after {}", millis(time)),
            None => "the server did not end the transport in 5 s (RFC 6455 §7.1.1)".into(),
        };
        format!("{answer}; {end}")
    }

    /// Returns the exit code of `fdx connect` for such an end.
    pub(super) fn outcome(&self) -> ConnectOutcome {
        match &self.info {
            Some(info) if matches!(info.cause, CloseCause::Protocol(_)) => {
                ConnectOutcome::ProtocolViolation
            }
            Some(info) if info.close_received && info.is_normal() => ConnectOutcome::Clean,
            Some(info) if info.close_received => ConnectOutcome::OtherCloseCode,
            _ => ConnectOutcome::Lost,
        }
    }

    pub(super) fn json(&self) -> Value {
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let received = self.info.as_ref().and_then(|info| info.received.as_ref());
        json!({
            "by_server": self.is_by_server,
            "answered": self.info.as_ref().is_some_and(|info| info.close_received),
            "code": received.map(|frame| frame.code.get()),
            "reason": received.map(|frame| frame.reason.clone()),
            "answered_after_ms": millis(self.answered_after),
            "ended_after_ms": self.ended_after.map(millis),
            "messages": self.messages,
        })
    }
}
