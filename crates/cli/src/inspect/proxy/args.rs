//! The options of `fdx inspect --proxy`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Proxy;
use super::authority::AuthorityFiles;
use super::hosts::{HostPattern, HostPort};
use super::leaves::Leaves;
use crate::serve::listen::Address;

/// The variables that name the proxy on the way to targets.
const VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The options of the proxy.
#[derive(Debug, ClapArgs)]
pub(crate) struct ProxyArgs {
    /// Be an HTTP proxy for clients that are set to use one, in place of --to
    ///
    /// A port of 127.0.0.1 or ADDR:PORT; port 0 is any free one. The target is what each client
    /// asks for.
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1,
          default_missing_value = "127.0.0.1:9100", value_parser = tcp_address,
          conflicts_with_all = ["to", "listen", "keep_host", "rewrite_origin", "host", "tls_cert",
                                "tls_key", "tls_self_signed"],
          help_heading = "Proxy")]
    pub(in crate::inspect) proxy: Option<Address>,
    /// Show what is inside the TLS of these hosts, such as '*.example.com' or '*' (repeatable)
    ///
    /// Clients must trust the authority of `fdx inspect ca`. The TLS of other hosts passes without
    /// being looked into.
    #[arg(long, value_name = "PATTERN", requires = "proxy", value_parser = HostPattern::parse,
          help_heading = "Proxy")]
    pub(in crate::inspect) decrypt: Vec<HostPattern>,
    /// The folder of the authority, by default fdx/authority in that for the data of programs
    #[arg(long, value_name = "DIR", requires = "proxy", help_heading = "Proxy")]
    pub(in crate::inspect) ca_dir: Option<PathBuf>,
}

impl ProxyArgs {
    /// Returns the proxy that listens at these addresses. `has_via` says whether the command line
    /// has the proxy on the way to targets.
    pub(in crate::inspect) fn proxy(
        &self,
        addresses: &[Address],
        has_via: bool,
    ) -> Result<Proxy, String> {
        let tcp = |address: &Address| match address {
            Address::Tcp(address) => Some(*address),
            #[cfg(unix)]
            _ => None,
        };
        let own: Vec<SocketAddr> = addresses.iter().filter_map(tcp).collect();
        let variable = |name: &&&str| {
            std::env::var(name).is_ok_and(|url| own.iter().any(|own| is_of(&url, *own)))
        };
        if let Some(name) = VARIABLES.iter().find(variable).filter(|_| !has_via) {
            return Err(format!("{name} is this proxy itself: add --via none"));
        }
        let leaves = if self.decrypt.is_empty() {
            None
        } else {
            let files = AuthorityFiles::new(self.ca_dir.as_deref())?;
            Some(Leaves::new(files.authority()?))
        };
        Ok(Proxy { own, decrypt: self.decrypt.clone(), leaves })
    }
}

/// Returns whether the URL of a proxy leads to this address.
fn is_of(url: &str, own: SocketAddr) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HostPort::parse(authority, Some(80)).is_some_and(|to| {
        let is_local = to.host == "localhost"
            || to.host.parse::<IpAddr>().is_ok_and(|ip| ip == own.ip() || ip.is_loopback());
        to.port == own.port() && is_local
    })
}

/// Parses an address of TCP.
fn tcp_address(text: &str) -> Result<Address, String> {
    match Address::parse(text) {
        Ok(address @ Address::Tcp(_)) => Ok(address),
        _ => Err("an address and a port, such as 127.0.0.1:8080".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_knows_its_own_url() {
        let own = "127.0.0.1:9100".parse().unwrap();
        for (url, is_own) in [
            ("http://127.0.0.1:9100", true),
            ("localhost:9100/", true),
            ("http://u:p@localhost:9100", true),
            ("http://127.0.0.1:9101", false),
            ("http://proxy.example:9100", false),
            ("", false),
        ] {
            assert_eq!(is_of(url, own), is_own, "{url}");
        }
    }
}
