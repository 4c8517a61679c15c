//! The environment variables that describe a request, as CGI has them (RFC 3875 §4.1).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use fullduplex::server::ConnectInfo;
use http::header::{COOKIE, HOST, HeaderName};
use http::{HeaderMap, HeaderValue, Request};
use percent_encoding::percent_decode_str;

/// The names and values of environment variables.
pub(super) type Variables = Vec<(String, OsString)>;

/// Returns the variables that describe a request.
pub(super) fn of_request(request: &Request<()>, info: Option<&ConnectInfo>) -> Variables {
    let uri = request.uri();
    let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str());
    let fields = request.headers();
    let host = fields.get(HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(http::uri::Authority::as_str).or(host).unwrap_or_default();
    let mut variables: Variables = of_fields(fields);
    let mut set = |name: &str, value: &str| variables.push((name.to_owned(), value.into()));
    set("GATEWAY_INTERFACE", "CGI/1.1");
    set("SERVER_SOFTWARE", concat!("fdx/", env!("CARGO_PKG_VERSION")));
    set("SERVER_PROTOCOL", &format!("{:?}", request.version()));
    // HTTP/2 and HTTP/3 have CONNECT in its place (RFC 8441 §4), which is of no use to a program.
    set("REQUEST_METHOD", "GET");
    set("REQUEST_URI", path_and_query);
    set("QUERY_STRING", uri.query().unwrap_or_default());
    set("SCRIPT_NAME", "");
    set("SERVER_NAME", without_port(host));
    set("HTTP_HOST", host);
    let client = info.map(|info| &info.client);
    let ip = client.and_then(|client| client.ip).map(|ip| ip.to_string());
    let address = ip.or_else(|| client?.hidden.clone()).unwrap_or_default();
    set("REMOTE_ADDR", &address);
    set("REMOTE_HOST", &address);
    if let Some(port) = client.and_then(|client| client.port) {
        set("REMOTE_PORT", &port.to_string());
    }
    if info.is_some_and(|info| info.secure) {
        set("HTTPS", "on");
    }
    let path: Vec<u8> = percent_decode_str(uri.path()).collect();
    // A variable can't have a NUL byte.
    if !path.contains(&0) {
        variables.push(("PATH_INFO".into(), OsString::from_vec(path)));
    }
    variables
}

/// Returns the variables of this process that a command must not inherit: those of another request.
pub(super) fn inherited() -> impl Iterator<Item = OsString> {
    let is_of_request = |name: &OsString| {
        let name = name.as_bytes();
        let is_field = name.starts_with(b"HTTP_") && name != b"HTTP_PROXY";
        is_field || name.starts_with(b"REMOTE_") || name == b"HTTPS" || name == b"PATH_INFO"
    };
    std::env::vars_os().map(|(name, _)| name).filter(is_of_request)
}

/// Returns the variables of the header fields: HTTP_ and the name in capitals, with _ for -. The
/// values of several fields of one name are joined.
fn of_fields(fields: &HeaderMap) -> Variables {
    let mut variables = Variables::new();
    for name in fields.keys().filter(|name| is_passed(name)) {
        let separator: &[u8] = if *name == COOKIE { b"; " } else { b", " };
        let values: Vec<&[u8]> = fields.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        let variable = format!("HTTP_{}", name.as_str().to_ascii_uppercase().replace('-', "_"));
        let value = OsStr::from_bytes(&values.join(separator)).to_owned();
        variables.push((variable, value));
    }
    variables
}

/// Whether a program gets to see a field. Not `Proxy`, which would be HTTP_PROXY, by which many
/// programs choose their proxy; not `Host`, which the variables have anyway; and no name with an
/// underscore, which would be taken for the one with a hyphen.
fn is_passed(name: &HeaderName) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !matches!(name.as_str(), "proxy" | "host") && name.as_str().bytes().all(is_plain)
}

/// Returns the host of `host:port`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(request: http::request::Builder) -> Variables {
        of_request(&request.body(()).unwrap(), None)
    }

    fn value<'v>(variables: &'v Variables, name: &str) -> Option<&'v str> {
        let mut found = variables.iter().filter(|(other, _)| other == name);
        let first = found.next().map(|(_, value)| value.to_str().unwrap());
        assert!(found.next().is_none(), "{name} twice");
        first
    }

    #[test]
    fn environment_has_the_request_and_its_fields() {
        let request = Request::get("/a%20b?c=d%20e")
            .header("host", "[::1]:80")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-list", "1")
            .header("x-list", "2");
        let all = variables(request);
        for (name, expected) in [
            ("REQUEST_URI", "/a%20b?c=d%20e"),
            ("PATH_INFO", "/a b"),
            ("QUERY_STRING", "c=d%20e"),
            ("SERVER_NAME", "[::1]"),
            ("HTTP_HOST", "[::1]:80"),
            ("HTTP_COOKIE", "a=1; b=2"),
            ("HTTP_X_LIST", "1, 2"),
            ("REQUEST_METHOD", "GET"),
            ("REMOTE_ADDR", ""),
        ] {
            assert_eq!(value(&all, name), Some(expected), "{name}");
        }
        assert_eq!(value(&all, "HTTPS"), None);
    }

    #[test]
    fn environment_has_no_field_that_passes_for_another() {
        let request = Request::get("/%00").header("proxy", "evil").header("x_a", "evil");
        let all = variables(request.header("x-a", "good").header("x!a", "evil"));
        assert!(!all.iter().any(|(_, value)| value == "evil"), "{all:?}");
        assert_eq!(value(&all, "HTTP_X_A"), Some("good"));
        assert_eq!(value(&all, "HTTP_PROXY"), None);
        assert_eq!(value(&all, "PATH_INFO"), None);
    }
}
