use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use fullduplex_proto::{CloseCause, CloseCode, CloseFrame, Initiator, Message, ReadyState};

use super::{BufferLimits, Connection, Opened, Work};
use crate::base::error::{Error, ErrorKind};
use crate::base::try_send_error::TrySendError;
use crate::web::rules::CloseEvent;

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn waker(self: &Arc<Self>) -> Waker {
        self.clone().into()
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

const LIMITS: BufferLimits =
    BufferLimits { high_water: 1000, max_buffered: 1000, max_message_size: Some(500) };

fn open() -> Arc<Connection> {
    let connection = Connection::new(LIMITS, Vec::new());
    connection.opened(Opened::default());
    assert_eq!(connection.ready_state(), ReadyState::Open);
    connection
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn next(connection: &Connection) -> Poll<Option<Result<Message, Error>>> {
    connection.poll_message(&mut context())
}

fn event(code: u16, was_clean: bool) -> CloseEvent {
    CloseEvent { code, reason: String::new(), was_clean }
}

fn message(len: usize) -> Message {
    Message::binary(vec![b'x'; len])
}

#[test]
fn connection_opens_once() {
    let connection = Connection::new(LIMITS, vec!["chat".into()]);
    let count = Arc::new(Count::default());
    assert!(connection.poll_open(&mut Context::from_waker(&count.waker())).is_pending());
    let opened = Opened { subprotocol: "chat".into() };
    connection.opened(opened.clone());
    assert_eq!(count.get(), 1);
    // The task reports the state again and again.
    connection.opened(Opened::default());
    match connection.poll_open(&mut context()) {
        Poll::Ready(Ok(told)) => assert_eq!(told, opened),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connection_with_a_subprotocol_that_was_not_offered_does_not_open() {
    let connection = Connection::new(LIMITS, vec!["chat".into()]);
    connection.opened(Opened { subprotocol: "other".into() });
    let Poll::Ready(Err(error)) = connection.poll_open(&mut context()) else { panic!("open") };
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert_eq!(connection.next_work(0), Work::End);
}

#[test]
fn connection_that_does_not_open_has_no_reason() {
    let connection = Connection::new(LIMITS, Vec::new());
    assert!(connection.poll_work(&mut context()).is_pending());
    connection.ended(event(1006, false), 0);
    // The task lets go of the browser's object.
    assert!(connection.poll_work(&mut context()).is_ready());
    let Poll::Ready(Err(error)) = connection.poll_open(&mut context()) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.is_retryable());
    assert!(error.to_string().contains("a browser does not say why"), "{error}");
    assert!(error.close_info().is_none() && error.response().is_none());
    assert_eq!(connection.next_work(0), Work::End);
}

#[test]
fn connection_that_nobody_waits_for_is_given_up() {
    let connection = Connection::new(LIMITS, Vec::new());
    connection.drop_sender();
    connection.drop_receiver();
    assert_eq!(connection.next_work(0), Work::Close(None));
    assert_eq!(connection.next_work(0), Work::Wait { watches_buffer: false });
    connection.ended(event(1006, false), 0);
    assert_eq!(connection.next_work(0), Work::End);
}

#[test]
fn messages_are_received_in_order_and_then_the_end() {
    let connection = open();
    let count = Arc::new(Count::default());
    assert!(connection.poll_message(&mut Context::from_waker(&count.waker())).is_pending());
    for text in ["a", "b"] {
        connection.received(Message::text(text));
    }
    assert_eq!(count.get(), 1);
    connection.ended(event(1000, true), 0);
    for text in ["a", "b"] {
        assert!(matches!(next(&connection), Poll::Ready(Some(Ok(message))) if message == text));
    }
    assert!(matches!(next(&connection), Poll::Ready(None)));
    assert!(connection.is_terminated());
    let stats = connection.stats().received;
    assert_eq!((stats.text, stats.payload, stats.wire), (2, 2, 0));
}

#[test]
fn unclean_end_is_an_error_once() {
    let connection = open();
    connection.received(Message::text("a"));
    connection.ended(event(1006, false), 0);
    assert!(matches!(next(&connection), Poll::Ready(Some(Ok(_)))));
    let Poll::Ready(Some(Err(error))) = next(&connection) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(error.close_info().unwrap().cause, CloseCause::Undisclosed);
    assert!(matches!(next(&connection), Poll::Ready(None)));
    // A send says the same.
    let Err(TrySendError::Closed { error, .. }) = connection.try_send(message(1)) else {
        panic!("sent")
    };
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn received_messages_have_a_bound() {
    let connection = open();
    for _ in 0..2 {
        connection.received(message(400));
        assert_eq!(connection.ready_state(), ReadyState::Open);
    }
    // 64 bytes are counted for each.
    connection.received(message(100));
    assert_eq!(connection.ready_state(), ReadyState::Closing);
    assert_eq!(connection.next_work(0), Work::Close(None));
    connection.received(message(1));
    for len in [400, 400, 100] {
        let Poll::Ready(Some(Ok(message))) = next(&connection) else { panic!("no message") };
        assert_eq!(message.len(), len);
    }
    let Poll::Ready(Some(Err(error))) = next(&connection) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max_buffered"), "{error}");
    assert!(matches!(next(&connection), Poll::Ready(None)));
    connection.ended(event(1005, true), 0);
    let info = connection.close_info().unwrap();
    assert_eq!((info.cause, info.initiator), (CloseCause::MaxBuffered, Initiator::Library));
}

#[test]
fn received_message_that_is_too_long_closes() {
    let connection = open();
    assert!(connection.admits(500));
    connection.received(message(501));
    assert_eq!(connection.next_work(0), Work::Close(None));
    let Poll::Ready(Some(Err(error))) = next(&connection) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("max_message_size"), "{error}");
}

#[test]
fn sending_waits_for_the_browser() {
    let connection = open();
    let count = Arc::new(Count::default());
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(connection.poll_send(&mut cx, &mut Some(message(400))).is_ready());
    }
    let mut fourth = Some(message(400));
    let waker = count.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(connection.poll_send(&mut cx, &mut fourth).is_pending());
    assert!(fourth.is_some());
    let Err(TrySendError::Full(_)) = connection.try_send(message(1)) else { panic!("sent") };
    let mut buffered = 0;
    while let Work::Send(message) = connection.next_work(buffered) {
        buffered += message.len();
    }
    // The browser has the three, and sends nothing.
    assert_eq!(buffered, 1200);
    assert_eq!(connection.buffered_amount(), 1200);
    assert_eq!(connection.next_work(1200), Work::Wait { watches_buffer: true });
    assert_eq!(count.get(), 0);
    connection.next_work(800);
    assert_eq!(count.get(), 1);
    assert!(connection.poll_send(&mut cx, &mut fourth).is_ready());
    let sent = connection.stats().sent;
    assert_eq!((sent.binary, sent.payload), (4, 1600));
}

#[test]
fn browser_gets_no_more_than_the_mark() {
    let connection = open();
    for _ in 0..3 {
        connection.send_reserved(message(600)).unwrap();
    }
    assert!(matches!(connection.next_work(0), Work::Send(_)));
    assert!(matches!(connection.next_work(600), Work::Send(_)));
    assert_eq!(connection.next_work(1200), Work::Wait { watches_buffer: true });
    assert!(matches!(connection.next_work(900), Work::Send(_)));
}

#[test]
fn flush_waits_until_nothing_is_buffered() {
    let connection = open();
    connection.try_send(message(10)).unwrap();
    assert!(connection.poll_flush(&mut context()).is_pending());
    assert!(matches!(connection.next_work(0), Work::Send(_)));
    connection.next_work(10);
    assert!(connection.poll_flush(&mut context()).is_pending());
    connection.next_work(0);
    assert!(matches!(connection.poll_flush(&mut context()), Poll::Ready(Ok(()))));
    connection.next_work(10);
    connection.ended(event(1006, false), 10);
    assert!(matches!(connection.poll_flush(&mut context()), Poll::Ready(Err(_))));
}

#[test]
fn close_follows_what_is_queued() {
    let connection = open();
    connection.try_send(message(10)).unwrap();
    let frame = CloseFrame::new(CloseCode::new(4000), "bye").ok();
    connection.start_close(frame.clone());
    connection.start_close(None);
    assert!(connection.try_send(message(1)).is_err());
    // Not even the mark keeps it back.
    assert!(matches!(connection.next_work(5000), Work::Send(_)));
    assert_eq!(connection.next_work(5000), Work::Close(frame.clone()));
    assert_eq!(connection.next_work(0), Work::Wait { watches_buffer: false });
    assert!(connection.poll_closed(&mut context()).is_pending());
    connection.ended(event(4000, true), 0);
    assert!(connection.poll_closed(&mut context()).is_ready());
    let info = connection.close_info().unwrap();
    assert!(info.is_clean());
    assert_eq!((info.initiator, info.sent), (Initiator::Local, frame));
}

#[test]
fn close_of_the_peer_comes_first() {
    let connection = open();
    connection.start_close(None);
    // Before the browser was asked to close, it had received a Close.
    connection.peer_closes();
    assert_eq!(connection.next_work(0), Work::Wait { watches_buffer: false });
    connection.ended(event(1001, true), 0);
    let info = connection.close_info().unwrap();
    assert_eq!((info.initiator, info.code()), (Initiator::Peer, CloseCode::GOING_AWAY));
}

#[test]
fn close_is_not_clean_if_something_was_left() {
    for (queued, browser_has) in [(10, 0), (0, 10)] {
        let connection = open();
        if queued > 0 {
            connection.try_send(message(queued)).unwrap();
        }
        connection.ended(event(1000, true), browser_has);
        let info = connection.close_info().unwrap();
        assert!(info.close_received && !info.is_clean());
        // The peer has said how it ended.
        assert!(matches!(next(&connection), Poll::Ready(None)));
        let flushed = connection.poll_flush(&mut context());
        assert!(matches!(flushed, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Io));
    }
}

#[test]
fn close_that_is_not_answered_times_out() {
    let connection = open();
    connection.start_close(None);
    connection.next_work(0);
    connection.close_timed_out();
    assert_eq!(connection.close_info().unwrap().cause, CloseCause::CloseTimeout);
    let Poll::Ready(Some(Err(error))) = next(&connection) else { panic!("no error") };
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[test]
fn halves_close_when_all_are_dropped() {
    let connection = open();
    connection.add_sender();
    connection.received(message(1));
    connection.drop_receiver();
    connection.received(message(1));
    connection.drop_sender();
    assert_eq!(connection.ready_state(), ReadyState::Open);
    connection.drop_sender();
    assert_eq!(connection.ready_state(), ReadyState::Closing);
    assert_eq!(connection.next_work(0), Work::Close(None));
}

#[test]
fn task_is_woken_once_for_what_has_changed() {
    let connection = open();
    let count = Arc::new(Count::default());
    let waker = count.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(connection.poll_work(&mut cx).is_pending());
    connection.try_send(message(1)).unwrap();
    connection.try_send(message(1)).unwrap();
    assert_eq!(count.get(), 1);
    assert!(connection.poll_work(&mut cx).is_ready());
    // What changes while it works is not missed.
    connection.try_send(message(1)).unwrap();
    assert!(connection.poll_work(&mut cx).is_ready());
    assert!(connection.poll_work(&mut cx).is_pending());
}

#[test]
fn reading_ahead_waits_for_space() {
    let limits = BufferLimits { max_buffered: usize::MAX, max_message_size: None, ..LIMITS };
    let connection = Connection::new(limits, Vec::new());
    connection.opened(Opened::default());
    let count = Arc::new(Count::default());
    let waker = count.waker();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..2 {
        assert!(connection.poll_space(&mut cx).is_ready());
        connection.received(message(40_000));
    }
    assert!(connection.poll_space(&mut cx).is_pending());
    assert!(next(&connection).is_ready());
    assert_eq!(count.get(), 1);
    assert!(connection.poll_space(&mut cx).is_ready());
    connection.received(message(40_000));
    assert!(connection.poll_space(&mut cx).is_pending());
    connection.drop_receiver();
    assert_eq!(count.get(), 2);
    assert!(connection.poll_space(&mut cx).is_ready());
}
