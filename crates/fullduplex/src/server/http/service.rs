//! Plain HTTP on the same port, served by a `tower_service::Service`.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::future::BoxFuture;
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use crate::server::handshake::response::plain;
use crate::server::http::body::Body;
use crate::server::state::panics::{caught, caught_in};
use crate::server::state::stats::StatsRecorder;

/// What has panicked, in the report of a panic.
const SERVICE: &str = "the service";

type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// The response of a service.
pub(crate) type HttpResponse = Response<BoxBody>;

/// A service with erased types.
pub(crate) trait HttpService: Send + Sync {
    /// Calls the service. Its panics are counted, and answered 500.
    fn call(
        &self,
        request: Request<Body>,
        record: &StatsRecorder,
    ) -> BoxFuture<'static, HttpResponse>;
}

/// A tower service, of which a clone answers each request.
pub(crate) struct TowerService<T>(pub(crate) T);

impl<T, B> HttpService for TowerService<T>
where
    T: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    T::Error: fmt::Display,
    T::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(
        &self,
        request: Request<Body>,
        record: &StatsRecorder,
    ) -> BoxFuture<'static, HttpResponse> {
        let record = record.clone();
        // A clone may panic too.
        let service = caught(&record, SERVICE, || self.0.clone());
        Box::pin(async move {
            let response = match service {
                Ok(service) => caught_in(&record, SERVICE, call(service, request, &record)).await,
                Err(panicked) => Err(panicked),
            };
            response.unwrap_or_else(|_panicked| failed())
        })
    }
}

async fn call<T, B>(mut service: T, request: Request<Body>, record: &StatsRecorder) -> HttpResponse
where
    T: Service<Request<Body>, Response = Response<B>>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
        return full(plain(503, "the service is not ready"));
    }
    match service.call(request).await {
        Ok(response) => response.map(|body| {
            Box::pin(GuardedBody { body: Some(Box::pin(body)), record: record.clone() }) as BoxBody
        }),
        Err(_) => failed(),
    }
}

/// Returns the response to an error of the service, which the service has to report itself: the
/// client is not told.
fn failed() -> HttpResponse {
    full(plain(500, "the service failed"))
}

/// Returns a response whose content is in memory.
pub(crate) fn full(response: Response<Bytes>) -> HttpResponse {
    response.map(|bytes| Box::pin(FullBody::new(bytes)) as BoxBody)
}

/// Content in memory, which can't fail, with any error type.
pub(crate) struct FullBody<E>(Option<Bytes>, PhantomData<fn() -> E>);

impl<E> FullBody<E> {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Some(bytes), PhantomData)
    }
}

impl<E> HttpBody for FullBody<E> {
    type Data = Bytes;
    type Error = E;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        Poll::Ready(self.0.take().filter(|bytes| !bytes.is_empty()).map(|b| Ok(Frame::data(b))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Replaces the response of a service by a 500 if its status is not final (RFC 9110 §15.2), and
/// removes the content of a 205 (§15.3.6).
pub(crate) fn final_response(response: HttpResponse) -> HttpResponse {
    if response.status().is_informational() {
        return full(plain(500, "the service returned no final response"));
    }
    if response.status() == StatusCode::RESET_CONTENT {
        let mut response = response.map(|_content| Bytes::new());
        response.headers_mut().insert(CONTENT_LENGTH, 0.into());
        return full(response);
    }
    response
}

/// Splits the response of a service for a stream of HTTP/2 or HTTP/3 into its head, and its
/// content if it has any. On HTTP/1.1 hyper does this.
#[cfg(any(feature = "http2", feature = "http3"))]
pub(crate) fn split_for_stream(
    response: HttpResponse,
    head_only: bool,
) -> (Response<()>, Option<BoxBody>) {
    use crate::server::handshake::response::{
        add_date, frame_without_content, has_content, on_stream_head,
    };

    let (mut parts, body) = final_response(response).into_parts();
    let may_have_content = has_content(parts.status);
    if !may_have_content {
        frame_without_content(&mut parts);
    } else if let Some(length) = body.size_hint().exact()
        && !(head_only && length == 0)
    {
        parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    add_date(&mut parts);
    let has_content = may_have_content && !head_only && !body.is_end_stream();
    (on_stream_head(parts), has_content.then_some(body))
}

/// The content of a response, which turns a panic into an error.
struct GuardedBody<B> {
    /// `None` after a panic.
    body: Option<Pin<Box<B>>>,
    record: StatsRecorder,
}

impl<B> HttpBody for GuardedBody<B>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, record } = &mut *self;
        let Some(inner) = body else { return Poll::Ready(None) };
        match caught(record, SERVICE, || inner.as_mut().poll_frame(cx)) {
            Ok(polled) => polled.map(|frame| frame.map(|f| f.map_err(Into::into))),
            Err(_panicked) => {
                *body = None;
                Poll::Ready(Some(Err("the service panicked".into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}
