//! A connection of a client, and the one to the target.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullduplex::Role;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::settings::{Closing, Target};
use super::shared::Shared;
use super::stream::Stream;
use super::written::{KeptStreams, Piece};
use super::{CONNECTION_WINDOW, MAX_FIELDS, MAX_STREAMS, STREAM_WINDOW, code, failure};
use crate::base::accept::stop;
use crate::inspect::observer::Observer;
use crate::inspect::socket::{Socket, SocketState};

/// The time for the SETTINGS of the target, and for the first bytes of the client.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for what one end sent last to reach the other.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for a connection to close once all was sent.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// The sockets to both ends.
struct Sides {
    client: Arc<SocketState>,
    target: Arc<SocketState>,
}

impl Sides {
    fn reset(&self) {
        self.client.end_with_reset();
        self.target.end_with_reset();
    }
}

/// Passes the streams of a client's connection on to a connection of the target.
pub(crate) async fn relay(
    client: Socket,
    target: Socket,
    mut observer: Observer,
    shared: Arc<Shared>,
) {
    let sides = Sides { client: client.state(), target: target.state() };
    let mut stopped = shared.stopped.clone();
    let is_stopped = tokio::select! {
        // Boxed, as it is large.
        () = Box::pin(run(client, target, &sides, &mut observer, &shared)) => false,
        () = async {
            stop(&mut stopped).await;
            sides.reset();
        } => true,
    };
    if is_stopped {
        observer.note("reset, as fdx ends");
    }
    observer.count(Role::Client, sides.client.received());
    observer.count(Role::Server, sides.target.received());
    observer.close();
}

async fn run(
    client: Socket,
    target: Socket,
    sides: &Sides,
    observer: &mut Observer,
    shared: &Arc<Shared>,
) {
    let mut target = match timeout(OPEN_TIMEOUT, Target::open(target)).await {
        Ok(Ok(target)) => target,
        Ok(Err(error)) => {
            observer.note(&format!("the target does not answer in HTTP/2: {error}"));
            return sides.reset();
        }
        Err(_) => {
            observer.note("the target sends no SETTINGS of HTTP/2 within 10 s");
            return sides.reset();
        }
    };
    observer.note(&settings_line(&target));
    let max_streams = u32::try_from(target.max_streams).unwrap_or(u32::MAX).min(MAX_STREAMS);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(max_streams)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_FIELDS)
        .max_send_buffer_size(STREAM_WINDOW as usize);
    if target.has_extended_connect {
        builder.enable_connect_protocol();
    }
    // Dropped after the connection.
    let (kept, _streams) = mpsc::unbounded_channel();
    let mut server = match timeout(OPEN_TIMEOUT, builder.handshake(client)).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return observer.end(Role::Client, &failure(&error)),
        Err(_) => {
            sides.client.end_with_reset();
            return observer.note("the client does not begin HTTP/2 within 10 s");
        }
    };
    // A client that resets streams may open others before the tasks of the first have ended.
    let max_tasks = 2 * max_streams.max(1);
    let tasks = Arc::new(Semaphore::new(max_tasks as usize));
    let closing = loop {
        tokio::select! {
            accepted = server.accept() => match accepted {
                Some(Ok(accepted)) => {
                    start(accepted, &target, &kept, &tasks, observer, shared);
                }
                ended => {
                    let error = ended.and_then(Result::err);
                    return client_ended(error.as_ref(), target, sides, observer).await;
                }
            },
            closing = poll_fn(|cx| target.poll_closing(cx)) => match closing {
                Closing::GoAway(reason) => {
                    observer.note(&format!("the target sent GOAWAY with {}", code(reason)));
                    if reason == Reason::NO_ERROR {
                        server.graceful_shutdown();
                    }
                }
                closing => break closing,
            },
        }
    };
    let reason = match closing {
        Closing::Failed(error) => {
            observer.end(Role::Server, &failure(&error));
            return sides.reset();
        }
        Closing::GoAway(reason) | Closing::Ended(Some(reason)) => {
            observer.end(Role::Server, &format!("GOAWAY with {}", code(reason)));
            reason
        }
        Closing::Ended(None) => {
            observer.end(Role::Server, "FIN");
            Reason::NO_ERROR
        }
    };
    close_client(&mut server, reason, &tasks, max_tasks).await;
}

/// Returns what the target allows, in words.
fn settings_line(target: &Target) -> String {
    let streams = match target.max_streams {
        usize::MAX => "any number of streams".to_owned(),
        max => format!("at most {max} streams"),
    };
    let connect = if target.has_extended_connect { "" } else { "no " };
    format!("HTTP/2: the target allows {streams}, and {connect}extended CONNECT (RFC 8441)")
}

/// Starts a stream.
fn start(
    (request, mut respond): (Request<RecvStream>, SendResponse<Piece>),
    target: &Target,
    kept: &KeptStreams,
    tasks: &Arc<Semaphore>,
    observer: &Observer,
    shared: &Arc<Shared>,
) {
    let Ok(permit) = tasks.clone().try_acquire_owned() else {
        observer.note("a stream is refused: too many were reset a moment ago");
        return respond.send_reset(Reason::REFUSED_STREAM);
    };
    let number = shared.last_number.fetch_add(1, Ordering::Relaxed) + 1;
    let stream = Stream {
        connection: observer.number(),
        observer: Mutex::new(Observer::new(number, shared.sinks.clone())),
        shared: shared.clone(),
        sender: target.sender.clone(),
        respond,
        kept: kept.clone(),
    };
    let open = shared.open.clone();
    tokio::spawn(async move {
        stream.relay(request).await;
        drop((permit, open));
    });
}

/// Ends the connection to the target when that of the client has ended.
async fn client_ended(
    error: Option<&h2::Error>,
    target: Target,
    sides: &Sides,
    observer: &mut Observer,
) {
    let how = error.map_or_else(|| "FIN".to_owned(), failure);
    observer.end(Role::Client, &how);
    if error.is_some_and(h2::Error::is_io) {
        return sides.reset();
    }
    // The streams are reset, as far as they have not ended.
    let _ = timeout(SHUTDOWN_TIMEOUT, target.close()).await;
}

/// Ends the connection of the client when that to the target has ended.
async fn close_client(
    server: &mut Connection<Socket, Piece>,
    reason: Reason,
    tasks: &Semaphore,
    max_tasks: u32,
) {
    let all_ended = timeout(CLOSE_TIMEOUT, tasks.acquire_many(max_tasks));
    tokio::select! {
        () = refuse_streams(server) => return,
        _ = all_ended => {}
    }
    server.abrupt_shutdown(reason);
    let _ = timeout(SHUTDOWN_TIMEOUT, refuse_streams(server)).await;
}

/// Refuses new streams until the end of the connection.
async fn refuse_streams(server: &mut Connection<Socket, Piece>) {
    while let Some(Ok((_, mut respond))) = server.accept().await {
        respond.send_reset(Reason::REFUSED_STREAM);
    }
}
