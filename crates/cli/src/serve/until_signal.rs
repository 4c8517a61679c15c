//! What commands share that accept connections until a signal, and connect to a target for each.

use std::slice;

use fullduplex::{Client, ErrorKind};

use super::listen::{Address, SystemdListeners};
use crate::client::{ConnectOutcome, connect_error};

/// What keeps a command from running, and the exit code.
pub(crate) type StartError = (String, ConnectOutcome);

/// Runs such a command on a runtime of its own, with the listeners that systemd passes. It ends
/// with a signal, or with an outcome.
pub(crate) fn run<F: Future<Output = Result<E, StartError>>, E: Into<O>, O>(
    listen: &Address,
    command: impl FnOnce(SystemdListeners) -> F,
) -> Result<O, StartError> {
    let of_system = |why: String| (why, ConnectOutcome::LocalIo);
    let systemd = SystemdListeners::receive(slice::from_ref(listen)).map_err(of_system)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| of_system(format!("the runtime can't be started: {error}")))?;
    let outcome = runtime.block_on(command(systemd));
    // Looking up a name can't be cancelled, and must not delay the exit.
    runtime.shutdown_background();
    outcome.map(E::into)
}

/// Checks the URL of a target, and what else a client finds before it connects.
pub(crate) async fn check(client: &Client, url: &str) -> Result<(), StartError> {
    // It connects to nothing: the other end of this stream is gone.
    let (nowhere, _) = tokio::io::duplex(1);
    match client.connect_over(nowhere, url).await {
        Err(error) if error.kind() == ErrorKind::Misuse => {
            Err((connect_error(&error), ConnectOutcome::Usage))
        }
        _ => Ok(()),
    }
}
