//! The library's settings that the options ask for.

use fullduplex::Error;
use fullduplex::server::ServerConfig;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::{ForwardedHeader, Forwarding, HostPolicy, OriginPolicy};

use super::args::{Args, Forwarded};
use super::listen::Address;
use super::tls::TlsOptions;
use crate::relay::CLOSE_TIMEOUT;

/// The hint in the response to a client that asks for a host that is not configured.
const HOST_ADVICE: &str = "on loopback addresses, with --exec and with --forward, fdx serve \
                           answers for other names than localhost with --host NAME";

/// The highest default of `--max-per-address`.
const MAX_PER_ADDRESS: u32 = 256;

impl Args {
    /// Returns the server's settings for these addresses, with at most `connections` connections in
    /// total; `None` for no limit.
    pub(super) fn server_config(
        &self,
        connections: Option<u32>,
        listening: &[Address],
    ) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::default();
        config.websocket.limits.max_message_size = Some(self.max_message_size);
        config.websocket.deflate = self.deflate.and_then(|setting| setting.0);
        if !self.forward.forward.is_empty() {
            // The handler ends what is half-closed.
            config.websocket.close_timeout = self.forward.half_close_timeout() + CLOSE_TIMEOUT;
        }
        config.subprotocols.clone_from(&self.subprotocol);
        config.origin_policy = self.origins()?;
        // No page of a name that resolves to this server may do what a client may.
        let has_power = self.power_of_clients().is_some();
        let is_local = has_power || listening.iter().all(Address::is_local);
        config.host_policy = self.hosts(is_local)?;
        config.forwarding = self.forwarding();
        config.handshake_limits.handshake_timeout = self.handshake_timeout;
        let per_address = self.max_per_address.unwrap_or_else(|| default_per_address(connections));
        config.limits.connections = ConnectionLimits::default()
            .max_connections(connections)
            .max_per_address((per_address > 0).then_some(per_address));
        config.http2 = self.h2;
        Ok(config)
    }

    /// Returns the hosts that are served. A server on loopback addresses serves only the names that
    /// are configured, so that a page of a name that resolves to it (DNS rebinding) is rejected;
    /// unless a proxy forwards its own names, or pages of any origin may connect anyway.
    pub(super) fn hosts(&self, is_local: bool) -> Result<HostPolicy, Error> {
        if !self.host.is_empty() {
            return HostPolicy::list_or_local(self.host.iter().map(String::as_str));
        }
        let is_open = self.trusted_proxies.is_some() || self.any_origin;
        let local = HostPolicy::Local { advice: HOST_ADVICE.into() };
        Ok(if is_local && !is_open { local } else { HostPolicy::Any })
    }

    /// Returns what a client can do besides exchanging messages, in words; `None` for nothing.
    pub(super) fn power_of_clients(&self) -> Option<&'static str> {
        #[cfg(unix)]
        if self.exec.exec.is_some() {
            return Some("run the command of --exec");
        }
        let forwards = !self.forward.forward.is_empty();
        forwards.then_some("connect to the target of --forward")
    }

    /// Whether the server uses TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.tls_self_signed.is_some() || !self.tls_cert.is_empty()
    }

    /// Returns the options of TLS.
    pub(super) fn tls(&self) -> TlsOptions<'_> {
        TlsOptions {
            tls_cert: &self.tls_cert,
            tls_key: &self.tls_key,
            tls_self_signed: self.tls_self_signed.as_ref(),
            tls_client_ca: self.tls_client_ca.as_deref(),
            host: &self.host,
        }
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
        // The server's own page must still work by any name of the server; `--host` restricts the
        // names.
        OriginPolicy::list_or_same_host(&self.origin)
    }

    fn forwarding(&self) -> Forwarding {
        let header = match self.forwarded {
            None => ForwardedHeader::Ignore,
            Some(Forwarded::Forwarded) => ForwardedHeader::Forwarded,
            Some(Forwarded::XForwardedFor) => ForwardedHeader::XForwardedFor,
        };
        let trusted = self.trusted_proxies.clone().unwrap_or_default();
        Forwarding::default().header(header).trusted(trusted)
    }
}

/// Returns the default of `--max-per-address`: a quarter of all connections, at most 256.
fn default_per_address(connections: Option<u32>) -> u32 {
    connections.map_or(MAX_PER_ADDRESS, |all| (all / 4).clamp(1, MAX_PER_ADDRESS))
}

#[cfg(test)]
mod tests {
    use super::default_per_address;

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
            assert_eq!(default_per_address(all), one, "{all:?}");
        }
    }
}
