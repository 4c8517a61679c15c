//! The events of reconnecting clients for the crate `tracing`, with the feature of that name.

#[cfg(feature = "tracing")]
mod on {
    use std::time::Duration;

    use tracing::info;

    use crate::base::uri::WsUri;
    use crate::client::reconnect::event::DisconnectReason;
    use crate::connection::close_kind::CloseKind;

    /// Logs that a reconnecting client has no connection, why, and when it tries again.
    pub(crate) fn disconnected(
        target: Option<&WsUri>,
        reason: &DisconnectReason,
        retry_in: Option<Duration>,
    ) {
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let host = target.map(|target| target.authority.as_str());
        let path = target.map(WsUri::path);
        let end = match reason {
            DisconnectReason::Closed(info) => Some(CloseKind::of(Some(info))),
            _ => None,
        };
        let (code, cause) = (end.map(|end| end.code), end.map(|end| end.cause));
        let kind = match reason {
            DisconnectReason::Failed(error) => Some(tracing::field::debug(error.kind())),
            _ => None,
        };
        let reason = match reason {
            DisconnectReason::Closed(_) => "closed",
            DisconnectReason::Failed(_) => "failed",
            DisconnectReason::Requested => "requested",
        };
        if let Some(delay) = retry_in {
            info!(host, path, reason, code, cause, kind, ?delay, "reconnecting");
        } else {
            info!(host, path, reason, code, cause, kind, "not reconnecting");
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod off {
    use std::time::Duration;

    use crate::base::uri::WsUri;
    use crate::client::reconnect::event::DisconnectReason;

    pub(crate) fn disconnected(_: Option<&WsUri>, _: &DisconnectReason, _: Option<Duration>) {}
}

#[cfg(not(feature = "tracing"))]
pub(super) use off::*;
#[cfg(feature = "tracing")]
pub(super) use on::*;
