//! What both directions of a connection know: the requests that wait for their answer, and whether
//! the protocol was switched.

use std::collections::VecDeque;

use fullduplex::Role;

use super::absolute;
use super::body::{Body, BodyStep};
use super::event::Event;
use super::head::Head;
use super::observer::Observer;
use super::partial_head::{TakenHead, is_http1_request, is_text, status, take_head};
use super::rewriting::Rewriting;

/// The most requests that wait for their answer; more are held back (pipelining, RFC 9112 §9.3.2).
const MAX_WAITING: usize = 32;

/// What both directions know.
pub(super) struct Exchange {
    pub(super) observer: Observer,
    rewriting: Rewriting,
    waiting: VecDeque<WaitingRequest>,
    /// Whether the bytes are no longer those of HTTP.
    is_switched: bool,
    /// Whether the client has asked for something of another target.
    is_for_another: bool,
    /// What the client has sent before.
    early: Vec<u8>,
    request: Message,
    response: Message,
}

/// A request that waits for its answer.
struct WaitingRequest {
    head: Head,
    is_upgrade: bool,
}

/// The place within what one side sends.
enum Message {
    /// What there is of a head.
    Head(Vec<u8>),
    /// What is left of a body, and how long it was.
    Body(Body, u64),
}

impl Default for Message {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Exchange {
    pub(super) fn new(observer: Observer, rewriting: Rewriting) -> Self {
        Self {
            observer,
            rewriting,
            waiting: VecDeque::new(),
            is_switched: false,
            is_for_another: false,
            early: Vec::new(),
            request: Message::default(),
            response: Message::default(),
        }
    }

    /// Passes all bytes on as they come: they are not those of HTTP/1.1.
    pub(super) fn switched(mut self) -> Self {
        self.is_switched = true;
        self
    }

    /// Sets what the client has sent before.
    pub(super) fn with_early(mut self, early: Vec<u8>) -> Self {
        self.early = early;
        self
    }

    pub(super) fn take_early(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.early)
    }

    /// Whether the connection has to end, as the client has asked for something of another target.
    pub(super) fn is_for_another(&self) -> bool {
        self.is_for_another
    }

    /// Whether the bytes of the client pass as they come.
    pub(super) fn is_switched(&self) -> bool {
        self.is_switched
    }

    /// Whether what the client sends next depends on an answer that has not come.
    pub(super) fn is_held(&self) -> bool {
        let is_between = matches!(&self.request, Message::Head(head) if head.is_empty());
        let waits = self.waiting.back().is_some_and(|request| request.is_upgrade);
        !self.is_switched && is_between && (waits || self.waiting.len() >= MAX_WAITING)
    }

    /// Passes all bytes on as they come, from now on.
    fn switch(&mut self, why: Option<&str>) {
        self.is_switched = true;
        if let Some(why) = why {
            self.observer.note(why);
        }
    }

    /// Takes bytes of the client from the beginning of the input until it [is held](Self::is_held),
    /// and appends what is sent to the target.
    pub(super) fn push_request(&mut self, input: &mut &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() && !self.is_held() {
            if self.is_switched {
                // It was the end of the bytes that were looked into.
                self.observer.push(Role::Client, input);
                out.extend_from_slice(input);
                *input = &[];
                return;
            }
            match &mut self.request {
                Message::Head(head) => {
                    let taken = std::mem::take(head);
                    match take_head(taken, input) {
                        TakenHead::Part(part) if !is_text(&part) => {
                            out.extend(part);
                            self.switch(Some("not HTTP/1.1: passed as it is"));
                        }
                        TakenHead::Part(part) => self.request = Message::Head(part),
                        TakenHead::Whole(bytes) => self.request_head(bytes, out),
                        TakenHead::TooLong(bytes) => {
                            out.extend(bytes);
                            self.switch(Some(
                                "the head of the request is too long: passed as it is",
                            ));
                        }
                    }
                }
                Message::Body(body, len) => {
                    let before = *input;
                    let step = body.push(input);
                    let taken = before.len() - input.len();
                    *len += taken as u64;
                    out.extend_from_slice(&before[..taken]);
                    let len = *len;
                    self.request_body(&step, len);
                }
            }
        }
    }

    /// Returns the beginning of a head that has no end, at the end of what the client sends.
    pub(super) fn take_unfinished_request(&mut self) -> Vec<u8> {
        match &mut self.request {
            Message::Head(head) => std::mem::take(head),
            Message::Body(..) => Vec::new(),
        }
    }

    fn request_body(&mut self, step: &BodyStep, len: u64) {
        match step {
            BodyStep::More => {}
            BodyStep::Ended => {
                if len > 0 {
                    self.observer.tell(&Event::Body { sender: Role::Client, len });
                }
                self.request = Message::default();
            }
            BodyStep::Invalid => self.switch(Some("the chunks of the request are not valid")),
        }
    }

    fn request_head(&mut self, bytes: Vec<u8>, out: &mut Vec<u8>) {
        let parsed = Head::parse(bytes.clone()).filter(|head| is_http1_request(&head.start_line()));
        let Some(mut head) = parsed else {
            out.extend(bytes);
            return self.switch(Some("not a request of HTTP/1.1: passed as it is"));
        };
        if self.rewriting.is_absolute && !absolute::is_of(&head, &self.rewriting.authority) {
            self.is_for_another = true;
            return self.switch(Some("a request for another target on the same connection"));
        }
        let changes = self.rewriting.apply(&mut head);
        out.extend_from_slice(head.bytes());
        self.observer.tell(&Event::Request { head: &head, changes: &changes });
        let Some(body) = Body::of_request(&head) else {
            return self.switch(Some("the length of the request is not valid"));
        };
        let is_connect = head.start_line().starts_with("CONNECT ");
        let is_upgrade = is_connect || head.values("upgrade").next().is_some();
        self.waiting.push_back(WaitingRequest { head, is_upgrade });
        self.request = match body {
            Body::Length(0) => Message::default(),
            body => Message::Body(body, 0),
        };
    }

    /// Takes bytes of the client after the switch, which pass as they come.
    pub(super) fn push_switched(&mut self, bytes: &[u8]) {
        self.observer.count(Role::Client, bytes.len());
        self.observer.push(Role::Client, bytes);
    }

    /// Takes bytes of the server, which pass as they come.
    pub(super) fn push_response(&mut self, mut input: &[u8]) {
        self.push_response_head(&mut input);
        if !input.is_empty() {
            self.observer.push(Role::Server, input);
        }
    }

    /// Takes bytes of the server from the beginning of the input until the switch.
    pub(super) fn push_response_head(&mut self, input: &mut &[u8]) {
        while !input.is_empty() && !self.is_switched {
            match &mut self.response {
                Message::Head(head) => match take_head(std::mem::take(head), input) {
                    TakenHead::Part(part) => self.response = Message::Head(part),
                    TakenHead::Whole(bytes) => self.response_head(bytes),
                    TakenHead::TooLong(_) => {
                        self.switch(Some("the head of the response is too long"));
                    }
                },
                Message::Body(body, len) => {
                    let before = input.len();
                    let step = body.push(input);
                    *len += (before - input.len()) as u64;
                    let len = *len;
                    match step {
                        BodyStep::More => {}
                        BodyStep::Ended => self.response_ended(len),
                        BodyStep::Invalid => {
                            self.switch(Some("the chunks of the response are not valid"));
                        }
                    }
                }
            }
        }
    }

    fn response_head(&mut self, bytes: Vec<u8>) {
        let parsed = Head::parse(bytes).and_then(|head| Some((status(&head)?, head)));
        let Some((status, head)) = parsed else {
            return self.switch(Some("not a response of HTTP/1.1"));
        };
        self.observer.tell(&Event::Response(&head));
        if status == 101 {
            return self.switching(&head);
        }
        if status < 200 {
            // Another response follows (RFC 9110 §15.2).
            return;
        }
        if let Some(WaitingRequest { head: request, .. }) = self.waiting.front()
            && request.has_element("upgrade", "websocket")
        {
            self.observer.refuse(self.url(request), request, &head);
        }
        let start_line = self.waiting.front().map(|request| request.head.start_line());
        let method = start_line.as_deref().and_then(|line| line.split(' ').next());
        if method == Some("CONNECT") && status < 300 {
            return self.switch(Some("a tunnel"));
        }
        if method == Some("HEAD") || matches!(status, 204 | 304) {
            return self.response_ended(0);
        }
        match Body::of_response(&head) {
            None => self.switch(Some("the length of the response is not valid")),
            Some(Body::Length(0)) => self.response_ended(0),
            Some(body) => self.response = Message::Body(body, 0),
        }
    }

    fn response_ended(&mut self, len: u64) {
        if len > 0 {
            self.observer.tell(&Event::Body { sender: Role::Server, len });
        }
        self.response = Message::default();
        self.waiting.pop_front();
    }

    /// Ends what there is of the server's body, with its direction. No answer follows: nothing of
    /// the client waits for one.
    pub(super) fn end_responses(&mut self) {
        if let Message::Body(Body::UntilEnd, len) = self.response
            && !self.is_switched
        {
            self.response_ended(len);
        }
        self.is_switched = true;
    }

    fn switching(&mut self, response: &Head) {
        self.switch(None);
        let Some(WaitingRequest { head, .. }) = self.waiting.pop_front() else {
            return self.observer.note("a 101 that no request asked for");
        };
        if !response.has_element("upgrade", "websocket") {
            return self.observer.note("switched to another protocol than WebSocket");
        }
        self.observer.open(self.url(&head), &head, response);
    }

    /// Returns the URL of the target for a request.
    fn url(&self, request: &Head) -> String {
        let start_line = request.start_line();
        let target = start_line.split(' ').nth(1).unwrap_or_default();
        format!("{}://{}{target}", self.rewriting.scheme, self.rewriting.authority)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::super::event::Sink;
    use super::super::head::MAX_HEAD;
    use super::super::observer::Sinks;
    use super::*;

    /// Keeps a line of each event.
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Sink for Kept {
        fn take(&self, _: u64, _: Duration, event: &Event<'_>) {
            let line = match event {
                Event::Request { head, changes } => {
                    format!("{} ({} changes)", head.start_line(), changes.len())
                }
                Event::Response(head) => head.start_line(),
                Event::Body { sender, len } => format!("{sender:?} body {len}"),
                Event::Opened(opening) => format!("opened {}", opening.url),
                Event::Frame { shown, .. } => format!("{:?} frame", shown.sender),
                Event::Note(note) => (*note).to_owned(),
                _ => return,
            };
            self.0.lock().unwrap().push(line);
        }
    }

    fn exchange(rewrites_origin: bool) -> (Exchange, Arc<Mutex<Vec<String>>>) {
        let kept = Arc::<Mutex<Vec<String>>>::default();
        let sinks: Arc<[Box<dyn Sink>]> = Arc::new([Box::new(Kept(kept.clone()))]);
        let sinks = Sinks::new(sinks, None);
        let rewriting = Rewriting {
            scheme: "wss",
            authority: "target.example".into(),
            keeps_host: false,
            rewrites_origin,
            own_names: Vec::new(),
            is_absolute: false,
        };
        (Exchange::new(Observer::new(1, sinks), rewriting), kept)
    }

    /// Sends bytes of the client, and returns what goes to the target and what is held back.
    fn request(exchange: &mut Exchange, bytes: &str) -> (String, usize) {
        let (mut input, mut out) = (bytes.as_bytes(), Vec::new());
        exchange.push_request(&mut input, &mut out);
        (String::from_utf8(out).unwrap(), input.len())
    }

    const UPGRADE: &str = "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:9100\r\nUpgrade: websocket\r\n\r\n";

    #[test]
    fn exchange_follows_requests_until_a_switch() {
        let (mut exchange, kept) = exchange(false);
        let post = "POST / HTTP/1.1\r\nhost: localhost:9100\r\ncontent-length: 3\r\n\r\nabc";
        let get = "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let sent = request(&mut exchange, &format!("{post}{get}{UPGRADE}\x01held"));
        let own = |text: &str| {
            let text = text.replace("localhost:9100", "target.example");
            let text = text.replace("localhost", "target.example");
            text.replace("127.0.0.1:9100", "target.example")
        };
        assert_eq!(sent, (own(&format!("{post}{get}{UPGRADE}")), 5));
        for part in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
            "c\r\n0\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 401 No\r\n",
        ] {
            exchange.push_response(part.as_bytes());
            assert!(exchange.is_held());
        }
        exchange.push_response(b"Content-Length: 1\r\n\r\nx");
        assert!(!exchange.is_held());
        assert_eq!(request(&mut exchange, UPGRADE), (own(UPGRADE), 0));
        exchange.push_response(b"HTTP/1.1 101 Yes\r\nUpgrade: WebSocket\r\n\r\n\x81\x00");
        assert_eq!(request(&mut exchange, "\u{1}\0").0, "\u{1}\0");
        assert_eq!(
            *kept.lock().unwrap(),
            [
                "POST / HTTP/1.1 (1 changes)",
                "Client body 3",
                "GET /x HTTP/1.1 (1 changes)",
                "GET /a?b HTTP/1.1 (1 changes)",
                "HTTP/1.1 100 Continue",
                "HTTP/1.1 200 OK",
                "Server body 13",
                "HTTP/1.1 304 Not Modified",
                "HTTP/1.1 401 No",
                "Server body 1",
                "GET /a?b HTTP/1.1 (1 changes)",
                "HTTP/1.1 101 Yes",
                "opened wss://target.example/a?b",
                "Server frame",
                "Client frame",
            ]
        );
    }

    #[test]
    fn exchange_passes_on_what_is_not_http() {
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(MAX_HEAD));
        for bytes in ["\u{16}\u{3}\u{1}", "PRI * HTTP/2.0\r\n\r\nSM", "a\r\n\r\n", &endless] {
            let (mut exchange, kept) = exchange(false);
            assert_eq!(request(&mut exchange, bytes), (bytes.into(), 0));
            assert!(exchange.is_switched() && kept.lock().unwrap().len() == 1);
        }
        let (mut exchange, _) = exchange(false);
        assert_eq!(request(&mut exchange, "GET / HT").0, "");
        assert_eq!(exchange.take_unfinished_request(), b"GET / HT");
    }
}
