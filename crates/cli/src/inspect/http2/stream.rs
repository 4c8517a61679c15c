//! A stream of a client, and the one to the target: a request with its response, or a tunnel.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use fullduplex::Role;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Method, Request, Response};
use tokio::time::timeout;

use super::content::{Failure, Tunnel, is_of_connection, lock, pass_content, reset_code};
use super::shared::Shared;
use super::written::{KeptStreams, Piece, Writer};
use super::{failure, heads};
use crate::base::accept::stop;
use crate::inspect::connection::pass;
use crate::inspect::event::Event;
use crate::inspect::exchange::Exchange;
use crate::inspect::head::Head;
use crate::inspect::observer::Observer;
use crate::inspect::transport::Transport as _;

/// The time for what a side sent before it failed.
const LAST_BYTES_TIMEOUT: Duration = Duration::from_secs(1);

/// A stream of a client.
pub(super) struct Stream {
    /// The number of its connection.
    pub(super) connection: u64,
    pub(super) observer: Mutex<Observer>,
    pub(super) shared: Arc<Shared>,
    pub(super) sender: SendRequest<Piece>,
    pub(super) respond: SendResponse<Piece>,
    pub(super) kept: KeptStreams,
}

/// A request that was sent to the target.
struct Sent {
    head: Head,
    url: String,
    protocol: Option<String>,
    is_connect: bool,
    /// What the client sends after the head; `None` if it ended with that.
    content: Option<RecvStream>,
    target: Writer,
}

impl Stream {
    /// Passes the request on, and what follows on both sides, to the end of the stream.
    pub(super) async fn relay(mut self, request: Request<RecvStream>) {
        let id = self.respond.stream_id().as_u32();
        lock(&self.observer).tell(&Event::Stream { connection: self.connection, id });
        let mut stopped = self.shared.stopped.clone();
        let sent = tokio::select! {
            sent = self.send(request) => sent,
            () = stop(&mut stopped) => None,
        };
        let Some((sent, response)) = sent else { return lock(&self.observer).close() };
        if !sent.is_connect {
            return self.exchange(sent, Answer::Awaited(response)).await;
        }
        // What the client sends before the answer waits until it is known what it is.
        let answered = tokio::select! {
            answered = answer(response, &mut self.respond, &self.observer) => answered,
            () = stop(&mut stopped) => return self.end_by_stop(sent),
        };
        match answered {
            Ok(response) if response.status().is_success() => self.tunnel(sent, response).await,
            answered => self.exchange(sent, Answer::Known(answered)).await,
        }
    }

    /// Sends the request to the target; `None` if that is not possible.
    async fn send(&mut self, request: Request<RecvStream>) -> Option<(Sent, ResponseFuture)> {
        let (parts, content) = request.into_parts();
        let mut request = Request::from_parts(parts, ());
        let rewriting = &self.shared.rewriting;
        let changes = heads::rewrite(&mut request, rewriting);
        let head = heads::of_request(&request);
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{}://{}{path}", rewriting.scheme, rewriting.authority);
        let protocol = request.extensions().get::<Protocol>();
        let protocol = protocol.map(|protocol| protocol.as_str().to_owned());
        let is_connect = request.method() == Method::CONNECT;
        lock(&self.observer).tell(&Event::Request { head: &head, changes: &changes });
        let (sender, respond) = (&mut self.sender, &mut self.respond);
        // When the target has room for it.
        let ready = tokio::select! {
            ready = poll_fn(|cx| sender.poll_ready(cx)) => ready,
            reset = poll_fn(|cx| respond.poll_reset(cx)) => {
                let error = reset.map_or_else(|error| error, h2::Error::from);
                lock(&self.observer).end(Role::Client, &failure(&error));
                return None;
            }
        };
        let has_content = !content.is_end_stream();
        match ready.and_then(|()| self.sender.send_request(request, !has_content)) {
            Ok((response, send)) => {
                let content = has_content.then_some(content);
                let target = Writer::new(send);
                Some((Sent { head, url, protocol, is_connect, content, target }, response))
            }
            Err(error) => {
                lock(&self.observer).end(Role::Server, &failure(&error));
                // It was not processed (RFC 9113 §8.7).
                self.respond.send_reset(Reason::REFUSED_STREAM);
                None
            }
        }
    }

    fn end_by_stop(mut self, mut sent: Sent) {
        sent.target.reset(Reason::CANCEL);
        self.respond.send_reset(Reason::CANCEL);
        let observer = lock(&self.observer);
        observer.note("reset, as fdx ends");
        observer.close();
    }

    /// Passes the bytes of a WebSocket, or of what else was asked for by CONNECT.
    async fn tunnel(mut self, sent: Sent, response: Response<RecvStream>) {
        let (parts, receive) = response.into_parts();
        let response = Response::from_parts(parts, ());
        let head = heads::of_response(&response);
        let mut observer = self.observer.into_inner().unwrap_or_else(PoisonError::into_inner);
        observer.tell(&Event::Response(&head));
        if sent.protocol.as_deref() == Some("websocket") {
            observer.open(sent.url, &sent.head, &head);
        } else {
            observer.note("a tunnel");
        }
        let (Ok(answering), Some(content)) =
            (self.respond.send_response(response, receive.is_end_stream()), sent.content)
        else {
            return observer.close();
        };
        let mut client = Tunnel { receive: content, writer: Writer::new(answering) };
        client.writer.kept = Some(self.kept);
        let target = Tunnel { receive, writer: sent.target };
        let exchange = Exchange::new(observer, self.shared.rewriting.clone()).switched();
        let mut stopped = self.shared.stopped.clone();
        pass(client, target, exchange, stop(&mut stopped)).await;
    }

    /// Passes the content of the request, the response and its content.
    async fn exchange(mut self, sent: Sent, answered: Answer) {
        let Sent { head, url, protocol, content, mut target, .. } = sent;
        let is_websocket = protocol.as_deref() == Some("websocket");
        let mut stopped = self.shared.stopped.clone();
        let (observer, respond) = (&self.observer, &mut self.respond);
        let failed = {
            let requests = pin!(async {
                match content {
                    Some(mut content) => {
                        let passed =
                            pass_content(Role::Client, &mut content, &mut target, observer);
                        passed.await
                    }
                    None => Ok(()),
                }
            });
            let responses = pin!(async {
                let response = match answered {
                    Answer::Known(answered) => answered?,
                    Answer::Awaited(response) => answer(response, respond, observer).await?,
                };
                let (parts, mut receive) = response.into_parts();
                let response = Response::from_parts(parts, ());
                let response_head = heads::of_response(&response);
                lock(observer).tell(&Event::Response(&response_head));
                if is_websocket {
                    lock(observer).refuse(url, &head, &response_head);
                }
                let ends = receive.is_end_stream();
                let sent = respond.send_response(response, ends);
                let mut client = Writer::new(sent.map_err(Failure::of(Role::Client))?);
                if ends {
                    lock(observer).end(Role::Server, Tunnel::END);
                    return Ok(());
                }
                pass_content(Role::Server, &mut receive, &mut client, observer).await
            });
            tokio::select! {
                passed = both(requests, responses) => passed.err().map(Some),
                () = stop(&mut stopped) => Some(None),
            }
        };
        match failed {
            None => {}
            Some(Some(Failure { side, error, .. })) => {
                lock(&self.observer).end(side, &failure(&error));
                match side {
                    Role::Client => target.reset(reset_code(&error)),
                    Role::Server if is_of_connection(&error) => {
                        // If it fails, the connection of the client has ended already.
                        let _ = self.kept.send(Box::new(self.respond));
                    }
                    Role::Server => self.respond.send_reset(reset_code(&error)),
                }
            }
            Some(None) => {
                lock(&self.observer).note("reset, as fdx ends");
                target.reset(Reason::CANCEL);
                self.respond.send_reset(Reason::CANCEL);
            }
        }
        lock(&self.observer).close();
    }
}

/// The answer to a request.
enum Answer {
    Known(Result<Response<RecvStream>, Failure>),
    Awaited(ResponseFuture),
}

/// Waits for both directions, or until one side has failed.
async fn both(
    mut one: Pin<&mut impl Future<Output = Result<(), Failure>>>,
    mut other: Pin<&mut impl Future<Output = Result<(), Failure>>>,
) -> Result<(), Failure> {
    let (first, is_one) = tokio::select! {
        end = one.as_mut() => (end, true),
        end = other.as_mut() => (end, false),
    };
    let second = async { if is_one { other.await } else { one.await } };
    match first {
        Ok(()) => second.await,
        Err(failure) => {
            if failure.may_have_sent {
                // Such as a whole response, before the rest of the request was refused.
                let _ = timeout(LAST_BYTES_TIMEOUT, second).await;
            }
            Err(failure)
        }
    }
}

/// Waits for the response, and passes on the interim ones before it.
async fn answer(
    mut response: ResponseFuture,
    respond: &mut SendResponse<Piece>,
    observer: &Mutex<Observer>,
) -> Result<Response<RecvStream>, Failure> {
    poll_fn(|cx| {
        loop {
            match response.poll_informational(cx) {
                Poll::Ready(Some(Ok(interim))) => {
                    lock(observer).tell(&Event::Response(&heads::of_response(&interim)));
                    if let Err(error) = respond.send_informational(interim) {
                        return Poll::Ready(Err(Failure::of(Role::Client)(error)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Err(Failure::of(Role::Server)(error)));
                }
                Poll::Ready(None) => break,
                // To poll the response now would drop interim ones that come meanwhile.
                Poll::Pending => {
                    let reset = respond.poll_reset(cx);
                    let error = reset.map(|reset| reset.map_or_else(|error| error, Into::into));
                    return error.map(|error| Err(Failure::of(Role::Client)(error)));
                }
            }
        }
        let Poll::Ready(answered) = Pin::new(&mut response).poll(cx) else { return Poll::Pending };
        Poll::Ready(answered.map_err(Failure::of(Role::Server)))
    })
    .await
}
