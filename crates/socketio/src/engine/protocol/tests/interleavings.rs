//! Interleavings of everything that can happen to a session with an honest client.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Message(u32),
    Pong,
}

impl Item {
    fn text(self) -> String {
        match self {
            Self::Message(number) => format!("4{number}"),
            Self::Pong => "3".into(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Get {
    None,
    /// On its way to the server.
    Sent,
    /// At the server.
    Waits,
    /// On its way back.
    Answered(Bytes),
}

#[derive(Debug, PartialEq, Eq)]
enum Post {
    None,
    Sent(String),
    Answered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// Not begun, or failed.
    None,
    Probing,
    /// The client waits for its last requests.
    Pausing,
    Done,
}

/// A WebSocket; `None` in a direction is its end.
#[derive(Debug, Default)]
struct Wire {
    to_server: VecDeque<Option<String>>,
    to_client: VecDeque<Option<String>>,
    server_has_closed: bool,
}

/// A session with an honest client, and a network between them.
struct World {
    session: Protocol,
    now: Instant,
    get: Get,
    post: Post,
    upgrade: Upgrade,
    wire: Option<Wire>,
    /// What the client has yet to send.
    buffer: VecDeque<Item>,
    next_up: u32,
    next_down: u32,
    received_by_client: Vec<u32>,
    received_by_server: Vec<u32>,
    /// The client was told that the session ends.
    is_told: bool,
    /// The client has lost its connection.
    is_lost: bool,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    ServerSends,
    ClientSends,
    /// A GET goes one step on.
    Get,
    /// A POST goes one step on.
    Post,
    OpenWebSocket,
    /// A frame of the WebSocket arrives.
    ToServer,
    ToClient,
    CutWebSocket,
    CutPoll,
    Close,
    /// A second passes.
    Wait,
}

/// How many frames the WebSocket takes before it is full.
const CAPACITY: usize = 2;

impl World {
    fn new() -> Self {
        // Pings, but no time-outs of pongs and closes.
        let config = EngineConfig::default()
            .ping_interval(Duration::from_secs(5))
            .ping_timeout(Duration::from_secs(1000))
            .close_timeout(Duration::from_secs(1000));
        let now = Instant::now();
        let session = Protocol::new(Arc::new(config.into()), TransportKind::Polling, now);
        Self {
            session,
            now,
            get: Get::None,
            post: Post::None,
            upgrade: Upgrade::None,
            wire: None,
            buffer: VecDeque::new(),
            next_up: 0,
            next_down: 0,
            received_by_client: Vec::new(),
            received_by_server: Vec::new(),
            is_told: false,
            is_lost: false,
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::ServerSends => {
                let message = Outgoing::text(&self.next_down.to_string());
                if self.session.send(&message, None).is_some() {
                    self.next_down += 1;
                }
            }
            Action::ClientSends => {
                self.buffer.push_back(Item::Message(self.next_up));
                self.next_up += 1;
            }
            Action::Get => self.step_get(),
            Action::Post => self.step_post(),
            Action::OpenWebSocket => self.open_websocket(),
            Action::ToServer => self.deliver_to_server(),
            Action::ToClient => self.deliver_to_client(),
            Action::CutWebSocket => self.cut_websocket(),
            Action::CutPoll => {
                if self.get == Get::Waits {
                    self.session.cut_poll();
                    self.is_lost = true;
                }
            }
            Action::Close => self.session.close(EndReason::ForcedClose, self.now),
            Action::Wait => {
                self.now += Duration::from_secs(1);
                self.session.tick(self.now);
            }
        }
        self.client_goes_on();
        self.server_goes_on();
    }

    fn client_is_open(&self) -> bool {
        !self.is_told && !self.is_lost
    }

    fn step_get(&mut self) {
        match std::mem::replace(&mut self.get, Get::None) {
            Get::None => {
                let may = matches!(self.upgrade, Upgrade::None | Upgrade::Probing);
                if may && self.client_is_open() {
                    self.get = Get::Sent;
                }
            }
            Get::Sent => match self.session.begin_poll() {
                Ok(()) => self.get = Get::Waits,
                // What the client learns by an error.
                Err(_) => self.is_lost = true,
            },
            Get::Waits => self.get = Get::Waits,
            Get::Answered(payload) => {
                for packet in Payload::new(payload) {
                    self.client_receives(packet.unwrap());
                }
            }
        }
    }

    fn step_post(&mut self) {
        match std::mem::replace(&mut self.post, Post::None) {
            Post::None => {
                let may = matches!(self.upgrade, Upgrade::None | Upgrade::Probing);
                if may && self.client_is_open() && !self.buffer.is_empty() {
                    let texts: Vec<_> = self.buffer.drain(..).map(Item::text).collect();
                    self.post = Post::Sent(texts.join("\u{1e}"));
                }
            }
            Post::Sent(content) => {
                let posted = self.session.begin_post().and_then(|()| {
                    let posted = self.session.receive_payload(content.into(), self.now);
                    self.session.end_post();
                    posted
                });
                self.is_lost |= posted.is_err();
                self.post = Post::Answered;
            }
            Post::Answered => {}
        }
    }

    fn open_websocket(&mut self) {
        if self.wire.is_none() && self.upgrade == Upgrade::None && self.client_is_open() {
            let mut wire = Wire::default();
            if self.session.begin_probe(self.now) {
                wire.to_server.push_back(Some("2probe".into()));
                self.upgrade = Upgrade::Probing;
                self.wire = Some(wire);
            }
        }
    }

    fn deliver_to_server(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        let Some(frame) = wire.to_server.pop_front() else { return };
        if wire.server_has_closed {
            return;
        }
        let carries = self.session.transport() == TransportKind::WebSocket;
        match frame {
            Some(text) if carries => self.session.receive_message(Message::text(text), self.now),
            None if carries => self.session.websocket_ended(false),
            Some(text) => match self.session.receive_probe(Message::text(text)) {
                ProbeStep::Answer => wire.to_client.push_back(Some(PROBE_PONG.into())),
                ProbeStep::Upgraded => {}
                ProbeStep::Close => close(wire),
            },
            None => self.session.probe_ended(),
        }
    }

    fn deliver_to_client(&mut self) {
        let Some(frame) = self.wire.as_mut().and_then(|wire| wire.to_client.pop_front()) else {
            return;
        };
        match (frame, self.upgrade) {
            (Some(text), Upgrade::Probing) if text == PROBE_PONG => self.upgrade = Upgrade::Pausing,
            (Some(text), _) => {
                self.client_receives(Packet::decode_text(text.into()).unwrap());
            }
            (None, Upgrade::Done) => {
                self.wire = None;
                let carried = self.session.transport() == TransportKind::WebSocket;
                // Else the upgrade was too late for the server.
                *(if carried { &mut self.is_told } else { &mut self.is_lost }) = true;
            }
            (None, _) => {
                self.wire = None;
                self.upgrade = Upgrade::None;
            }
        }
    }

    /// The WebSocket breaks: neither side gets what is on its way.
    fn cut_websocket(&mut self) {
        let Some(mut wire) = self.wire.take() else { return };
        if !wire.server_has_closed {
            wire.to_server = VecDeque::from([None]);
            self.wire = Some(wire);
            self.deliver_to_server();
            self.wire = None;
        }
        self.is_lost |= self.upgrade == Upgrade::Done;
        self.upgrade = Upgrade::None;
    }

    fn client_receives(&mut self, packet: Packet) {
        match packet {
            Packet::Message(Data::Text(text)) => {
                self.received_by_client.push(text.parse().unwrap());
            }
            Packet::Ping(_) => self.buffer.push_back(Item::Pong),
            Packet::Close => self.is_told = true,
            Packet::Noop => {}
            other => panic!("a client can't receive {other:?}"),
        }
    }

    /// What a client does by itself: it completes an upgrade, and sends on its WebSocket.
    fn client_goes_on(&mut self) {
        let is_quiet = self.get == Get::None && self.post == Post::None;
        if self.upgrade == Upgrade::Pausing && is_quiet && self.client_is_open() {
            self.upgrade = Upgrade::Done;
            if let Some(wire) = &mut self.wire {
                wire.to_server.push_back(Some("5".into()));
            }
        }
        if self.upgrade == Upgrade::Done
            && let Some(wire) = &mut self.wire
        {
            wire.to_server.extend(self.buffer.drain(..).map(|item| Some(item.text())));
        }
    }

    /// What the owner of a session does after each change.
    fn server_goes_on(&mut self) {
        let is_upgrading = self.session.is_leaving_polling();
        if self.get == Get::Waits
            && let Some(payload) = self.session.take_payload()
        {
            assert!(!is_upgrading || payload == "6", "a poll brings {payload:?} during an upgrade");
            self.get = Get::Answered(payload);
        }
        assert!(self.get != Get::Waits || !is_upgrading, "a poll waits during an upgrade");
        if let Some(wire) = self.wire.as_mut().filter(|wire| !wire.server_has_closed) {
            while wire.to_client.len() < CAPACITY {
                let text = match self.session.front_frame() {
                    Some(Frame::Ping) => "2".to_owned(),
                    Some(Frame::Message(message)) => {
                        message.message().as_text().unwrap().to_owned()
                    }
                    None => break,
                };
                wire.to_client.push_back(Some(text));
                self.session.pop_frame();
            }
            self.session.finish_close();
            let carries = self.session.transport() == TransportKind::WebSocket;
            if self.session.end_reason().is_some() || !carries && !self.session.is_probing() {
                close(wire);
            }
        }
        while let Some(Data::Text(text)) = self.session.receive() {
            self.received_by_server.push(text.parse().unwrap());
        }
    }

    /// Lets everything that is on its way arrive.
    fn run_out(&mut self) {
        for _ in 0..100 {
            for action in [Action::Get, Action::Post, Action::ToServer, Action::ToClient] {
                self.act(action);
            }
        }
    }
}

fn close(wire: &mut Wire) {
    wire.server_has_closed = true;
    wire.to_client.push_back(None);
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::ServerSends),
        6 => Just(Action::ClientSends),
        8 => Just(Action::Get),
        8 => Just(Action::Post),
        2 => Just(Action::OpenWebSocket),
        8 => Just(Action::ToServer),
        8 => Just(Action::ToClient),
        1 => Just(Action::CutWebSocket),
        2 => Just(Action::Wait),
    ]
}

/// What happens once, if at all.
fn ending() -> impl Strategy<Value = Option<Action>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Action::Close)),
        1 => Just(Some(Action::CutPoll)),
    ]
}

fn is_sequence(received: &[u32]) -> bool {
    (0..).zip(received).all(|(expected, number)| expected == *number)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn upgrade_loses_and_doubles_nothing(
        actions in proptest::collection::vec(action(), 1..120),
        end in ending(),
        more in proptest::collection::vec(action(), 0..30),
    ) {
        let mut world = World::new();
        for action in actions.into_iter().chain(end).chain(more) {
            world.act(action);
        }
        world.run_out();
        let World { received_by_client, received_by_server, next_up, next_down, .. } = &world;
        prop_assert!(is_sequence(received_by_client), "{received_by_client:?}");
        prop_assert!(is_sequence(received_by_server), "{received_by_server:?}");
        if !world.is_lost && !world.is_told {
            prop_assert_eq!(received_by_client.len(), *next_down as usize);
            prop_assert_eq!(received_by_server.len(), *next_up as usize);
            prop_assert_eq!(world.session.end_reason(), None);
        }
        let closed = world.session.end_reason() == Some(EndReason::ForcedClose);
        if closed && !world.is_lost {
            prop_assert!(world.is_told);
            prop_assert_eq!(received_by_client.len(), *next_down as usize, "a close flushes first");
        }
    }
}
