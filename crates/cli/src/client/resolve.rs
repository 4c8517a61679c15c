//! Addresses that the command line gives for names: `--resolve`, `--connect-to`.

use std::io;
use std::net::{IpAddr, SocketAddr};

use clap::Args as ClapArgs;
use fullduplex::client::{BoxFuture, Resolve};

/// The options about addresses.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ResolveArgs {
    /// Use these addresses for a name and port (repeatable); * is any name
    #[arg(long, value_name = "HOST:PORT:ADDR[,ADDR…]",
          value_parser = resolve_rule, help_heading = "Connection")]
    resolve: Vec<ResolveRule>,
    /// Connect to another host and port for a name and port (repeatable)
    ///
    /// Host and TLS keep the first name. An empty HOST1 or PORT1 is any, an empty HOST2 or PORT2
    /// the same. With a proxy that looks names up itself, it has no effect.
    #[arg(long, value_name = "HOST1:PORT1:HOST2:PORT2",
          value_parser = connect_to_rule, help_heading = "Connection")]
    connect_to: Vec<ConnectToRule>,
}

/// The addresses of one name and port.
#[derive(Clone, Debug, PartialEq)]
struct ResolveRule {
    /// `None` is any name.
    host: Option<String>,
    port: u16,
    addresses: Vec<IpAddr>,
}

/// The host and port to connect to in place of others. `None` is any, or the same.
#[derive(Clone, Debug, PartialEq)]
struct ConnectToRule {
    from: (Option<String>, Option<u16>),
    to: (Option<String>, Option<u16>),
}

impl ResolveArgs {
    /// Returns the resolver that the options describe; `None` for that of the system.
    pub(crate) fn resolver(&self) -> Option<impl Resolve + use<>> {
        let is_set = !self.resolve.is_empty() || !self.connect_to.is_empty();
        is_set.then(|| self.clone())
    }

    /// Returns the host and port that are connected to in place of these.
    fn destination<'a>(&'a self, host: &'a str, port: u16) -> (&'a str, u16) {
        let rule = self.connect_to.iter().find(|rule| {
            let (from_host, from_port) = &rule.from;
            from_host.as_ref().is_none_or(|from| from.eq_ignore_ascii_case(host))
                && from_port.is_none_or(|from| from == port)
        });
        let to = rule.map(|rule| (rule.to.0.as_deref(), rule.to.1));
        let (to_host, to_port) = to.unwrap_or_default();
        (to_host.unwrap_or(host), to_port.unwrap_or(port))
    }

    fn addresses(&self, host: &str, port: u16) -> Option<&[IpAddr]> {
        let rule = self.resolve.iter().find(|rule| {
            rule.port == port
                && rule.host.as_ref().is_none_or(|known| known.eq_ignore_ascii_case(host))
        });
        rule.map(|rule| &*rule.addresses)
    }
}

impl Resolve for ResolveArgs {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let (host, port) = self.destination(host, port);
        Box::pin(async move {
            match self.addresses(host, port) {
                Some(addresses) => Ok(addresses.iter().map(|ip| (*ip, port).into()).collect()),
                None => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            }
        })
    }
}

fn resolve_rule(text: &str) -> Result<ResolveRule, String> {
    let wanted = "a name, a port and addresses, such as example.com:443:127.0.0.1";
    // curl's sign of an entry that expires.
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut parts = text.splitn(3, ':');
    let (Some(host), Some(port), Some(addresses)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(wanted.into());
    };
    let port = port.parse().map_err(|_| wanted)?;
    let address = |text: &str| text.trim_matches(['[', ']']).parse().map_err(|_| wanted);
    let addresses: Result<Vec<IpAddr>, _> = addresses.split(',').map(address).collect();
    if host.is_empty() || host.parse::<IpAddr>().is_ok() {
        return Err(wanted.into());
    }
    Ok(ResolveRule { host: (host != "*").then(|| host.into()), port, addresses: addresses? })
}

fn connect_to_rule(text: &str) -> Result<ConnectToRule, String> {
    let wanted = "two hosts, each with a port, such as example.com:443:127.0.0.1:8443";
    let parse = || -> Option<ConnectToRule> {
        let (from_host, rest) = host(text)?;
        let (from_port, rest) = rest.split_once(':')?;
        let (to_host, to_port) = host(rest)?;
        Some(ConnectToRule { from: (from_host, port(from_port)?), to: (to_host, port(to_port)?) })
    };
    let rule = parse().ok_or(wanted)?;
    if rule.from.0.as_ref().is_some_and(|host| host.parse::<IpAddr>().is_ok()) {
        return Err("the first host is a name; an address needs no other".into());
    }
    Ok(rule)
}

/// Splits a host, with or without brackets, from what follows its colon.
fn host(text: &str) -> Option<(Option<String>, &str)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        None => text.split_once(':')?,
    };
    Some(((!host.is_empty()).then(|| host.to_owned()), rest))
}

#[allow(clippy::option_option, reason = "an empty port is any port, a wrong one is an error")]
fn port(text: &str) -> Option<Option<u16>> {
    if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(resolve: &[&str], connect_to: &[&str]) -> ResolveArgs {
        ResolveArgs {
            resolve: resolve.iter().map(|rule| resolve_rule(rule).unwrap()).collect(),
            connect_to: connect_to.iter().map(|rule| connect_to_rule(rule).unwrap()).collect(),
        }
    }

    #[test]
    fn resolve_rules_are_for_a_name_and_port() {
        let args = args(&["A.example:80:127.0.0.1,[::1]", "*:81:127.0.0.2"], &[]);
        let found = |host: &str, port| args.addresses(host, port).map(<[IpAddr]>::len);
        assert_eq!(found("a.example", 80), Some(2));
        assert_eq!(found("b.example", 80), None);
        assert_eq!(found("b.example", 81), Some(1));
        for wrong in ["a", "a:80", "a:80:", "a:x:127.0.0.1", "a:80:b", ":80:127.0.0.1"] {
            assert!(resolve_rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn connect_to_rules_may_have_empty_parts() {
        let args =
            args(&[], &["a.example:443:[::1]:8443", "b.example::c.example:", "::d.example:"]);
        assert_eq!(args.destination("a.example", 443), ("::1", 8443));
        assert_eq!(args.destination("b.example", 5), ("c.example", 5));
        assert_eq!(args.destination("a.example", 80), ("d.example", 80));
        for wrong in ["a", "a:1", "a:1:b", "a:x:b:2", "127.0.0.1:1:b:2"] {
            assert!(connect_to_rule(wrong).is_err(), "{wrong}");
        }
    }
}
