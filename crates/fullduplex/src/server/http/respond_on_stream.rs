//! Responses on a stream of HTTP/2 or HTTP/3.

use std::future::Future;

use bytes::{Bytes, BytesMut};
use futures_core::future::BoxFuture;
use http::{Method, Response};
use tokio::io::AsyncWriteExt;

use crate::base::error::Error;
use crate::server::handshake::request::AcceptedHandshake;
use crate::server::handshake::responder::Respond;
use crate::server::handshake::response::{on_stream_head, with_content_length};
use crate::transport::addresses::Addressed;
use crate::transport::net_stream::NetStream;

/// The stream of a request that was not answered yet.
pub(crate) trait RespondOnStream: Send + 'static {
    /// The stream after the head of the response was sent.
    type Responded: Addressed;

    /// What an error interrupted, for its message.
    const ACTION: &'static str;

    /// Sends the head of the response. With `ends`, the response has no content, and this
    /// direction of the stream ends.
    fn send_head(
        self,
        head: Response<()>,
        ends: bool,
    ) -> impl Future<Output = Result<Self::Responded, Error>> + Send;

    /// Called when a response that opens no WebSocket was sent. `method` is the request's.
    fn on_responded(stream: Self::Responded, method: &Method) {
        let _ = (stream, method);
    }
}

impl<R: RespondOnStream> Respond<NetStream> for R {
    fn accept(
        self: Box<Self>,
        accepted: AcceptedHandshake,
    ) -> BoxFuture<'static, Result<(NetStream, BytesMut), Error>> {
        Box::pin(async move {
            let (parts, ()) = accepted.response()?.into_parts();
            let stream = self.send_head(on_stream_head(parts), false).await?;
            Ok((NetStream::addressed(stream), BytesMut::new()))
        })
    }

    fn respond(
        self: Box<Self>,
        response: Response<Bytes>,
        method: Method,
    ) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            let (parts, content) = with_content_length(response, &method);
            let mut stream = self.send_head(on_stream_head(parts), content.is_empty()).await?;
            if !content.is_empty() {
                let written = async {
                    stream.write_all(&content).await?;
                    stream.shutdown().await
                };
                written.await.map_err(|error| Error::io(R::ACTION, error))?;
            }
            R::on_responded(stream, &method);
            Ok(())
        })
    }
}
