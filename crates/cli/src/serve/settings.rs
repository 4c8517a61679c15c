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
        let per_address = self.max_per_address.unwrap_or_else(|| share(connections));
        config.limits.connections = SlotLimits {
            total: connections,
            per_address: (per_address > 0).then_some(per_address),
        };
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

/// How many of so many connections one address may have, where nobody says: not all of them.
fn share(connections: Option<u32>) -> u32 {
    const MOST: u32 = 256;
    connections.map_or(MOST, |all| (all / 4).clamp(1, MOST))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn one_address_has_a_quarter_or_256() {
        for (all, one) in [
            (None, 256),
            (Some(65_536), 256),
            (Some(1024), 256),
            (Some(1023), 255),
            (Some(100), 25),
            (Some(3), 1),
            (Some(1), 1),
        ] {
            assert_eq!(share(all), one, "{all:?}");
        }
    }
}
