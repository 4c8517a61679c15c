//! A command for each WebSocket: messages are its input, its output is messages.

mod args;
mod environment;
mod process;
mod streams;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::server::Handshake;
use fullduplex::{CloseCode, ReceiveHalf, SendHalf, WebSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

pub(super) use self::args::ExecArgs;

use self::environment::Variables;
use self::process::{Pipes, Process, failure};
use super::client_info::ClientInfo;
use super::log::log_line;
use crate::pipes::Format;

/// The time for the last lines of standard error to be read after the end of a process.
const LAST_ERRORS_TIMEOUT: Duration = Duration::from_millis(100);

/// The command of `--exec`, and how many of it run.
pub(super) struct Exec {
    command: String,
    format: Format,
    grace: Duration,
    max_processes: u32,
    processes: Arc<Semaphore>,
}

/// A permit for a process, and the request's variables for it.
pub(super) struct Pending {
    variables: Variables,
    /// The client, for the log.
    client: String,
    _place: OwnedSemaphorePermit,
}

impl Exec {
    /// Returns the command that the options ask for.
    pub(super) fn new(args: &ExecArgs) -> Option<Arc<Self>> {
        let exec = Self {
            command: args.exec.clone()?,
            format: args.exec_format,
            grace: args.grace(),
            max_processes: args.max_processes,
            processes: Arc::new(Semaphore::new(args.max_processes as usize)),
        };
        Some(Arc::new(exec))
    }

    /// Reserves a place for the process of a client; `None` if there are too many.
    pub(super) fn reserve(&self, handshake: &Handshake, client: &ClientInfo) -> Option<Pending> {
        let place = self.processes.clone().try_acquire_owned().ok()?;
        let variables = environment::of_request(handshake.request(), handshake.connect_info());
        Some(Pending { variables, client: client.to_string(), _place: place })
    }

    /// Waits until no process is left. No new one can start after that.
    pub(super) async fn ended(&self) {
        // It is never closed.
        if let Ok(all) = self.processes.acquire_many(self.max_processes).await {
            all.forget();
        }
    }

    /// Runs the command until it or the client ends, and closes the WebSocket, which is returned.
    pub(super) async fn run(&self, pending: Pending, websocket: WebSocket) -> Option<WebSocket> {
        let Pending { mut variables, client, _place } = pending;
        if let Ok(local) = websocket.local_addr() {
            variables.push(("SERVER_ADDR".into(), local.ip().to_string().into()));
            variables.push(("SERVER_PORT".into(), local.port().to_string().into()));
        }
        let (send, mut receive) = websocket.split();
        let why = match Process::spawn(&self.command, variables) {
            Ok((process, pipes)) => {
                failure(&self.exchange(process, pipes, &send, &mut receive, &client).await)
            }
            Err(error) => {
                log_line!("{client}: the command can't be started: {error}");
                Some("the command can't be started".into())
            }
        };
        // They are halves of one WebSocket.
        let mut websocket = send.reunite(receive).ok()?;
        let (code, reason) = match &why {
            None => (CloseCode::NORMAL, ""),
            Some(why) => (CloseCode::INTERNAL_ERROR, why.as_str()),
        };
        // If it fails, the client has ended the connection.
        let _ = websocket.close(code, reason).await;
        Some(websocket)
    }

    /// Carries messages both ways until the end of the process, of which nothing is left then.
    async fn exchange(
        &self,
        mut process: Process,
        pipes: Pipes,
        send: &SendHalf,
        receive: &mut ReceiveHalf,
        client: &str,
    ) -> io::Result<ExitStatus> {
        let output = streams::send_output(pipes.stdout, send, self.format, client);
        let errors = streams::log_errors(pipes.stderr, client);
        let streams = pin!(async {
            tokio::join!(output, errors);
        });
        let mut streams = Streams { future: streams, have_ended: false };
        let input = streams::feed(receive, pipes.stdin, self.format);
        let first_end = async {
            tokio::select! {
                status = process.wait() => Some(status),
                () = input => None,
                // It also ends while the input waits for a process that does not read.
                () = send.closed() => None,
            }
        };
        let Some(status) = streams.beside(first_end).await else {
            let status = streams.beside(process.end(self.grace)).await;
            process.kill();
            let _ = timeout(LAST_ERRORS_TIMEOUT, streams.end()).await;
            return status;
        };
        // A slow client gets all that has been printed. What the process has started may print
        // more, but not for long.
        let mut rest = pin!(async {
            tokio::select! {
                () = streams.end() => {}
                () = streams::ignore(receive) => {}
            }
        });
        if timeout(self.grace, &mut rest).await.is_err() {
            process.kill();
            rest.await;
        }
        process.kill();
        status
    }
}

/// The output and the errors of a process on their way.
struct Streams<'f, F> {
    future: Pin<&'f mut F>,
    have_ended: bool,
}

impl<F: Future<Output = ()>> Streams<'_, F> {
    /// Carries them on until a future is ready.
    async fn beside<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        tokio::select! {
            value = &mut future => return value,
            () = self.end() => {}
        }
        future.await
    }

    /// Waits for their end.
    async fn end(&mut self) {
        if !self.have_ended {
            self.future.as_mut().await;
            self.have_ended = true;
        }
    }
}
