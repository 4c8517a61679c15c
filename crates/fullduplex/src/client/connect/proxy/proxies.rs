//! Which proxy a connection goes through: set, or found in the environment.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::base::error::{Error, ErrorKind};
use crate::client::connect::proxy::no_proxy::NoProxy;
use crate::client::connect::proxy::url::Proxy;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
