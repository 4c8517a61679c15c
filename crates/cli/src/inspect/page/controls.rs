//! What a page can do with WebSockets: its commands, and what it shows of their effects.

use std::sync::Arc;
use std::time::Duration;

use fullduplex::{CloseCode, Role};
use fullduplex_inspect::edit::{Decision, NewFrame};
use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::proto::CloseFrame;
use fullduplex_inspect::store::{Handling, Retention, Row, RowKind};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::kept::Kept;
use super::values;
use crate::inspect::act::{Acting, CutKind, Held, Outcome};

/// The most of what is held that a page lists.
const MAX_HELD: usize = 200;

/// The answers that wait to be sent to a page at most.
const MAX_ANSWERS: usize = 64;

/// The time after which a page is notified that its command waits.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(2);

/// The controls of a page that is open.
pub(super) struct Controls {
    acting: Arc<Acting>,
    changes: watch::Receiver<u64>,
    answers: (mpsc::Sender<Value>, mpsc::Receiver<Value>),
}

impl Controls {
    pub(super) fn new(acting: &Arc<Acting>) -> Self {
        let mut changes = acting.changes();
        changes.mark_changed();
        Self { acting: acting.clone(), changes, answers: mpsc::channel(MAX_ANSWERS) }
    }

    /// Waits for the answer to a command, or until there may be something new to show, here or
    /// elsewhere.
    pub(super) async fn next(&mut self, changed: impl Future<Output = ()>) -> Option<Value> {
        tokio::select! {
            biased;
            answer = self.answers.1.recv() => answer,
            () = changed => None,
            // It ends with the program.
            _ = self.changes.changed() => {
                self.changes.mark_changed();
                None
            }
        }
    }

    /// Returns what the page shows, if that has changed.
    pub(super) fn state(&mut self, kept: &Kept) -> Option<Value> {
        if !self.changes.has_changed().unwrap_or_default() {
            return None;
        }
        self.changes.mark_unchanged();
        let state = self.acting.state(MAX_HELD);
        let rows = kept.lock();
        let paused: Vec<u64> =
            state.paused.iter().filter_map(|number| rows.socket_of(*number)).collect();
        let held: Vec<Value> = state
            .held
            .iter()
            .filter_map(|(number, held)| Some(self.held(held, rows.socket_of(*number)?)))
            .collect();
        Some(json!({"acts": {
            "paused": state.is_paused,
            "breakpoint": state.breakpoint,
            "sockets": paused,
            "held": held,
        }}))
    }

    /// Returns what the list shows of what is held.
    fn held(&self, held: &Held, socket: u64) -> Value {
        let mut object = values::row(&self.row(held, socket));
        object["held"] = held.number.into();
        object
    }

    fn row(&self, held: &Held, socket: u64) -> Row {
        let mut shown = held.shown.clone();
        let kept = match &self.acting.redaction {
            Some(redaction) => redaction.apply_to_frame(&mut shown.frame),
            None => Retention::Kept,
        };
        let mut row = Row::frame(socket, shown, Handling::Passed);
        if let RowKind::Frame { retention, .. } = &mut row.kind {
            *retention = kept;
        }
        row
    }

    /// Carries out a command of the page, and has it answered. Returns `false` if it is not one.
    pub(super) fn carry_out(&self, asked: &Value, kept: &Kept) -> bool {
        let Some(act) = asked["act"].as_str() else { return false };
        let to = asked["to"].clone();
        let answers = self.answers.0.clone();
        let begun = self.begin(act, asked, kept);
        tokio::spawn(async move {
            let answer = match begun {
                Ok(Begun::Done(more)) => json!({"to": to, "error": null, "held": more}),
                Ok(Begun::Waits(outcome)) => {
                    let error = match timeout(OUTCOME_TIMEOUT, outcome).await {
                        Ok(Ok(outcome)) => outcome.err(),
                        Ok(Err(_)) => Some("the WebSocket has ended".into()),
                        Err(_) => Some("it waits, as the other side takes nothing".into()),
                    };
                    json!({"to": to, "error": error})
                }
                Err(error) => json!({"to": to, "error": error}),
            };
            // The page may have gone.
            let _ = answers.send(json!({"answer": answer})).await;
        });
        true
    }

    fn begin(&self, act: &str, asked: &Value, kept: &Kept) -> Result<Begun, String> {
        let done = |()| Begun::Done(Value::Null);
        match act {
            "pause" => {
                let number = match &asked["socket"] {
                    Value::Null => None,
                    socket => Some(connection(socket, kept)?),
                };
                self.acting.pause(number, asked["on"] == true).map(done)
            }
            "break" => {
                let text = asked["filter"].as_str().unwrap_or_default();
                let filter = Filter::parse(text).map_err(|error| error.to_string())?;
                self.acting.set_breakpoint(Some(filter).filter(|filter| !filter.is_empty()));
                Ok(done(()))
            }
            "send" => {
                let number = connection(&asked["socket"], kept)?;
                let sender = match asked["as"].as_str() {
                    Some("client") => Role::Client,
                    Some("server") => Role::Server,
                    _ => return Err("\"as\" is client or server".into()),
                };
                self.acting.inject(number, sender, new_frame(asked)?).map(Begun::Waits)
            }
            "release" => {
                let held = asked["held"].as_u64().ok_or("\"held\" is a number")?;
                let decision = match asked["decision"].as_str() {
                    Some("pass") => Decision::Pass,
                    Some("drop") => Decision::Drop,
                    Some("replace") => Decision::Replace(new_frame(asked)?),
                    _ => return Err("\"decision\" is pass, drop or replace".into()),
                };
                self.acting.release(held, decision).map(Begun::Waits)
            }
            "show" => {
                let held = asked["held"].as_u64().ok_or("\"held\" is a number")?;
                self.content(&self.acting.held(held)?).map(Begun::Done)
            }
            "cut" => {
                let kind = if asked["how"] == "fin" { CutKind::End } else { CutKind::Reset };
                self.acting.cut(connection(&asked["socket"], kept)?, kind).map(done)
            }
            _ => Err(format!("{act:?} is not a command")),
        }
    }

    /// Returns the whole of a message that is held, so that it can be edited.
    fn content(&self, held: &Held) -> Result<Value, String> {
        if self.acting.redaction.is_some() {
            return Err(
                "the content is hidden (--redact): write another, let it pass or drop it".into()
            );
        }
        Ok(match std::str::from_utf8(&held.payload) {
            Ok(text) => json!({"held": held.number, "text": text}),
            Err(_) => json!({"held": held.number, "hex": values::hex(&held.payload)}),
        })
    }
}

/// A command that was taken.
enum Begun {
    /// A command that is carried out, with what the page asked for.
    Done(Value),
    Waits(oneshot::Receiver<Outcome>),
}

/// Returns the connection of a WebSocket that has not ended.
fn connection(socket: &Value, kept: &Kept) -> Result<u64, String> {
    let id = socket.as_u64().ok_or("\"socket\" is a number")?;
    kept.lock().connection_of(id).ok_or_else(|| format!("the WebSocket #{id} has ended"))
}

/// Returns the frame that a page has made.
fn new_frame(asked: &Value) -> Result<NewFrame, String> {
    let text = asked["text"].as_str().unwrap_or_default();
    let payload = || match asked["hex"].as_str() {
        Some(digits) => bytes_of(digits),
        None => Ok(text.as_bytes().to_vec()),
    };
    match asked["kind"].as_str() {
        Some("text") => Ok(NewFrame::Text(text.into())),
        Some("binary") => Ok(NewFrame::Binary(payload()?.into())),
        Some("ping") => Ok(NewFrame::Ping(payload()?.into())),
        Some("pong") => Ok(NewFrame::Pong(payload()?.into())),
        Some("close") if asked["code"].is_null() => Ok(NewFrame::Close(None)),
        Some("close") => {
            let code = asked["code"].as_u64().and_then(|code| u16::try_from(code).ok());
            let code = CloseCode::new(code.ok_or("a close code is a number from 1000 to 4999")?);
            let close = CloseFrame::new(code, text).map_err(|error| error.to_string())?;
            Ok(NewFrame::Close(Some(close)))
        }
        _ => Err("\"kind\" is text, binary, ping, pong or close".into()),
    }
}

/// Returns the bytes of hexadecimal digits, between which there may be spaces.
fn bytes_of(digits: &str) -> Result<Vec<u8>, String> {
    let mut values = Vec::new();
    for c in digits.chars().filter(|c| !c.is_whitespace()) {
        let value = c.to_digit(16).and_then(|value| u8::try_from(value).ok());
        values.push(value.ok_or_else(|| format!("{c:?} is not a hexadecimal digit"))?);
    }
    let (pairs, rest) = values.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a byte has two hexadecimal digits: one is missing".into());
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_frame_is_what_a_page_says() {
        let made = |asked: Value| new_frame(&asked);
        assert_eq!(made(json!({"kind": "text", "text": "hi"})), Ok(NewFrame::Text("hi".into())));
        let binary = NewFrame::Binary(vec![0, 0xff, 0x1a].into());
        assert_eq!(made(json!({"kind": "binary", "hex": "00 fF\n1a"})), Ok(binary));
        let ping = NewFrame::Ping("x".into());
        assert_eq!(made(json!({"kind": "ping", "text": "x"})), Ok(ping));
        let close = CloseFrame::new(CloseCode::new(4001), "why").unwrap();
        let asked = json!({"kind": "close", "code": 4001, "text": "why"});
        assert_eq!(made(asked), Ok(NewFrame::Close(Some(close))));
        assert_eq!(made(json!({"kind": "close"})), Ok(NewFrame::Close(None)));
        for wrong in [
            json!({"kind": "binary", "hex": "0"}),
            json!({"kind": "binary", "hex": "0g"}),
            json!({"kind": "close", "code": 1006}),
            json!({"kind": "close", "code": 70000}),
            json!({"kind": "reserved"}),
        ] {
            assert!(made(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
