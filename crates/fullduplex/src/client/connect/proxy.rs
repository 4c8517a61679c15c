//! Which proxy a connection goes through: set, or found in the environment.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::base::cidr::Cidr;
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::percent_decoded;
use crate::base::uri::{split_zone, without_zone};

/// What kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyScheme {
    /// CONNECT over plain HTTP.
    Http,
    /// CONNECT over TLS.
    Https,
    /// SOCKS5, with names resolved here or by the proxy.
    Socks5 { remote: bool },
}

/// A proxy: `http://`, `https://`, `socks5://` (names are resolved here), `socks5h://` or
/// `socks://` (by the proxy), with user and password if it wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) scheme: ProxyScheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) auth: Option<(String, String)>,
}

impl Proxy {
    /// Reads a proxy's URL; without a scheme it is `http`.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        // The URL is not shown, as it may have a password.
        let bad = |why: &str| Error::new(ErrorKind::Misuse, format!("a proxy's URL: {why}"));
        let (plain, zone) = split_zone(&full);
        let url = Url::parse(&plain).map_err(|error| bad(&error.to_string()))?;
        let (scheme, default) = match url.scheme() {
            "http" => (ProxyScheme::Http, 80),
            "https" => (ProxyScheme::Https, 443),
            "socks5" => (ProxyScheme::Socks5 { remote: false }, 1080),
            // `socks` is what desktops write for SOCKS5.
            "socks5h" | "socks" => (ProxyScheme::Socks5 { remote: true }, 1080),
            other => {
                let why = format!("{other} is not http, https, socks5, socks5h or socks");
                return Err(bad(&why));
            }
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad("no host"))?;
        let mut host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if let Some(zone) = zone {
            host = format!("{host}%{zone}");
        }
        let decode =
            |text: &str| percent_decoded(text).ok_or_else(|| bad("a bad % in user or password"));
        let auth = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((decode(user)?, decode(password.unwrap_or(""))?)),
        };
        let port = url.port().unwrap_or(default);
        Ok(Self { scheme, host, port, auth })
    }
}

/// Never shows the password.
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

/// Which proxy is used for which target.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    ws: Option<SchemeProxy>,
    wss: Option<SchemeProxy>,
    except: NoProxy,
}

/// What was set for the targets of a scheme.
#[derive(Clone, Debug)]
struct SchemeProxy {
    /// The variable of the environment that has it, if one does.
    variable: Option<String>,
    /// The proxy, or what is wrong with the variable.
    proxy: Result<Proxy, String>,
}

/// The proxy for a target.
#[derive(Clone, Debug)]
pub(crate) struct ChosenProxy {
    pub(crate) proxy: Proxy,
    /// The variable of the environment that has it, if one does.
    pub(crate) variable: Option<String>,
}

impl Proxies {
    /// None: every connection is direct.
    pub fn none() -> Self {
        Self::default()
    }

    /// This one for every target.
    pub fn all(proxy: Proxy) -> Self {
        let setting = Some(SchemeProxy { variable: None, proxy: Ok(proxy) });
        Self { ws: setting.clone(), wss: setting, except: NoProxy::default() }
    }

    /// What the environment says: `WSS_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` for `wss:`, and
    /// `WS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` for `ws:`, the first that is set, in small or
    /// capital letters; and `NO_PROXY`. This is a client's default.
    ///
    /// A variable that can't be used, such as one that names another kind of proxy, is an error
    /// of the connections that would go through it, and of no others.
    ///
    /// `HTTP_PROXY` in capital letters is not looked at in a CGI program, where a request's
    /// `Proxy` header would set it.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Self {
        let is_cgi = get("REQUEST_METHOD").is_some();
        let get = |name: &str| {
            let capital = name.to_uppercase();
            let names =
                [Some(name.to_owned()), (capital != "HTTP_PROXY" || !is_cgi).then_some(capital)];
            let mut set = names.into_iter().flatten().filter_map(|name| {
                let value = get(&name).filter(|value| !value.is_empty())?;
                Some((name, value))
            });
            set.next()
        };
        let first = |names: [&str; 3]| {
            let (variable, value) = names.into_iter().find_map(get)?;
            let proxy = match value.into_string() {
                Ok(url) => Proxy::parse(&url).map_err(|error| error.to_string()),
                Err(_) => Err("a proxy's URL: not UTF-8".to_owned()),
            };
            Some(SchemeProxy { variable: Some(variable), proxy })
        };
        let except = get("no_proxy").map(|(_, list)| NoProxy::parse(&list.to_string_lossy()));
        Self {
            ws: first(["ws_proxy", "http_proxy", "all_proxy"]),
            wss: first(["wss_proxy", "https_proxy", "all_proxy"]),
            except: except.unwrap_or_default(),
        }
    }

    /// Sets the targets that are reached directly, as `NO_PROXY` does: hosts, which stand
    /// for their subdomains too, `.suffix` or `*.suffix`, addresses, networks such as
    /// `10.0.0.0/8`, each with or without a port, and `*`; between commas.
    #[must_use]
    pub fn except(mut self, list: &str) -> Self {
        self.except = NoProxy::parse(list);
        self
    }

    /// The proxy for a target, if it has one.
    pub(crate) fn of(
        &self,
        secure: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<ChosenProxy>, Error> {
        let setting = if secure { &self.wss } else { &self.ws };
        let setting = setting.as_ref().filter(|_| !self.except.matches(host, port));
        let Some(SchemeProxy { variable, proxy }) = setting else { return Ok(None) };
        match proxy {
            Ok(proxy) => Ok(Some(ChosenProxy { proxy: proxy.clone(), variable: variable.clone() })),
            Err(why) => {
                let name = variable.as_deref().unwrap_or_default();
                let why = format!("the environment variable {name}: {why}");
                Err(Error::new(ErrorKind::Misuse, why))
            }
        }
    }
}

impl ChosenProxy {
    /// A failure on the way through the proxy. Programs for this machine alone meet proxies
    /// that the environment sets for the network.
    pub(crate) fn explain(&self, error: Error, host: &str) -> Error {
        match &self.variable {
            Some(variable) if is_loopback(host) => error.with_hint(format!(
                "the environment variable {variable} sets this proxy; this machine is reached \
                 directly with NO_PROXY={host}, Proxies::none, or fdx connect --proxy none"
            )),
            _ => error,
        }
    }
}

/// Whether the host is this machine (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// The targets that are reached directly.
#[derive(Clone, Debug, Default)]
struct NoProxy(Vec<(NoProxyPattern, Option<u16>)>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum NoProxyPattern {
    All,
    /// A name and, with its dot, what ends so.
    Name(String),
    /// What ends so, but not the name itself.
    Suffix(String),
    Network(Cidr),
}

impl NoProxy {
    fn parse(list: &str) -> Self {
        let words = list.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
        Self(words.filter_map(entry).collect())
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        let host = without_zone(host).trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        self.0.iter().any(|(pattern, at)| {
            at.is_none_or(|at| at == port)
                && match pattern {
                    NoProxyPattern::All => true,
                    NoProxyPattern::Name(name) => {
                        address.is_none()
                            && host
                                .strip_suffix(&**name)
                                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
                    }
                    NoProxyPattern::Suffix(suffix) => {
                        address.is_none() && host.ends_with(&**suffix)
                    }
                    NoProxyPattern::Network(network) => {
                        address.is_some_and(|address| network.contains(address))
                    }
                }
        })
    }
}

/// One entry; what can't be read is passed over, as others do.
fn entry(word: &str) -> Option<(NoProxyPattern, Option<u16>)> {
    if word == "*" {
        return Some((NoProxyPattern::All, None));
    }
    if let Some(slash) = word.find('/') {
        let (network, port) = match word[slash..].find(':') {
            Some(colon) => {
                let (network, port) = word.split_at(slash + colon);
                (network, Some(port[1..].parse().ok()?))
            }
            None => (word, None),
        };
        return Some((NoProxyPattern::Network(Cidr::parse(network)?), port));
    }
    if let Some(network) = Cidr::parse(word) {
        return Some((NoProxyPattern::Network(network), None));
    }
    let (host, port) = match word.rsplit_once(':') {
        _ if word.ends_with(']') => (word, None),
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (word, None),
    };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let pattern = match host.strip_prefix('*').unwrap_or(&host) {
        suffix if suffix.starts_with('.') => match Host::parse(&suffix[1..]).ok()? {
            // As it stands in a URL: names of other scripts in Punycode.
            Host::Domain(name) => NoProxyPattern::Suffix(format!(".{name}")),
            _ => return None,
        },
        _ => match Host::parse(&host).ok()? {
            Host::Domain(name) => NoProxyPattern::Name(name),
            Host::Ipv4(ip) => NoProxyPattern::Network(IpAddr::from(ip).into()),
            Host::Ipv6(ip) => NoProxyPattern::Network(IpAddr::from(ip).into()),
        },
    };
    Some((pattern, port))
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

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
        })
    }

    fn chosen(variables: &[(&str, &str)], secure: bool) -> Option<String> {
        let chosen = proxies(variables).of(secure, "example.com", 443).unwrap();
        chosen.map(|chosen| chosen.proxy.host)
    }

    #[test]
    fn proxy_variables_are_read_in_order() {
        let all = [
            ("ALL_PROXY", "http://all"),
            ("HTTPS_PROXY", "http://https"),
            ("wss_proxy", "http://wss"),
            ("http_proxy", "http://http"),
        ];
        assert_eq!(chosen(&all, true).as_deref(), Some("wss"));
        assert_eq!(chosen(&all[..2], true).as_deref(), Some("https"));
        assert_eq!(chosen(&all[..2], false).as_deref(), Some("all"));
        assert_eq!(chosen(&all, false).as_deref(), Some("http"));
        assert_eq!(chosen(&[("HTTP_PROXY", "h"), ("REQUEST_METHOD", "GET")], false), None);
        assert_eq!(
            chosen(&[("http_proxy", "h"), ("REQUEST_METHOD", "GET")], false),
            Some("h".into())
        );
        assert_eq!(chosen(&[("HTTPS_PROXY", "")], true), None);
    }

    #[test]
    fn proxy_variables_count_only_for_their_targets() {
        let is_error = |variables: &[(&str, &str)], secure: bool| {
            let chosen = proxies(variables).of(secure, "example.com", 443);
            chosen.err().map(|error| error.to_string())
        };
        let bad = ("ALL_PROXY", "socks4://me:secret@p");
        let error = is_error(&[bad], true).unwrap();
        assert!(error.contains("ALL_PROXY") && error.contains("socks4"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        for list in ["example.com", "*", ".net, example.com:443"] {
            assert_eq!(is_error(&[bad, ("no_proxy", list)], true), None, "{list}");
        }
        // What the other scheme would use.
        assert_eq!(is_error(&[bad, ("http_proxy", "http://p")], false), None);
        assert_eq!(is_error(&[("https_proxy", "ftp://p")], false), None);
        assert!(is_error(&[("https_proxy", "ftp://p")], true).unwrap().contains("https_proxy"));
        // What a variable of more weight hides.
        assert_eq!(is_error(&[bad, ("wss_proxy", "http://p")], true), None);
    }

    #[cfg(unix)]
    #[test]
    fn proxy_variables_that_are_not_text_are_reported() {
        use std::os::unix::ffi::OsStringExt as _;
        let proxies = Proxies::from_variables(|name| {
            (name == "http_proxy").then(|| OsString::from_vec(b"http://\xff".to_vec()))
        });
        assert!(proxies.of(true, "example.com", 443).unwrap().is_none());
        let error = proxies.of(false, "example.com", 80).unwrap_err().to_string();
        assert!(error.contains("http_proxy") && error.contains("UTF-8"), "{error}");
    }

    #[test]
    fn proxy_hints_are_for_this_machine() {
        for host in
            ["localhost", "a.LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "notlocalhost", "128.0.0.1", "::2", "example.com"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn proxy_exceptions_match_hosts_networks_and_ports() {
        for (list, host, port, direct) in [
            ("", "a.example", 80, false),
            ("*", "a.example", 80, true),
            ("a.example", "a.example", 80, true),
            ("a.example", "A.EXAMPLE.", 80, true),
            ("a.example", "b.a.example", 80, true),
            ("a.example", "ba.example", 80, false),
            (".a.example", "b.a.example", 80, true),
            (".a.example", "a.example", 80, false),
            ("*.a.example", "b.a.example", 80, true),
            ("*.münchen.example", "a.xn--mnchen-3ya.example", 80, true),
            (".MÜNCHEN.example:80", "a.xn--mnchen-3ya.example", 80, true),
            ("*.münchen.example", "xn--mnchen-3ya.example", 80, false),
            ("münchen.example", "a.xn--mnchen-3ya.example", 80, true),
            ("*.münchen.example", "a.munchen.example", 80, false),
            (".., *., .1, *.a..", "1", 80, false),
            ("x,  a.example:8080 ,y", "a.example", 8080, true),
            ("a.example:8080", "a.example", 80, false),
            ("10.0.0.0/8", "10.200.3.4", 80, true),
            ("10.0.0.0/8", "11.0.0.1", 80, false),
            ("0.0.0.0/0", "8.8.8.8", 80, true),
            ("0.0.0.0/0", "::1", 80, false),
            ("127.0.0.1", "127.0.0.1", 80, true),
            ("127.0.0.1:81", "127.0.0.1", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]:80", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("a.example.", "a.example", 80, true),
            ("x\ta.example\ny", "a.example", 80, true),
            ("10.0.0.0/8:80", "10.1.1.1", 80, true),
            ("10.0.0.0/8:80", "10.1.1.1", 81, false),
            ("fe80::/10", "fe80::1", 80, true),
            ("fe80::/10", "fe80::1%eth0", 80, true),
            ("fe80::/10", "::1", 80, false),
            ("1", "10.0.0.1", 80, false),
            ("10.0.0.0/33, /, :, a:b", "10.0.0.1", 80, false),
        ] {
            assert_eq!(
                NoProxy::parse(list).matches(host, port),
                direct,
                "{list} for {host}:{port}"
            );
        }
    }
}
