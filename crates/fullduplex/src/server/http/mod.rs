//! The HTTP versions of the server, and ordinary HTTP requests on them.

#[cfg(feature = "hyper")]
pub(crate) mod body;
pub(crate) mod context;
#[cfg(feature = "hyper")]
pub(crate) mod http1;
#[cfg(feature = "http2")]
pub(crate) mod http2;
#[cfg(feature = "http3")]
pub(crate) mod http3;
#[cfg(feature = "hyper")]
pub(crate) mod min_rate;
#[cfg(any(feature = "http2", feature = "http3"))]
pub(crate) mod respond_on_stream;
#[cfg(feature = "hyper")]
pub(crate) mod service;
#[cfg(all(feature = "http3", feature = "hyper"))]
pub(crate) mod shared_stream;
#[cfg(feature = "hyper")]
pub(crate) mod upgraded;
