//! A page that is open: what it has seen of the store, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use fullduplex::{Message, WebSocket};
use fullduplex_inspect::filter::Filter;
use fullduplex_inspect::payload::Format;
use fullduplex_inspect::store::Store;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use super::controls::Controls;
use super::decoded::decoded;
use super::kept::Kept;
use super::values;
use crate::inspect::act::Acting;

/// The most rows that are sent at once.
const MAX_ROWS: usize = 500;

/// The most rows that are looked at at once, as connections wait for the store meanwhile.
const MAX_SCAN: usize = 2000;

/// The least time between two messages to a page that has seen all.
const PAUSE: Duration = Duration::from_millis(50);

/// What a page shows.
struct View {
    filter: Filter,
    /// The number of the next row.
    next: u64,
    /// The changes of the store that the page has seen of its WebSockets.
    revision: u64,
    is_new: bool,
}

/// Sends what is seen to a page until it ends.
pub(super) async fn show(mut websocket: WebSocket, kept: &Kept, acting: Option<&Arc<Acting>>) {
    let mut changes = kept.changes();
    let mut controls = acting.map(Controls::new);
    let mut view = View { filter: Filter::default(), next: 0, revision: 0, is_new: true };
    loop {
        changes.mark_unchanged();
        let (batch, is_behind) = view.batch(&kept.lock().store);
        let state = controls.as_mut().and_then(|controls| controls.state(kept));
        for message in batch.into_iter().chain(state) {
            if websocket.send(message.to_string()).await.is_err() {
                return;
            }
        }
        let pause = sleep_until(Instant::now() + if is_behind { Duration::ZERO } else { PAUSE });
        let elsewhere = async {
            pause.await;
            if !is_behind {
                // It ends with the program.
                let _ = changes.changed().await;
            }
        };
        let answer = tokio::select! {
            biased;
            message = websocket.next() => {
                let Some(Ok(Message::Text(text))) = message else { return };
                let Ok(asked) = serde_json::from_str::<Value>(&text) else { continue };
                let controls = controls.as_ref();
                if controls.is_some_and(|controls| controls.carry_out(&asked, kept)) {
                    continue;
                }
                view.asked(&asked, kept)
            }
            message = next_message(controls.as_mut(), elsewhere) => message,
        };
        if let Some(answer) = answer
            && websocket.send(answer.to_string()).await.is_err()
        {
            return;
        }
    }
}

/// Waits for the answer to a command, or until there may be something new to show.
async fn next_message(
    controls: Option<&mut Controls>,
    changed: impl Future<Output = ()>,
) -> Option<Value> {
    match controls {
        None => {
            changed.await;
            None
        }
        Some(controls) => controls.next(changed).await,
    }
}

impl View {
    /// Returns what the page has not seen yet, and whether there is more.
    fn batch(&mut self, store: &Store) -> (Option<Value>, bool) {
        let mut batch = Map::new();
        if std::mem::take(&mut self.is_new) {
            batch.insert("reset".into(), true.into());
        }
        let first = store.first_sequence();
        if self.next < first {
            batch.insert("missed".into(), (first - self.next).into());
            self.next = first;
        }
        let mut rows = Vec::new();
        for row in store.rows(self.next..).take(MAX_SCAN) {
            if rows.len() == MAX_ROWS {
                break;
            }
            self.next = row.sequence + 1;
            if self.filter.matches(row, store.socket(row.socket)) {
                rows.push(values::row(row));
            }
        }
        if !rows.is_empty() {
            batch.insert("rows".into(), rows.into());
        }
        let changed = store.sockets().filter(|socket| socket.revision > self.revision);
        let sockets: Vec<Value> = changed.map(values::socket).collect();
        self.revision = store.revision();
        if !sockets.is_empty() {
            batch.insert("sockets".into(), sockets.into());
        }
        let batch = (!batch.is_empty()).then_some(Value::Object(batch));
        (batch, self.next < store.next_sequence())
    }

    /// Does what the page asks for, and returns the answer.
    fn asked(&mut self, asked: &Value, kept: &Kept) -> Option<Value> {
        if let Some(filter) = asked["filter"].as_str() {
            return Some(match Filter::parse(filter) {
                Ok(filter) => {
                    *self = Self { filter, next: 0, revision: self.revision, is_new: true };
                    json!({"filter": null})
                }
                Err(error) => json!({"filter": error.to_string()}),
            });
        }
        // It is decoded without the lock, for which connections wait.
        let (row, socket) = {
            let store = &kept.lock().store;
            let row = store.row(asked["row"].as_u64()?)?.clone();
            let socket = store.socket(row.socket).cloned();
            (row, socket)
        };
        let format = asked["format"].as_str().and_then(Format::from_name);
        let mut detail = values::detail(&row);
        detail["decoded"] = decoded(&row, socket.as_ref(), format);
        Some(json!({"detail": detail}))
    }
}
