//! The choice of a proxy for a connection: configured, or from the environment.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::base::error::{Error, ErrorKind};
use crate::client::connect::proxy::no_proxy::NoProxy;
use crate::client::connect::proxy::url::Proxy;

/// The variables with the proxy for `ws:`, the first one that is set applies.
const WS_VARIABLES: [&str; 6] =
    ["ws_proxy", "WS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables with the proxy for `wss:`, the first one that is set applies.
const WSS_VARIABLES: [&str; 6] =
    ["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Rules that choose the proxy for a connection.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::{Proxies, Proxy};
///
/// let proxy = Proxy::parse("socks5h://proxy.example")?;
/// let proxies = Proxies::all(proxy).except("localhost, 10.0.0.0/8, .internal.example");
/// let client = Client::builder().proxies(proxies).build()?;
/// let direct = Client::builder().proxies(Proxies::none()).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    ws: Option<SchemeProxy>,
    wss: Option<SchemeProxy>,
    except: NoProxy,
}

/// The proxy setting for one scheme, `ws:` or `wss:`.
#[derive(Clone, Debug)]
struct SchemeProxy {
    /// The environment variable that it was read from, if any.
    variable: Option<&'static str>,
    /// The proxy, or why the variable is not valid.
    proxy: Result<Proxy, String>,
}

/// The proxy chosen for a connection.
#[derive(Clone, Debug)]
pub(crate) struct ChosenProxy {
    pub(crate) proxy: Proxy,
    /// The environment variable that it was read from, if any.
    pub(crate) variable: Option<&'static str>,
}

impl Proxies {
    /// Returns rules without a proxy: every connection is direct.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns rules that use this proxy for every connection.
    pub fn all(proxy: Proxy) -> Self {
        let setting = Some(SchemeProxy { variable: None, proxy: Ok(proxy) });
        Self { ws: setting.clone(), wss: setting, except: NoProxy::default() }
    }

    /// Reads the rules from the environment. This is a client's default.
    ///
    /// The first variable that is set and not empty applies: `WSS_PROXY`, `HTTPS_PROXY`,
    /// `ALL_PROXY` for `wss:`, and `WS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` for `ws:`. Hosts in
    /// `NO_PROXY` are connected to directly. Names in lower case are read first.
    ///
    /// A variable that is not valid, such as one with an unsupported scheme, fails only the
    /// connections that would use it.
    ///
    /// In a CGI program `HTTP_PROXY` in upper case is ignored, as a request's `Proxy` header
    /// would set it.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Reads of the environment what connections of one scheme need, each time anew, as the
    /// program may change it: little where no proxy is set.
    pub(crate) fn from_env_for(secure: bool) -> Self {
        Self::of_scheme(secure, &|name| std::env::var_os(name))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Self {
        Self {
            ws: SchemeProxy::from_variables(&WS_VARIABLES, &get),
            wss: SchemeProxy::from_variables(&WSS_VARIABLES, &get),
            except: NoProxy::from_variables(&get),
        }
    }

    fn of_scheme(secure: bool, get: &impl Fn(&str) -> Option<OsString>) -> Self {
        let names = if secure { &WSS_VARIABLES } else { &WS_VARIABLES };
        let Some(setting) = SchemeProxy::from_variables(names, get) else { return Self::none() };
        let (ws, wss) = if secure { (None, Some(setting)) } else { (Some(setting), None) };
        Self { ws, wss, except: NoProxy::from_variables(get) }
    }

    /// Sets the hosts that are connected to directly, in the format of `NO_PROXY`.
    ///
    /// Entries are separated by commas: a host name, which includes its subdomains, `.suffix` or
    /// `*.suffix` for only the subdomains, an IP address, a network such as `10.0.0.0/8`, or `*`
    /// for all hosts. An entry may end with a port. Invalid entries are ignored.
    #[must_use]
    pub fn except(mut self, list: &str) -> Self {
        self.except = NoProxy::parse(list);
        self
    }

    /// Returns the proxy for a host and port, or `None` for a direct connection.
    pub(crate) fn choose(
        &self,
        secure: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<ChosenProxy>, Error> {
        let setting = if secure { &self.wss } else { &self.ws };
        let setting = setting.as_ref().filter(|_| !self.except.matches(host, port));
        let Some(SchemeProxy { variable, proxy }) = setting else { return Ok(None) };
        match proxy {
            Ok(proxy) => Ok(Some(ChosenProxy { proxy: proxy.clone(), variable: *variable })),
            Err(problem) => {
                let name = variable.unwrap_or_default();
                let message = format!("the environment variable {name}: {problem}");
                Err(Error::new(ErrorKind::Misuse, message))
            }
        }
    }
}

/// Returns the first of these variables that is set and not empty.
fn first_set(
    names: &[&'static str],
    get: &impl Fn(&str) -> Option<OsString>,
) -> Option<(&'static str, OsString)> {
    let value = |name| get(name).filter(|value: &OsString| !value.is_empty());
    let is_cgi = || get("REQUEST_METHOD").is_some();
    names.iter().find_map(|name| {
        let value = value(name)?;
        (*name != "HTTP_PROXY" || !is_cgi()).then_some((*name, value))
    })
}

impl SchemeProxy {
    fn from_variables(
        names: &[&'static str],
        get: &impl Fn(&str) -> Option<OsString>,
    ) -> Option<Self> {
        let (variable, value) = first_set(names, get)?;
        let proxy = match value.into_string() {
            Ok(url) => Proxy::parse(&url).map_err(|error| error.to_string()),
            Err(_) => Err("the proxy's URL is not valid: not UTF-8".to_owned()),
        };
        Some(Self { variable: Some(variable), proxy })
    }
}

impl NoProxy {
    fn from_variables(get: &impl Fn(&str) -> Option<OsString>) -> Self {
        let list = first_set(&["no_proxy", "NO_PROXY"], get);
        list.map(|(_, list)| Self::parse(&list.to_string_lossy())).unwrap_or_default()
    }
}

impl ChosenProxy {
    /// Adds a hint to an error of the proxy, if the environment sets a proxy for this machine
    /// itself. That often happens to programs that only connect locally.
    pub(crate) fn explain(&self, error: Error, host: &str) -> Error {
        match &self.variable {
            Some(variable) if is_loopback(host) => error.with_hint(format!(
                "the environment variable {variable} sets this proxy; to connect to this machine \
                 directly, use NO_PROXY={host}, Proxies::none, or fdx connect --proxy none"
            )),
            _ => error,
        }
    }
}

/// Returns whether the host is this machine (RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3).
fn is_loopback(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.to_canonical().is_loopback();
    }
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::from_variables(|name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
        })
    }

    fn chosen(variables: &[(&str, &str)], secure: bool) -> Option<String> {
        let choose = |proxies: Proxies| {
            let chosen = proxies.choose(secure, "example.com", 443).unwrap();
            chosen.map(|chosen| chosen.proxy.host)
        };
        let chosen = choose(proxies(variables));
        let of_scheme = Proxies::of_scheme(secure, &|name: &str| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into())
        });
        assert_eq!(choose(of_scheme), chosen);
        chosen
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
        assert_eq!(chosen(&[all[0], ("NO_PROXY", "example.com")], true), None);
    }

    #[test]
    fn proxy_variables_count_only_for_their_targets() {
        let is_error = |variables: &[(&str, &str)], secure: bool| {
            let chosen = proxies(variables).choose(secure, "example.com", 443);
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
        assert!(proxies.choose(true, "example.com", 443).unwrap().is_none());
        let error = proxies.choose(false, "example.com", 80).unwrap_err().to_string();
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
}
