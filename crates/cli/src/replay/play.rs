//! One recorded WebSocket again: what a side sends, and what comes.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::{
    CloseCode, Initiator, Message, MessageKind, NetStream, ReceiveHalf, Role, SendHalf, WebSocket,
};
use fullduplex_inspect::replay::{Plan, PlanStep, Said, Talk, TalkItem, Timing};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// The time for the other side to answer a Close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How a WebSocket is replayed.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaySettings {
    pub(super) timing: Timing,
    /// The time after which what is awaited is given up, if nothing comes.
    pub(super) wait: Duration,
    /// The most bytes of what comes.
    pub(super) max_memory: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) received: Vec<TalkItem>,
    /// The number of messages and Closes that were sent, and of those that were not.
    pub(super) sent: usize,
    pub(super) unsent: usize,
    /// Why it ended early.
    pub(super) problem: Option<String>,
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default)]
struct Arrived {
    messages: u64,
    items: usize,
}

/// Sends what a side of a recorded WebSocket sent, and collects what comes, until either side
/// closes. Times are counted from `began`.
pub(super) async fn play(
    websocket: WebSocket,
    talk: &Talk,
    role: Role,
    began: Instant,
    settings: &PlaySettings,
) -> Played {
    let (send, receive) = websocket.split();
    let arrived = watch::Sender::new(Arrived::default());
    let mut played = Played::default();
    let mut plan = Plan::new(&own_part(talk, role), role, settings.timing);
    let planned = plan.remaining();
    let expected = other_part(talk, role).count();
    let result = {
        let receiving = receive_all(receive, role, began, &arrived, &mut played.received, settings);
        let mut receiving = pin!(receiving);
        let talking = async {
            let mut arrived = arrived.subscribe();
            send_all(&send, &mut plan, began, &mut arrived, settings.wait).await?;
            // A server waits for its client's end.
            if role == Role::Client {
                wait_for(&mut arrived, settings.wait, |arrived| arrived.items >= expected).await;
            }
            Ok::<(), String>(())
        };
        let talked = tokio::select! {
            biased;
            received = &mut receiving => Err(received),
            talked = talking => Ok(talked),
        };
        match talked {
            Err(received) => received,
            Ok(talked) => {
                if role == Role::Client || talked.is_err() {
                    // It fails after an own Close.
                    let _ = send.start_close(CloseCode::NORMAL, "");
                    let received = timeout(CLOSE_TIMEOUT, receiving).await;
                    talked.and(received.unwrap_or(Ok(())))
                } else {
                    receiving.await
                }
            }
        }
    };
    send.abort();
    played.unsent = plan.remaining();
    played.sent = planned - played.unsent;
    played.problem = result.err();
    played
}

/// Returns a talk without the Close of a side by which it answered the other's: the library answers
/// by itself.
fn own_part(talk: &Talk, role: Role) -> Talk {
    let mut talk = talk.clone();
    if !talk.closes_first(role) {
        talk.items.retain(|item| item.sender != role || !matches!(item.what, Said::Close { .. }));
    }
    talk
}

/// Returns what the other side of a talk sent, without a Close by which it answered.
pub(super) fn other_part(talk: &Talk, role: Role) -> impl Iterator<Item = &TalkItem> {
    let other = role.peer();
    let closes = talk.closes_first(other);
    talk.items_of(other).filter(move |item| closes || !matches!(item.what, Said::Close { .. }))
}

async fn send_all(
    send: &SendHalf<NetStream>,
    plan: &mut Plan,
    began: Instant,
    arrived: &mut watch::Receiver<Arrived>,
    wait: Duration,
) -> Result<(), String> {
    loop {
        let messages = arrived.borrow_and_update().messages;
        match plan.next_step(began.elapsed(), messages) {
            PlanStep::Send(Said::Message { kind, payload, .. }) => {
                let message = message(kind, payload)?;
                send.send(message).await.map_err(|error| error.to_string())?;
            }
            PlanStep::Send(Said::Close { code, reason }) => {
                let code = code.unwrap_or(CloseCode::NO_STATUS);
                let closing = send.start_close(code, &reason);
                closing.map_err(|error| error.to_string())?;
            }
            PlanStep::WaitUntil(time) => sleep_until(began + time).await,
            PlanStep::WaitForMessages(count) => {
                if !wait_for(arrived, wait, |arrived| arrived.messages >= count).await {
                    let wait = wait.as_secs_f64();
                    return Err(format!("nothing came for {wait} s; message {count} is awaited"));
                }
            }
            PlanStep::Done => return Ok(()),
            _ => return Err("a step that this fdx does not know".into()),
        }
    }
}

/// Waits until enough has come. Returns false if nothing came for some time.
async fn wait_for(
    arrived: &mut watch::Receiver<Arrived>,
    wait: Duration,
    is_enough: impl Fn(&Arrived) -> bool,
) -> bool {
    loop {
        if is_enough(&arrived.borrow_and_update()) {
            return true;
        }
        tokio::select! {
            biased;
            // What it comes from goes on longer.
            _ = arrived.changed() => {}
            () = sleep(wait) => return false,
        }
    }
}

/// Receives until the end of the connection.
async fn receive_all(
    mut receive: ReceiveHalf<NetStream>,
    role: Role,
    began: Instant,
    arrived: &watch::Sender<Arrived>,
    received: &mut Vec<TalkItem>,
    settings: &PlaySettings,
) -> Result<(), String> {
    let sender = role.peer();
    let mut memory = 0;
    let mut push = |what, is_message| {
        let item = TalkItem { sender, at: began.elapsed(), what };
        memory += item.memory();
        received.push(item);
        arrived.send_modify(|arrived| {
            arrived.items += 1;
            arrived.messages += u64::from(is_message);
        });
        memory <= settings.max_memory
    };
    while let Some(message) = receive.next().await {
        let (kind, payload) = match message.map_err(|error| error.to_string())? {
            Message::Text(text) => (MessageKind::Text, Bytes::from(text)),
            Message::Binary(bytes) => (MessageKind::Binary, bytes),
        };
        if !push(Said::Message { kind, payload, is_cut: false }, true) {
            return Err("more came than --max-memory has room for".into());
        }
    }
    let info = receive.close_info();
    if let Some(info) = info.filter(|info| info.close_received && info.initiator == Initiator::Peer)
    {
        let (code, reason) = match info.received {
            Some(frame) => (Some(frame.code), frame.reason.clone()),
            None => (None, String::new()),
        };
        push(Said::Close { code, reason }, false);
    }
    Ok(())
}

fn message(kind: MessageKind, payload: Bytes) -> Result<Message, String> {
    match kind {
        MessageKind::Binary => Ok(Message::binary(payload)),
        MessageKind::Text => {
            let text = String::from_utf8(payload.into());
            text.map(Message::text).map_err(|_| "a text that was recorded is not UTF-8".into())
        }
    }
}
