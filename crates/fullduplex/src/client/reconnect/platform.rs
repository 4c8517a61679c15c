//! What a reconnecting client is built on: natively tokio and this library's client on it, in a
//! browser the modules of `web`.

#[cfg(not(target_family = "wasm"))]
mod native {
    use fullduplex_proto::{CloseCode, CloseFrame, CloseInfo};

    use crate::base::error::Error;
    use crate::client::request::{ClientRequest, convert};
    use crate::connection::writer;

    pub(crate) use tokio::spawn;
    pub(crate) use tokio::time::{Instant, timeout};

    pub(crate) use crate::base::deadline::within;
    pub(crate) use crate::base::guard::{Panicked, caught, caught_in};
    pub(crate) use crate::base::uri::WsUri;
    pub(crate) use crate::client::client::Client;
    pub(crate) use crate::client::request::IntoClientRequest;
    pub(crate) use crate::connection::split::{ReceiveHalf, SendHalf};
    pub(crate) use crate::connection::websocket::WebSocket;

    /// The code for the peer of a connection that is replaced by another one.
    pub(crate) const REPLACED: CloseCode = CloseCode::GOING_AWAY;

    /// Returns the Close for a code and a reason of the application.
    pub(crate) fn close_frame(code: CloseCode, reason: &str) -> Result<Option<CloseFrame>, Error> {
        writer::close_frame(code, reason).map_err(Error::of)
    }

    /// Returns the client with the header fields of a request, and the URL to connect to.
    pub(crate) fn prepare(
        client: &Client,
        request: impl IntoClientRequest,
    ) -> (Client, Result<WsUri, Error>) {
        let prepared = convert(request).and_then(|ClientRequest { target, headers }| {
            Ok((client.with_headers(headers)?.into_owned(), target))
        });
        match prepared {
            Ok((client, target)) => (client, Ok(target)),
            Err(error) => (client.clone(), Err(error)),
        }
    }

    /// Returns what tells how the connection has ended, when the WebSocket may be gone.
    pub(crate) fn close_info_of(websocket: &WebSocket) -> impl Fn() -> Option<CloseInfo> + use<> {
        let writer = websocket.send_half().writer.clone();
        move || writer.close_info()
    }

    /// Waits before another attempt.
    pub(crate) use tokio::time::sleep as wait_to_retry;
}

#[cfg(target_family = "wasm")]
mod browser {
    use std::time::Duration;

    use fullduplex_proto::{CloseCode, CloseInfo};

    use crate::base::error::Error;
    use crate::web::request;
    use crate::web::time::timed_out;

    pub(crate) use js_sys::futures::spawn_local as spawn;

    pub(crate) use crate::web::client::Client;
    pub(crate) use crate::web::hints::wait_to_retry;
    pub(crate) use crate::web::request::{IntoClientRequest, WsUri};
    pub(crate) use crate::web::rules::close_frame;
    pub(crate) use crate::web::split::{ReceiveHalf, SendHalf};
    pub(crate) use crate::web::time::{Instant, timeout};
    pub(crate) use crate::web::websocket::WebSocket;

    /// A page can't send 1001, so the Close has no code.
    pub(crate) const REPLACED: CloseCode = CloseCode::NO_STATUS;

    /// Returns the URL to connect to. A request has no header fields.
    pub(crate) fn prepare(
        client: &Client,
        request: impl IntoClientRequest,
    ) -> (Client, Result<WsUri, Error>) {
        (client.clone(), Ok(request::convert(request)))
    }

    /// Returns what tells how the connection has ended, when the WebSocket may be gone.
    pub(crate) fn close_info_of(websocket: &WebSocket) -> impl Fn() -> Option<CloseInfo> + use<> {
        let connection = websocket.send_half().connection().clone();
        move || connection.close_info()
    }

    /// Limits a future to the time `after` from now.
    pub(crate) async fn within<F: Future>(
        setting: &'static str,
        after: Duration,
        future: F,
    ) -> Result<F::Output, Error> {
        timeout(after, future).await.map_err(|_| timed_out(setting, after))
    }

    /// What a panic of the application's code would be, if it did not end the whole program.
    #[derive(Debug)]
    pub(crate) struct Panicked;

    #[allow(clippy::unnecessary_wraps, reason = "natively, a panic is caught")]
    pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
        Ok(call())
    }

    pub(crate) async fn caught_in<F: Future>(future: F) -> Result<F::Output, Panicked> {
        Ok(future.await)
    }
}

#[cfg(target_family = "wasm")]
pub(super) use browser::*;
#[cfg(not(target_family = "wasm"))]
pub(super) use native::*;
