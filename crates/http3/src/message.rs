//! Requests and responses as field sections (RFC 9114 §4.2, §4.3, RFC 8441 §4).

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::qpack::Field;

/// What an extended CONNECT asks for: an extension of its [`Request`] (RFC 8441 §4).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectProtocol(Cow<'static, str>);

impl ConnectProtocol {
    /// WebSocket (RFC 9220).
    pub const WEBSOCKET: Self = Self(Cow::Borrowed("websocket"));

    /// Any other protocol.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The value of `:protocol`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const METHOD: &str = ":method";
const SCHEME: &str = ":scheme";
const AUTHORITY: &str = ":authority";
const PATH: &str = ":path";
const PROTOCOL: &str = ":protocol";
const STATUS: &str = ":status";

/// The fields of a request, the pseudo-header fields in front. A `Host` gives way to the
/// authority of the URI.
pub fn request_fields(request: &Request<()>) -> Result<Vec<Field<'_>>, Error> {
    let (method, uri) = (request.method(), request.uri());
    let protocol = request.extensions().get::<ConnectProtocol>();
    let is_connect = method == Method::CONNECT;
    if protocol.is_some() && !is_connect {
        return Err(Error::Misuse("only CONNECT has a protocol (RFC 8441 §4)"));
    }
    let authority = uri.authority().map(Authority::as_str);
    let mut fields = vec![pseudo(METHOD, method.as_str())];
    if !is_connect || protocol.is_some() {
        let scheme = uri.scheme_str().ok_or(Error::Misuse("the URI has no scheme"))?;
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        fields.extend([pseudo(SCHEME, scheme), pseudo(PATH, path)]);
    }
    let authority = authority.ok_or(Error::Misuse("the URI has no host"))?;
    fields.push(pseudo(AUTHORITY, authority));
    fields.extend(protocol.map(|protocol| pseudo(PROTOCOL, protocol.as_str())));
    append(request.headers(), &mut fields)?;
    Ok(fields)
}

/// The fields of a response.
pub fn response_fields(response: &Response<()>) -> Result<Vec<Field<'_>>, Error> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Misuse("HTTP/3 has no 101 (RFC 9114 §4.5)"));
    }
    let mut fields = vec![Field {
        name: STATUS.as_bytes().into(),
        value: response.status().as_str().as_bytes().to_vec().into(),
        is_sensitive: false,
    }];
    append(response.headers(), &mut fields)?;
    Ok(fields)
}

/// The fields of a trailer section.
pub fn trailer_fields(trailers: &HeaderMap) -> Result<Vec<Field<'_>>, Error> {
    let mut fields = Vec::new();
    append(trailers, &mut fields)?;
    Ok(fields)
}

fn pseudo<'a>(name: &'static str, value: &'a str) -> Field<'a> {
    let (name, value) = (name.as_bytes().into(), value.as_bytes().into());
    Field { name, value, is_sensitive: false }
}

fn append<'a>(headers: &'a HeaderMap, fields: &mut Vec<Field<'a>>) -> Result<(), Error> {
    for (name, value) in headers {
        if *name == HOST && fields.iter().any(|field| *field.name == *AUTHORITY.as_bytes()) {
            continue;
        }
        if let Some(why) = forbidden(name, value) {
            return Err(Error::Misuse(why));
        }
        let is_sensitive = value.is_sensitive() || is_secret(name);
        let (name, value) = (name.as_str().as_bytes().into(), value.as_bytes().into());
        fields.push(Field { name, value, is_sensitive });
    }
    Ok(())
}

/// Why it may not stand in a message, if it is about an HTTP/1.1 connection (§4.2).
fn forbidden(name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
    Some(match name.as_str() {
        "connection" => "the field connection has no place in HTTP/3 (RFC 9114 §4.2)",
        "keep-alive" => "the field keep-alive has no place in HTTP/3 (RFC 9114 §4.2)",
        "proxy-connection" => "the field proxy-connection has no place in HTTP/3 (RFC 9114 §4.2)",
        "te" if value != "trailers" => "the field te says more than trailers (RFC 9114 §4.2)",
        "transfer-encoding" => "the field transfer-encoding has no place in HTTP/3 (RFC 9114 §4.2)",
        "upgrade" => "the field upgrade has no place in HTTP/3 (RFC 9114 §4.2)",
        _ => return None,
    })
}

/// What no table is to keep (RFC 9204 §7.1.3). Some clients send a token as a subprotocol.
fn is_secret(name: &HeaderName) -> bool {
    matches!(
        *name,
        AUTHORIZATION | PROXY_AUTHORIZATION | COOKIE | SET_COOKIE | SEC_WEBSOCKET_PROTOCOL
    )
}

/// A malformed message ends its stream (§4.1.2).
const fn malformed(why: &'static str) -> RuleViolation {
    RuleViolation::stream(ErrorCode::MESSAGE_ERROR, why)
}

/// The pseudo-header fields of a message.
#[derive(Default)]
struct PseudoFields<'a> {
    method: Option<&'a str>,
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: Option<&'a str>,
    protocol: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> PseudoFields<'a> {
    fn set(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), RuleViolation> {
        let slot = match std::str::from_utf8(name) {
            Ok(METHOD) => &mut self.method,
            Ok(SCHEME) => &mut self.scheme,
            Ok(AUTHORITY) => &mut self.authority,
            Ok(PATH) => &mut self.path,
            Ok(PROTOCOL) => &mut self.protocol,
            Ok(STATUS) => &mut self.status,
            _ => return Err(malformed("an unknown pseudo-header field (RFC 9114 §4.3)")),
        };
        if slot.is_some() {
            return Err(malformed("a pseudo-header field stands twice (RFC 9114 §4.3)"));
        }
        let value = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
        *slot = Some(value.ok_or(malformed("a pseudo-header field is not ASCII"))?);
        Ok(())
    }
}

/// Pseudo-header fields first, then the others, each of them as it may stand.
fn sort<'a>(fields: &'a [Field<'_>]) -> Result<(PseudoFields<'a>, HeaderMap), RuleViolation> {
    let (mut pseudo, mut headers) = (PseudoFields::default(), HeaderMap::new());
    for field in fields {
        if field.name.first() == Some(&b':') {
            if !headers.is_empty() {
                let why = "a pseudo-header field behind a header field (RFC 9114 §4.3)";
                return Err(malformed(why));
            }
            pseudo.set(&field.name, &field.value)?;
            continue;
        }
        let (name, value) = header(field)?;
        let added = headers.try_append(name, value);
        added.map_err(|_| malformed("more header fields than can be kept"))?;
    }
    Ok((pseudo, headers))
}

fn header(field: &Field<'_>) -> Result<(HeaderName, HeaderValue), RuleViolation> {
    if field.name.iter().any(u8::is_ascii_uppercase) {
        return Err(malformed("a field's name in upper case (RFC 9114 §4.2)"));
    }
    let name = HeaderName::from_bytes(&field.name);
    let name = name.map_err(|_| malformed("a field's name is not valid (RFC 9114 §10.3)"))?;
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_blank(field.value.first()) || is_blank(field.value.last()) {
        return Err(malformed("blanks around a field's value (RFC 9114 §10.3)"));
    }
    let value = HeaderValue::from_bytes(&field.value);
    let mut value = value.map_err(|_| malformed("a field's value is not valid (§10.3)"))?;
    value.set_sensitive(field.is_sensitive || is_secret(&name));
    if let Some(why) = forbidden(&name, &value) {
        return Err(malformed(why));
    }
    Ok((name, value))
}

/// The request that these fields make.
///
/// Its URI has all that the pseudo-header fields say, a missing `:authority` taken from
/// `Host`; an extended CONNECT has its [`ConnectProtocol`] among the extensions. Cookies are joined
/// to one field (RFC 9114 §4.2.1).
pub fn read_request(fields: &[Field<'_>]) -> Result<Request<()>, RuleViolation> {
    let (pseudo, mut headers) = sort(fields)?;
    if pseudo.status.is_some() {
        return Err(malformed("a request with :status (RFC 9114 §4.3)"));
    }
    let method = pseudo.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let method = method.ok_or(malformed("no valid :method (RFC 9114 §4.3.1)"))?;
    let uri = match (&method, pseudo.protocol) {
        (&Method::CONNECT, None) => tunnel_uri(&pseudo)?,
        (&Method::CONNECT, Some(_)) | (_, None) => uri(&method, &pseudo, &headers)?,
        (_, Some(_)) => return Err(malformed(":protocol without CONNECT (RFC 8441 §4)")),
    };
    join_cookies(&mut headers);
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_3;
    *request.headers_mut() = headers;
    if let Some(protocol) = pseudo.protocol {
        request.extensions_mut().insert(ConnectProtocol(Cow::Owned(protocol.to_owned())));
    }
    Ok(request)
}

/// The target of a CONNECT that has no protocol: an authority alone (RFC 9114 §4.4).
fn tunnel_uri(pseudo: &PseudoFields<'_>) -> Result<Uri, RuleViolation> {
    let bad = malformed("CONNECT has :authority, and neither :scheme nor :path (RFC 9114 §4.4)");
    match (pseudo.authority, pseudo.scheme, pseudo.path) {
        (Some(authority), None, None) => {
            Authority::try_from(authority).map(Uri::from).map_err(|_| bad)
        }
        _ => Err(bad),
    }
}

fn uri(
    method: &Method,
    pseudo: &PseudoFields<'_>,
    headers: &HeaderMap,
) -> Result<Uri, RuleViolation> {
    let (Some(scheme), Some(path)) = (pseudo.scheme, pseudo.path) else {
        return Err(malformed("no :scheme, or no :path (RFC 9114 §4.3.1)"));
    };
    let is_path = path.starts_with('/') || path == "*" && method == Method::OPTIONS;
    if !is_path || path.contains('#') {
        return Err(malformed(":path is no path (RFC 9114 §4.3.1)"));
    }
    let mut parts = http::uri::Parts::default();
    let path = PathAndQuery::try_from(path);
    parts.path_and_query = Some(path.map_err(|_| malformed(":path is not valid (§4.3.1)"))?);
    let scheme = Scheme::try_from(scheme);
    parts.scheme = Some(scheme.map_err(|_| malformed(":scheme is not valid (§4.3.1)"))?);
    parts.authority = Some(authority(pseudo, headers)?);
    Uri::from_parts(parts).map_err(|_| malformed("the pseudo-header fields make no URI"))
}

/// RFC 9114 §4.3.1: `:authority` or `Host`, or both with the same value; no user.
fn authority(pseudo: &PseudoFields<'_>, headers: &HeaderMap) -> Result<Authority, RuleViolation> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(malformed("Host stands twice (RFC 9110 §7.2)"));
    }
    let authority = match (pseudo.authority.map(str::as_bytes), host) {
        (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => {
            return Err(malformed(":authority and Host differ (RFC 9114 §4.3.1)"));
        }
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return Err(malformed("neither :authority nor Host (RFC 9114 §4.3.1)")),
    };
    let authority = Authority::try_from(authority).ok();
    authority
        .filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
        .ok_or(malformed(":authority is not valid (RFC 9114 §4.3.1)"))
}

fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// The response that these fields make; it may be an interim one.
pub fn read_response(fields: &[Field<'_>]) -> Result<Response<()>, RuleViolation> {
    // What it would have said may explain more than the rule that it broke.
    let status = |field: &Field<'_>| StatusCode::from_bytes(&field.value).ok();
    let said = fields.iter().find(|field| *field.name == *STATUS.as_bytes()).and_then(status);
    let (pseudo, headers) =
        sort(fields).map_err(|fault| RuleViolation { status: said, ..fault })?;
    let PseudoFields {
        method: None,
        scheme: None,
        authority: None,
        path: None,
        protocol: None,
        status,
    } = pseudo
    else {
        return Err(malformed("a response with a field of requests (RFC 9114 §4.3)"));
    };
    let status = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let status = status.ok_or(malformed("no valid :status (RFC 9114 §4.3.2)"))?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(malformed("HTTP/3 has no 101 (RFC 9114 §4.5)"));
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = http::Version::HTTP_3;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Reads a trailer section.
pub fn read_trailers(fields: &[Field<'_>]) -> Result<HeaderMap, RuleViolation> {
    if fields.iter().any(|field| field.name.first() == Some(&b':')) {
        return Err(malformed("a pseudo-header field in a trailer section (RFC 9114 §4.3)"));
    }
    sort(fields).map(|(_, trailers)| trailers)
}

#[cfg(test)]
mod tests;
