//! The connections that are accepted, each with its WebSocket.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fullduplex::client::ConnectEvent;
use fullduplex::server::listen::Listener;
use fullduplex::{Client, Error, NetStream, WebSocket};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use super::args::Args;
use crate::base::accept::{Accepted, Stopped, accept, stop};
use crate::base::escape::printable;
use crate::client::{connect_error, connect_error_details, verbose};
use crate::relay::{carry, reset};
use crate::serve::connection_log::{ConnectionLog, LogFormat};
use crate::serve::log::log_line;

/// What all connections share.
pub(super) struct Connections {
    client: Client,
    url: String,
    is_verbose: bool,
    log: Option<LogFormat>,
    permits: Arc<Semaphore>,
    half_close_timeout: Duration,
    /// The last error of connecting, whose details are not printed again.
    last_error: Mutex<String>,
}

/// An attempt to open the WebSocket of a connection.
struct Attempt {
    /// The name of the client, as in the log.
    client: String,
    since: Instant,
}

tokio::task_local! {
    /// The attempt of the task, for the lines of `--verbose`.
    static ATTEMPT: Attempt;
}

/// Writes the lines of `--verbose` about a step of the task's attempt to the log.
pub(super) fn log_connect_event(event: &ConnectEvent<'_>) {
    // A step that is not of an attempt, such as one of a pooled connection, has no client.
    let attempt =
        ATTEMPT.try_with(|attempt| (format!("{}: ", attempt.client), attempt.since.elapsed()));
    let (client, after) = attempt.unwrap_or_default();
    for line in verbose::connect_event_lines(event, after) {
        log_line!("{client}{line}");
    }
}

impl Connections {
    /// Creates the state for at most `max_connections` connections; `None` for any number.
    pub(super) fn new(args: &Args, client: Client, max_connections: Option<u32>) -> Self {
        let permits = max_connections.map_or(Semaphore::MAX_PERMITS, |max| max as usize);
        Self {
            client,
            url: args.client.url.clone(),
            is_verbose: args.client.options.verbose,
            log: args.log,
            permits: Arc::new(Semaphore::new(permits)),
            half_close_timeout: args.half_close_timeout(),
            last_error: Mutex::default(),
        }
    }

    /// Accepts connections until the end. Each keeps a clone of `open` until its own.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: Listener,
        stopped: Stopped,
        open: mpsc::Sender<()>,
    ) {
        let permits = self.permits.clone();
        let failed = |error: &io::Error| {
            log_line!("fdx forward: accepting a connection: {error}");
        };
        let each = |accepted: Accepted| {
            let (this, stopped, open) = (self.clone(), stopped.clone(), open.clone());
            tokio::spawn(async move {
                this.forward(accepted.socket, accepted.from, stopped, open).await;
                drop(accepted.permit);
            });
        };
        accept(listener, permits, stopped.clone(), failed, each).await;
    }

    /// Opens a WebSocket for a connection, and carries the bytes of both.
    async fn forward(
        &self,
        socket: NetStream,
        from: Option<SocketAddr>,
        mut stopped: Stopped,
        open: mpsc::Sender<()>,
    ) {
        let attempt = Attempt { client: display_name(from), since: Instant::now() };
        let connecting = ATTEMPT.scope(attempt, self.client.connect(&self.url));
        let connected = tokio::select! {
            connected = connecting => connected,
            () = stop(&mut stopped) => return reset(socket),
        };
        let (websocket, response) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                reset(socket);
                return self.log_error(from, &error);
            }
        };
        if self.is_verbose {
            let line = verbose::negotiated_line(&websocket, &response);
            log_line!("{}: {line}", display_name(from));
        }
        let log = self.log.map(|format| opened(format, from, &websocket, open.clone()));
        // Boxed, so that the future of an open connection does not include that of connecting.
        let carried = carry(socket, websocket, self.half_close_timeout, stop(&mut stopped));
        let (websocket, cut) = Box::pin(carried).await;
        if let Some(log) = log {
            log.close(&websocket, cut.as_ref());
        }
    }

    /// Writes the lines about a connection for which no WebSocket was opened.
    fn log_error(&self, from: Option<SocketAddr>, error: &Error) {
        let name = display_name(from);
        let text = connect_error(error);
        if let Some(format) = self.log.filter(|format| format.json) {
            let status = error.response().map(|response| response.status().as_u16());
            return format.rejected(&name, address_fields(from), status, &text);
        }
        log_line!("fdx forward: {name}: {text}");
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != text {
            for line in connect_error_details(&self.url, error) {
                log_line!("{line}");
            }
            *last = text;
        }
    }
}

/// Returns the name of a connection in lines of text: its address, or "unix".
fn display_name(from: Option<SocketAddr>) -> String {
    from.map_or("unix".into(), |from| from.to_string())
}

/// Returns the fields of a connection's address, as `fdx serve --log=json` has them. They are left
/// out for a Unix socket.
fn address_fields(from: Option<SocketAddr>) -> Vec<(&'static str, Value)> {
    let address = from.map(|from| from.ip().to_string());
    vec![("address", json!(address)), ("port", json!(from.map(|from| from.port())))]
}

/// Writes the line of a WebSocket that is open.
fn opened(
    format: LogFormat,
    from: Option<SocketAddr>,
    websocket: &WebSocket,
    open: mpsc::Sender<()>,
) -> ConnectionLog {
    let subprotocol = websocket.subprotocol();
    let mut fields = address_fields(from);
    fields.push(("subprotocol", json!(subprotocol)));
    let name = display_name(from);
    let line = match subprotocol {
        Some(subprotocol) => format!("{name}, subprotocol {}", printable(subprotocol)),
        None => name,
    };
    ConnectionLog::open(format, line, fields, open)
}
