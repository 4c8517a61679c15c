//! Ordinary HTTP on the same port: any `tower_service::Service`.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tower_service::Service;

use super::body::Body;
use super::request::plain;
use crate::client::BoxFuture;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type BoxBody = Pin<Box<dyn HttpBody<Data = Bytes, Error = BoxError> + Send>>;

/// What a service answers.
pub(crate) type Answer = Response<BoxBody>;

/// A service, its types forgotten.
pub(crate) trait Ordinary: Send + Sync {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Answer>;
}

/// Takes a service, a clone of which answers each request, as tower has it.
pub(crate) struct OfService<T>(pub(crate) T);

impl<T, B> Ordinary for OfService<T>
where
    T: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    T::Error: fmt::Display,
    T::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Answer> {
        let mut service = self.0.clone();
        Box::pin(async move {
            if poll_fn(|cx| service.poll_ready(cx)).await.is_err() {
                return full(plain(503, "the service is not ready"));
            }
            match service.call(request).await {
                Ok(response) => response.map(|body| Box::pin(Erased(Box::pin(body))) as BoxBody),
                // What went wrong is for the service to tell, not for the client to know.
                Err(_) => full(plain(500, "the service failed")),
            }
        })
    }
}

/// An answer that is all there.
pub(crate) fn full(response: Response<Bytes>) -> Answer {
    response.map(|bytes| Box::pin(Full::new(bytes)) as BoxBody)
}

/// Content that is all there, and so can't fail, with whatever error is wanted.
pub(crate) struct Full<E>(Option<Bytes>, PhantomData<fn() -> E>);

impl<E> Full<E> {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Some(bytes), PhantomData)
    }
}

impl<E> HttpBody for Full<E> {
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

struct Erased<B>(Pin<Box<B>>);

impl<B> HttpBody for Erased<B>
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
        self.0.as_mut().poll_frame(cx).map(|frame| frame.map(|f| f.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
