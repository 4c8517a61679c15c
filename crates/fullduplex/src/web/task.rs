//! The local task of a connection, which has the browser's object.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use fullduplex_proto::ReadyState;

use crate::web::connection::{Connection, Work};
use crate::web::socket::Socket;
use crate::web::time::{Instant, Millis, Sleep, millis, sleep_millis, timed_out};

/// The time in which the closing must make progress, as natively.
const CLOSE_TIMEOUT: Millis = 10_000.0;

/// The pauses between two looks at `bufferedAmount`, for whose changes there is no event.
const SHORTEST_PAUSE: Millis = 1.0;
const LONGEST_PAUSE: Millis = 32.0;

/// Connects, and moves messages until the connection has ended.
pub(super) async fn run(connection: Arc<Connection>, url: String, connect_timeout: Duration) {
    match Socket::open(&url, connection.clone()) {
        Ok(socket) => drive(&connection, &socket, connect_timeout).await,
        Err(error) => connection.open_failed(error),
    }
}

async fn drive(connection: &Connection, socket: &Socket, connect_timeout: Duration) {
    let mut deadline = Deadline::new(millis(connect_timeout));
    let mut pause = SHORTEST_PAUSE;
    let mut buffered = 0;
    let mut is_closing = false;
    loop {
        socket.report_state();
        if connection.ready_state() == ReadyState::Closing && !is_closing {
            is_closing = true;
            deadline = Deadline::new(CLOSE_TIMEOUT);
        }
        let before = buffered;
        buffered = socket.buffered();
        if buffered < before {
            pause = SHORTEST_PAUSE;
            deadline.begin_anew();
        }
        match connection.next_work(buffered) {
            Work::Send(message) => socket.send(&message),
            Work::Close(frame) => socket.close(frame),
            Work::End => return socket.close(None),
            Work::Wait { watches_buffer } => {
                let left = match connection.ready_state() {
                    ReadyState::Open => None,
                    _ => Some(deadline.left()),
                };
                if left.is_some_and(|left| left <= 0.0) {
                    give_up(connection, connect_timeout);
                    continue;
                }
                let looks = watches_buffer && !socket.wakes_when_sent();
                let pause_now = looks.then_some(pause);
                let timer = match (left, pause_now) {
                    (Some(left), Some(pause)) => Some(left.min(pause)),
                    (left, pause) => left.or(pause),
                };
                let timer = timer.map(sleep_millis);
                pause =
                    if watches_buffer { (pause * 2.0).min(LONGEST_PAUSE) } else { SHORTEST_PAUSE };
                changed(connection, timer).await;
            }
        }
    }
}

/// Ends a connection that did not open, or close, in time. The browser goes on to close its object.
fn give_up(connection: &Connection, connect_timeout: Duration) {
    if connection.ready_state() == ReadyState::Connecting {
        connection.open_failed(timed_out("connect_timeout", connect_timeout));
    } else {
        connection.close_timed_out();
    }
}

/// Waits until something has changed or a time has passed.
async fn changed(connection: &Connection, mut timer: Option<Sleep>) {
    poll_fn(|cx| {
        let is_due = timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
        if is_due { Poll::Ready(()) } else { connection.poll_work(cx) }
    })
    .await;
}

/// A time limit.
struct Deadline {
    since: Instant,
    after: Millis,
}

impl Deadline {
    fn new(after: Millis) -> Self {
        Self { since: Instant::now(), after }
    }

    fn begin_anew(&mut self) {
        self.since = Instant::now();
    }

    fn left(&self) -> Millis {
        self.after - self.since.elapsed_millis()
    }
}
