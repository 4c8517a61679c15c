//! The library's settings, of the options.

use fullduplex::Error;
use fullduplex::server::ServerConfig;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::{ForwardedHeader, Forwarding, HostPolicy, OriginPolicy};

use super::args::{Args, Forwarded};
use super::listen::Address;

/// What a client is told whose host is not answered because nobody named it.
const ADVICE: &str =
    "on loopback addresses, fdx serve answers for other names than localhost with --host NAME";

impl Args {
    /// What differs from the library's defaults on these addresses, with this many connections in
    /// total, where `None` is any number.
    pub(super) fn server_config(
        &self,
        connections: Option<u32>,
        listening: &[Address],
    ) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::default();
        config.websocket.limits.max_message_size = Some(self.max_message_size);
        config.websocket.deflate = self.deflate.and_then(|setting| setting.0);
        config.subprotocols.clone_from(&self.subprotocol);
        config.origin = self.origins()?;
        config.hosts = self.hosts(listening.iter().all(Address::is_of_this_machine))?;
        config.forwarding = self.forwarding();
        config.handshake.handshake_timeout = self.handshake_timeout;
        let per_address = self.max_per_address.unwrap_or_else(|| share(connections));
        config.limits.connections = ConnectionLimits {
            max_connections: connections,
            max_per_address: (per_address > 0).then_some(per_address),
        };
        config.http2 = self.h2;
        Ok(config)
    }

    /// The hosts that are answered. A server that only this machine reaches has no names but
    /// those that it is told, so that a page whose name was pointed at it (DNS rebinding) doesn't
    /// pass for its own; unless a proxy passes its names on, or any page may connect anyway.
    pub(super) fn hosts(&self, is_of_this_machine: bool) -> Result<HostPolicy, Error> {
        if !self.host.is_empty() {
            return HostPolicy::list_or_local(self.host.iter().map(String::as_str));
        }
        let is_open = self.trusted_proxies.is_some() || self.any_origin;
        let local = HostPolicy::Local { advice: ADVICE.into() };
        Ok(if is_of_this_machine && !is_open { local } else { HostPolicy::Any })
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
    fn limits_allow_one_address_a_quarter_or_256() {
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
