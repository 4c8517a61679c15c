//! The connections of a listener, as many at the same time as there are permits.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::NetStream;
use fullduplex::server::listen::Listener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

/// The pause after an error of `accept` that persists, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Becomes true when the program is asked to end.
pub(crate) type Stopped = watch::Receiver<bool>;

/// A connection that was accepted.
pub(crate) struct Accepted {
    pub(crate) socket: NetStream,
    /// `None` on a Unix socket.
    pub(crate) from: Option<SocketAddr>,
    /// Kept until the end of the connection.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Accepts connections until the end, and calls `each` with them, and `failed` with errors.
pub(crate) async fn accept(
    listener: Listener,
    permits: Arc<Semaphore>,
    mut stopped: Stopped,
    failed: impl Fn(&io::Error),
    mut each: impl FnMut(Accepted),
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop(&mut stopped) => return,
            accepted = next(&listener, &permits) => accepted,
        };
        match accepted {
            Ok(accepted) => each(accepted),
            // It is of one connection, which has ended.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                failed(&error);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Accepts a connection when there are not too many. Cancelling it loses none.
async fn next(listener: &Listener, permits: &Arc<Semaphore>) -> io::Result<Accepted> {
    let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (socket, from): (NetStream, Option<SocketAddr>) = match listener {
        Listener::Tcp(listener) => {
            let (socket, from) = listener.accept().await?;
            socket.set_nodelay(true)?;
            (socket.into(), Some(from))
        }
        #[cfg(unix)]
        Listener::Unix(listener) => (listener.accept().await?.0.into(), None),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(Accepted { socket, from, permit })
}

/// Waits until the program is asked to end.
pub(crate) async fn stop(stopped: &mut Stopped) {
    // An error says that the program has ended.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}
