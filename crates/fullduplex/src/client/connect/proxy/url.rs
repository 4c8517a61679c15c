//! A proxy, parsed from its URL.

use std::fmt;

use url::Url;

use crate::base::error::{Error, ErrorKind};
use crate::base::uri::{percent_decoded, split_zone};

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// CONNECT over plain HTTP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS5 (RFC 1928). With `remote` the proxy resolves host names, otherwise the client.
    Socks5 { remote: bool },
}

/// A proxy for outgoing connections.
///
/// Supported schemes are `http://`, `https://`, `socks5://` (the client resolves host names),
/// and `socks5h://` or `socks://` (the proxy resolves them). The URL may have a user and password.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::Proxy;
///
/// let proxy = Proxy::parse("http://user:secret@proxy.example:3128")?;
/// let client = Client::builder().proxy(proxy).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: ProxyScheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) auth: Option<(String, String)>,
}

impl Proxy {
    /// Parses a proxy's URL. The default scheme is `http`.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if it is not valid; the error omits the URL.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        // The error omits the URL, which may have a password.
        let bad = |problem: &str| {
            Error::new(ErrorKind::Misuse, format!("the proxy's URL is not valid: {problem}"))
        };
        let (plain, zone) = split_zone(&full);
        let url = Url::parse(&plain).map_err(|error| bad(&error.to_string()))?;
        let (scheme, default) = match url.scheme() {
            "http" => (ProxyScheme::Http, 80),
            "https" => (ProxyScheme::Https, 443),
            "socks5" => (ProxyScheme::Socks5 { remote: false }, 1080),
            // `socks` is what desktops write for SOCKS5.
            "socks5h" | "socks" => (ProxyScheme::Socks5 { remote: true }, 1080),
            other => {
                let problem = format!("{other} is not http, https, socks5, socks5h or socks");
                return Err(bad(&problem));
            }
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad("no host"))?;
        let mut host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if let Some(zone) = zone {
            host = format!("{host}%{zone}");
        }
        let decode = |text: &str| {
            percent_decoded(text).ok_or_else(|| bad("a bad % in the user or password"))
        };
        let auth = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user)?, decode(password.unwrap_or(""))?)),
        };
        let port = url.port().unwrap_or(default);
        Ok(Self { scheme, host, port, auth })
    }
}

/// Omits the user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            ProxyScheme::Http => "http",
            ProxyScheme::Https => "https",
            ProxyScheme::Socks5 { remote: false } => "socks5",
            ProxyScheme::Socks5 { remote: true } => "socks5h",
        };
        let user = if self.auth.is_some() { "***@" } else { "" };
        write!(f, "{scheme}://{user}{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_urls_are_parsed() {
        let p = |url: &str| {
            let p = Proxy::parse(url).unwrap();
            (p.scheme, p.host, p.port, p.auth)
        };
        let auth = |u: &str, p: &str| Some((u.to_string(), p.to_string()));
        assert_eq!(p("http://h:3128/"), (ProxyScheme::Http, "h".into(), 3128, None));
        assert_eq!(p("h:3128"), (ProxyScheme::Http, "h".into(), 3128, None));
        assert_eq!(p("https://h"), (ProxyScheme::Https, "h".into(), 443, None));
        let socks = ProxyScheme::Socks5 { remote: true };
        assert_eq!(p("socks://h"), (socks, "h".into(), 1080, None));
        assert_eq!(p("socks5h://u%40x:p%3A@[::1]"), (socks, "::1".into(), 1080, auth("u@x", "p:")));
        assert_eq!(p("http://u@h").3, auth("u", ""));
        assert_eq!(p("[fe80::1%25eth0]:3128").1, "fe80::1%eth0");
        for bad in ["ftp://h", "http://", "http://u:%ff@h", "http://u%4@h", ":"] {
            let error = Proxy::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{bad}");
        }
        let shown = format!("{:?}", Proxy::parse("http://user:secret@h").unwrap());
        assert_eq!(shown, "http://***@h:80");
    }
}
