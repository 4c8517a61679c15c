//! TLS configurations that are built when they are first needed.

use std::sync::OnceLock;

use crate::base::error::Error;
use crate::client::connect::tls::config::LoadedTls;
use crate::client::connect::tls::handshake::TlsContext;

/// TLS settings and the configurations built from them for TCP.
#[derive(Debug, Default)]
pub(crate) struct LazyTls {
    pub(crate) settings: LoadedTls,
    contexts: LazyPair<TlsContext>,
}

impl LazyTls {
    pub(crate) fn new(settings: LoadedTls) -> Self {
        Self { settings, contexts: LazyPair::default() }
    }

    /// Returns the configuration for the origin server or, if `is_anonymous`, for proxies and
    /// other origins.
    pub(crate) fn context(&self, is_anonymous: bool) -> Result<&TlsContext, Error> {
        self.contexts.get(is_anonymous, || TlsContext::new(&self.settings, is_anonymous))
    }
}

/// Two values that are built when they are first needed: one with the client's certificate for
/// the origin server, and an anonymous one without it for proxies and other origins.
#[derive(Debug)]
pub(crate) struct LazyPair<T> {
    origin_server: OnceLock<T>,
    anonymous: OnceLock<T>,
}

impl<T> Default for LazyPair<T> {
    fn default() -> Self {
        Self { origin_server: OnceLock::new(), anonymous: OnceLock::new() }
    }
}

impl<T> LazyPair<T> {
    /// Returns one of the two, and builds it if needed. An error is not cached: a later attempt
    /// may find the system's certificate authorities.
    pub(crate) fn get(
        &self,
        is_anonymous: bool,
        build: impl FnOnce() -> Result<T, Error>,
    ) -> Result<&T, Error> {
        let cell = if is_anonymous { &self.anonymous } else { &self.origin_server };
        if let Some(value) = cell.get() {
            return Ok(value);
        }
        let value = build()?;
        // If another thread was faster, its value and its session tickets are used.
        Ok(cell.get_or_init(|| value))
    }
}
