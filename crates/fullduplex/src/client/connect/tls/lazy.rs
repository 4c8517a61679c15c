//! TLS that is set up when it is first needed.

use std::sync::OnceLock;

use crate::base::error::Error;
use crate::client::connect::tls::handshake::TlsContext;
use crate::client::connect::tls::settings::ClientTls;

/// The settings of a client, and what they come to over TCP.
#[derive(Debug, Default)]
pub(crate) struct LazyTls {
    pub(crate) settings: ClientTls,
    contexts: LazyPair<TlsContext>,
}

impl LazyTls {
    pub(crate) fn new(settings: ClientTls) -> Self {
        Self { settings, contexts: LazyPair::default() }
    }

    /// Returns what connects to the client's own server or, where it is anonymous, to others.
    pub(crate) fn context(&self, is_anonymous: bool) -> Result<&TlsContext, Error> {
        self.contexts.get(is_anonymous, || TlsContext::new(&self.settings, is_anonymous))
    }
}

/// Two values that are made when they are first needed: one with the client's certificate, for its
/// own server, and an anonymous one without, for proxies and servers of other origins.
#[derive(Debug)]
pub(crate) struct LazyPair<T> {
    own: OnceLock<T>,
    anonymous: OnceLock<T>,
}

impl<T> Default for LazyPair<T> {
    fn default() -> Self {
        Self { own: OnceLock::new(), anonymous: OnceLock::new() }
    }
}

impl<T> LazyPair<T> {
    /// Returns one of the two. A failure to make it is not kept: the next attempt may find the
    /// system's authorities.
    pub(crate) fn get(
        &self,
        is_anonymous: bool,
        make: impl FnOnce() -> Result<T, Error>,
    ) -> Result<&T, Error> {
        let cell = if is_anonymous { &self.anonymous } else { &self.own };
        if let Some(made) = cell.get() {
            return Ok(made);
        }
        let value = make()?;
        // Where another thread was faster, its value serves both, and so do its tickets.
        Ok(cell.get_or_init(|| value))
    }
}
