//! The application's check of a request for a WebSocket, before the handler gets it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::{Request, Response};

use crate::base::deadline::within;
use crate::server::handshake::response::plain;
use crate::server::state::panics::caught_in;
use crate::server::state::rejection::RejectionReason;
use crate::server::state::stats::StatsRecorder;

/// The application's function that authenticates requests.
pub(crate) type Authenticate = Arc<
    dyn Fn(Request<()>) -> BoxFuture<'static, Result<Request<()>, Response<Bytes>>> + Send + Sync,
>;

/// A request that is rejected, as it was not authenticated.
pub(crate) struct NotAuthenticated {
    pub(crate) response: Response<Bytes>,
    /// Why; `None` if the application decided it.
    why: Option<String>,
}

impl NotAuthenticated {
    pub(crate) fn reason(&self) -> RejectionReason<'_> {
        self.why.as_deref().map_or(RejectionReason::Application, RejectionReason::Denied)
    }
}

/// Authenticates a request within `handshake_timeout`. Returns it as the application did.
pub(crate) async fn authenticate(
    authenticate: &Authenticate,
    request: Request<()>,
    handshake_timeout: Duration,
    record: &StatsRecorder,
) -> Result<Request<()>, NotAuthenticated> {
    // The call is within the future, so that its panic is caught, too.
    let authenticated = async { authenticate(request).await };
    let authenticated = caught_in(record, "authenticate", authenticated);
    match within("handshake_timeout", handshake_timeout, authenticated).await {
        Ok(Ok(Ok(request))) => Ok(request),
        Ok(Ok(Err(response))) => Err(NotAuthenticated { response, why: None }),
        Ok(Err(_panicked)) => {
            // The client is not told what went wrong.
            let response = plain(500, "the request could not be authenticated");
            Err(NotAuthenticated { response, why: Some("authenticate panicked".to_owned()) })
        }
        Err(timeout) => {
            let why = timeout.to_string();
            Err(NotAuthenticated { response: plain(503, &why), why: Some(why) })
        }
    }
}
