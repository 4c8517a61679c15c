//! Takes a connection over from hyper.

use bytes::BytesMut;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use crate::base::error::{Error, ErrorKind};
use crate::server::http::min_rate::RateEnforced;
#[cfg(feature = "http2")]
use crate::transport::Transport;
use crate::transport::lingering_close::LingeringClose;
use crate::transport::net_stream::NetStream;
use crate::transport::prefixed::Prefixed;

/// Waits until hyper returns the connection. Returns it, and the bytes that hyper read after the
/// request.
pub(crate) async fn take_connection(on_upgrade: OnUpgrade) -> Result<(NetStream, BytesMut), Error> {
    let failed = |error| Error::new(ErrorKind::Io, "taking over from hyper").with_source(error);
    let upgraded = on_upgrade.await.map_err(failed)?;
    Ok(into_net_stream(upgraded))
}

/// Returns the socket itself if its type is known: it is smaller than `Upgraded`, and is split
/// without a lock.
fn into_net_stream(upgraded: Upgraded) -> (NetStream, BytesMut) {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => return (parts.io.into_inner().into(), parts.read_buf.into()),
        Err(upgraded) => upgraded,
    };
    #[cfg(unix)]
    let upgraded = match upgraded.downcast::<TokioIo<UnixStream>>() {
        Ok(parts) => return (parts.io.into_inner().into(), parts.read_buf.into()),
        Err(upgraded) => upgraded,
    };
    #[cfg(feature = "http2")]
    let upgraded = match from_auto::<TcpStream>(upgraded) {
        Ok(parts) => return parts,
        Err(upgraded) => upgraded,
    };
    #[cfg(all(feature = "http2", unix))]
    let upgraded = match from_auto::<UnixStream>(upgraded) {
        Ok(parts) => return parts,
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<LingeringClose<RateEnforced<Prefixed<NetStream>>>>>() {
        Ok(parts) => {
            let (before, stream) = parts.io.into_inner().into_inner().into_inner().into_parts();
            let mut leftover = BytesMut::from(parts.read_buf);
            leftover.extend_from_slice(&before);
            (stream, leftover)
        }
        Err(upgraded) => (NetStream::new(TokioIo::new(upgraded)), BytesMut::new()),
    }
}

/// Takes the socket from hyper-util's server for several HTTP versions, which axum uses.
#[cfg(feature = "http2")]
fn from_auto<S>(upgraded: Upgraded) -> Result<(NetStream, BytesMut), Upgraded>
where
    S: Transport + Into<NetStream>,
{
    let parts = hyper_util::server::conn::auto::upgrade::downcast::<TokioIo<S>>(upgraded)?;
    Ok((parts.io.into_inner().into(), parts.read_buf.into()))
}
