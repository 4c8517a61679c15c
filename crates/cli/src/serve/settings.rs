//! The library's settings, of the options.

use fullduplex::Error;
use fullduplex::server::{
    ForwardedHeader, Forwarding, HostPolicy, OriginPolicy, ServerConfig, SlotLimits,
};

use super::args::{Args, Forwarded};

impl Args {
    /// What differs from the library's defaults, with so many connections in all, where `None`
    /// is any number.
    pub(super) fn server_config(&self, connections: Option<u32>) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::default();
        config.websocket.limits.max_message_size = Some(self.max_message_size);
        config.websocket.deflate = self.deflate.and_then(|setting| setting.0);
        config.protocols.clone_from(&self.subprotocol);
        config.origin = self.origins()?;
        if !self.host.is_empty() {
            config.hosts = HostPolicy::list_or_local(self.host.iter().map(String::as_str))?;
        }
        config.forwarding = self.forwarding();
        config.handshake.handshake_timeout = self.handshake_timeout;
        let any_for_0 = |limit: u32| (limit > 0).then_some(limit);
        config.limits.connections =
            SlotLimits { total: connections, per_address: any_for_0(self.max_per_address) };
        config.http2 = self.h2;
        Ok(config)
    }

    /// Whether connections are encrypted.
    pub(super) fn is_secure(&self) -> bool {
        self.tls_self_signed || !self.tls_cert.is_empty()
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure() { "https" } else { "http" }
    }

    fn origins(&self) -> Result<OriginPolicy, Error> {
        if self.any_origin {
            return Ok(OriginPolicy::DangerousAny);
        }
        if self.origin.is_empty() {
            return Ok(OriginPolicy::SameHost);
        }
        // The server's own page goes on to work, by whatever name it is reached: which names
        // those may be is for --host to say.
        OriginPolicy::list_or_same_host(&self.origin)
    }

    fn forwarding(&self) -> Forwarding {
        let header = match self.forwarded {
            None => ForwardedHeader::Ignore,
            Some(Forwarded::Forwarded) => ForwardedHeader::Forwarded,
            Some(Forwarded::XForwardedFor) => ForwardedHeader::XForwardedFor,
        };
        let trusted = self.trusted_proxies.clone().unwrap_or_default();
        Forwarding { header, trusted, ..Forwarding::default() }
    }
}
