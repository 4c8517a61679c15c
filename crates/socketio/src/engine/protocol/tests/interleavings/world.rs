//! A session, its client, and the network between them.

use std::collections::VecDeque;

use super::client::{Client, Knowledge, Upgrade, is_attachment, number_at_server};
use super::*;

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

/// A WebSocket; `None` in a direction is its end.
#[derive(Debug, Default)]
struct Wire {
    to_server: VecDeque<Option<Message>>,
    to_client: VecDeque<Option<Message>>,
    server_has_closed: bool,
}

/// How many frames the WebSocket takes before it is full.
const CAPACITY: usize = 2;

pub(super) struct World {
    pub(super) session: Protocol,
    pub(super) client: Client,
    pub(super) now: Instant,
    get: Get,
    post: Post,
    wire: Option<Wire>,
    /// How many messages the session has taken.
    pub(super) sent: u32,
    pub(super) received: Vec<u32>,
    /// Whether heartbeats, upgrades and closes have a time-out that can pass.
    pub(super) is_hasty: bool,
    /// Whether something was cut that carried messages, or was left unsent.
    pub(super) is_cut: bool,
}

impl World {
    pub(super) fn new(is_hasty: bool) -> Self {
        let second = Duration::from_secs(1);
        let timeouts = if is_hasty { [8, 4, 6] } else { [1000; 3] };
        let [ping, upgrade, close] = timeouts.map(|seconds| seconds * second);
        let config = EngineConfig::default()
            .ping_interval(5 * second)
            .ping_timeout(ping)
            .upgrade_timeout(upgrade)
            .close_timeout(close)
            .max_packets_per_poll(3)
            .max_queue_bytes(600);
        let now = Instant::now();
        Self {
            session: Protocol::new(Arc::new(config.into()), TransportKind::Polling, now),
            client: Client::new(),
            now,
            get: Get::None,
            post: Post::None,
            wire: None,
            sent: 0,
            received: Vec::new(),
            is_hasty,
            is_cut: false,
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::ServerSends => self.server_sends(),
            Action::ClientSends => self.client.send(),
            Action::Get => self.step_get(),
            Action::Post => self.step_post(),
            Action::OpenWebSocket => self.open_websocket("2probe", Upgrade::Probing),
            Action::OpenWrongWebSocket => self.open_websocket("2prob", Upgrade::Failing),
            Action::OpenSecondWebSocket => {
                if self.session.is_probing() || self.session.transport() == TransportKind::WebSocket
                {
                    assert!(!self.session.begin_probe(self.now), "one WebSocket at a time");
                }
            }
            Action::ToServer => self.deliver_to_server(),
            Action::ToClient => self.deliver_to_client(),
            Action::CutWebSocket => self.cut_websocket(),
            Action::Wait => {
                self.now += Duration::from_secs(1);
                self.session.tick(self.now);
            }
            Action::CutGet => self.cut_get(),
            Action::CutPost => self.cut_post(),
            Action::SecondGet => {
                if self.get == Get::Waits {
                    assert_eq!(self.session.begin_poll(), Err(PollingError::Overlap));
                    self.is_cut = true;
                }
            }
            Action::ServerCloses => self.session.close(EndReason::ForcedClose, self.now),
            Action::ServerEnds => {
                self.session.end(EndReason::ForcedClose);
                self.is_cut = true;
            }
            Action::ClientCloses => self.client.close(),
        }
        self.client_goes_on();
        self.server_goes_on();
    }

    fn server_sends(&mut self) {
        let mut message = Outgoing::text(&self.sent.to_string());
        let mut parts = 1;
        if is_attachment(self.sent + 1) {
            message = message.with_attachments([(self.sent + 1).to_string().into()]);
            parts = 2;
        }
        // One that does not fit is refused as a whole.
        if self.session.send(&message, None) == Some(Pushed::Queued) {
            self.sent += parts;
        }
    }

    // ----- HTTP -----

    fn step_get(&mut self) {
        match std::mem::replace(&mut self.get, Get::None) {
            Get::None => {
                if self.client.polls() {
                    self.get = Get::Sent;
                }
            }
            Get::Sent => match self.session.begin_poll() {
                Ok(()) => self.get = Get::Waits,
                Err(_) if self.client.knows == Knowledge::Closed => {
                    let is_closed = self.session.end_reason() == Some(EndReason::TransportClose);
                    let is_overtaken = is_closed && !self.is_cut;
                    assert!(!is_overtaken || self.session.take_owed_noop(), "it is answered");
                }
                // What the client learns by an error.
                Err(_) => self.client.lose(),
            },
            Get::Waits => self.get = Get::Waits,
            Get::Answered(payload) => {
                for packet in Payload::new(payload) {
                    self.client.receive(packet.expect("a packet"));
                }
            }
        }
    }

    fn step_post(&mut self) {
        match std::mem::replace(&mut self.post, Post::None) {
            Post::None => {
                if self.client.polls()
                    && let Some(content) = self.client.take_content()
                {
                    self.post = Post::Sent(content);
                }
            }
            Post::Sent(content) => {
                let posted = self.session.begin_post().and_then(|()| {
                    let posted = self.session.receive_payload(content.into(), self.now);
                    self.session.end_post();
                    posted
                });
                if posted.is_err() {
                    self.client.lose();
                }
                self.post = Post::Answered;
            }
            Post::Answered => {}
        }
    }

    fn cut_get(&mut self) {
        match std::mem::replace(&mut self.get, Get::None) {
            Get::None => return,
            Get::Waits => {
                self.session.cut_poll();
                assert!(self.session.end_reason().is_some());
            }
            Get::Sent | Get::Answered(_) => {}
        }
        self.client.lose();
        self.is_cut = true;
    }

    fn cut_post(&mut self) {
        match std::mem::replace(&mut self.post, Post::None) {
            Post::None => return,
            Post::Sent(_) => {
                if self.session.begin_post().is_ok() {
                    self.session.cut_post();
                    assert!(self.session.end_reason().is_some());
                }
            }
            Post::Answered => {}
        }
        self.client.lose();
        self.is_cut = true;
    }

    // ----- The WebSocket -----

    fn open_websocket(&mut self, first: &str, upgrade: Upgrade) {
        let may = self.wire.is_none() && self.client.upgrade == Upgrade::None;
        if may && self.client.knows == Knowledge::Open && self.session.begin_probe(self.now) {
            let to_server = VecDeque::from([Some(Message::text(first))]);
            self.wire = Some(Wire { to_server, ..Wire::default() });
            self.client.upgrade = upgrade;
        }
    }

    fn deliver_to_server(&mut self) {
        let Some(wire) = &mut self.wire else { return };
        let Some(frame) = wire.to_server.pop_front() else { return };
        if wire.server_has_closed {
            self.note_late_upgrade();
            return;
        }
        let carries = self.session.transport() == TransportKind::WebSocket;
        match frame {
            Some(message) if carries => self.session.receive_message(message, self.now),
            None if carries => self.session.websocket_ended(false),
            Some(message) => match self.session.receive_probe(message) {
                ProbeStep::Answer => wire.to_client.push_back(Some(Message::text(PROBE_PONG))),
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
        match (frame, self.client.upgrade) {
            (Some(message), Upgrade::Probing) if message == Message::text(PROBE_PONG) => {
                self.client.upgrade = Upgrade::Pausing;
            }
            (Some(message), _) => {
                self.client.receive(Packet::decode(message).expect("a packet"));
            }
            (None, Upgrade::Done) => {
                self.wire = None;
                self.note_late_upgrade();
                if self.session.transport() == TransportKind::WebSocket {
                    self.client.hear_the_end();
                } else {
                    self.client.lose();
                }
            }
            (None, _) => {
                self.wire = None;
                self.client.upgrade = Upgrade::None;
            }
        }
    }

    /// Notes that the client has left polling, after the server had given up the upgrade.
    fn note_late_upgrade(&mut self) {
        let is_open = self.session.end_reason().is_none();
        if is_open && self.client.upgrade == Upgrade::Done {
            assert!(self.is_hasty, "the upgrade is too late");
            self.is_cut = true;
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
        if self.client.upgrade == Upgrade::Done {
            self.client.lose();
            self.is_cut = true;
        }
        self.client.upgrade = Upgrade::None;
    }

    // ----- What both do by themselves -----

    /// The client completes an upgrade, sends on its WebSocket, and closes.
    fn client_goes_on(&mut self) {
        let client = &mut self.client;
        let is_quiet = self.get == Get::None && self.post == Post::None;
        if client.upgrade == Upgrade::Pausing && is_quiet && client.is_open() {
            client.upgrade = Upgrade::Done;
            if let Some(wire) = &mut self.wire {
                wire.to_server.push_back(Some(Message::text("5")));
            }
        }
        if client.upgrade == Upgrade::Done
            && client.is_open()
            && let Some(wire) = &mut self.wire
        {
            wire.to_server.extend(client.take_frames());
        }
        // An upgrade that has begun is waited for.
        if client.is_about_to_close() && client.upgrade != Upgrade::Pausing {
            if client.upgrade != Upgrade::Done {
                if self.post != Post::None {
                    return;
                }
                self.post = Post::Sent("1".into());
            }
            if let Some(wire) = &mut self.wire {
                wire.to_server.push_back(None);
            }
            client.knows = Knowledge::Closed;
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
                let message = match self.session.front_frame() {
                    Some(Frame::Ping) => Message::text("2"),
                    Some(Frame::Message(message)) => message.message().clone(),
                    None => break,
                };
                wire.to_client.push_back(Some(message));
                self.session.pop_frame();
            }
            self.session.finish_close();
            let carries = self.session.transport() == TransportKind::WebSocket;
            if self.session.end_reason().is_some() || !carries && !self.session.is_probing() {
                close(wire);
            }
        }
        while let Some(data) = self.session.receive() {
            self.received.push(number_at_server(&data));
        }
    }

    /// Lets everything that is on its way arrive.
    pub(super) fn run_out(&mut self) {
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
