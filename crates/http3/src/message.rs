//! The conversion of requests and responses to and from fields (RFC 9114 §4.2, §4.3, RFC 8441 §4).

use std::borrow::Cow;

use http::header::{
    AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};

use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::qpack::Field;

const METHOD: &str = ":method";
const SCHEME: &str = ":scheme";
const AUTHORITY: &str = ":authority";
const PATH: &str = ":path";
const PROTOCOL: &str = ":protocol";
const STATUS: &str = ":status";

/// The protocol of an extended CONNECT (RFC 8441 §4). It is an extension of the [`Request`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectProtocol(Cow<'static, str>);

impl ConnectProtocol {
    /// WebSocket (RFC 9220).
    pub const WEBSOCKET: Self = Self(Cow::Borrowed("websocket"));

    /// Creates a protocol from its name.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Returns the value of `:protocol`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the fields of a request, with the pseudo-header fields first. The authority of the URI
/// replaces a `Host` field.
///
/// # Errors
/// [`Error::Misuse`] if the request is not valid in HTTP/3.
pub fn request_fields(request: &Request<()>) -> Result<Vec<Field<'_>>, Error> {
    let (method, uri) = (request.method(), request.uri());
    let protocol = request.extensions().get::<ConnectProtocol>();
    let is_connect = method == Method::CONNECT;
    if protocol.is_some() && !is_connect {
        return Err(Error::Misuse("only CONNECT may have a protocol (RFC 8441 §4)"));
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
    append_fields(request.headers(), &mut fields)?;
    Ok(fields)
}

/// Returns the fields of a response.
///
/// # Errors
/// [`Error::Misuse`] if the response is not valid in HTTP/3.
pub fn response_fields(response: &Response<()>) -> Result<Vec<Field<'_>>, Error> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Misuse("HTTP/3 has no 101 (RFC 9114 §4.5)"));
    }
    let mut fields = vec![Field {
        name: STATUS.as_bytes().into(),
        value: response.status().as_str().as_bytes().to_vec().into(),
        is_sensitive: false,
    }];
    append_fields(response.headers(), &mut fields)?;
    Ok(fields)
}

/// Returns the fields of a trailer section.
///
/// # Errors
/// [`Error::Misuse`] if a field is not valid in HTTP/3.
pub fn trailer_fields(trailers: &HeaderMap) -> Result<Vec<Field<'_>>, Error> {
    let mut fields = Vec::new();
    append_fields(trailers, &mut fields)?;
    Ok(fields)
}

fn pseudo<'a>(name: &'static str, value: &'a str) -> Field<'a> {
    let (name, value) = (name.as_bytes().into(), value.as_bytes().into());
    Field { name, value, is_sensitive: false }
}

fn append_fields<'a>(headers: &'a HeaderMap, fields: &mut Vec<Field<'a>>) -> Result<(), Error> {
    for (name, value) in headers {
        if *name == HOST && fields.iter().any(|field| *field.name == *AUTHORITY.as_bytes()) {
            continue;
        }
        if let Some(reason) = connection_field_error(name, value) {
            return Err(Error::Misuse(reason));
        }
        let is_sensitive = value.is_sensitive() || is_sensitive_name(name);
        let (name, value) = (name.as_str().as_bytes().into(), value.as_bytes().into());
        fields.push(Field { name, value, is_sensitive });
    }
    Ok(())
}

/// Returns the error of a field that is specific to an HTTP/1.1 connection (§4.2).
fn connection_field_error(name: &HeaderName, value: &HeaderValue) -> Option<&'static str> {
    Some(match name.as_str() {
        "connection" => "the field connection is not allowed in HTTP/3 (RFC 9114 §4.2)",
        "keep-alive" => "the field keep-alive is not allowed in HTTP/3 (RFC 9114 §4.2)",
        "proxy-connection" => "the field proxy-connection is not allowed in HTTP/3 (RFC 9114 §4.2)",
        "te" if value != "trailers" => "the field te must be trailers in HTTP/3 (RFC 9114 §4.2)",
        "transfer-encoding" => {
            "the field transfer-encoding is not allowed in HTTP/3 (RFC 9114 §4.2)"
        }
        "upgrade" => "the field upgrade is not allowed in HTTP/3 (RFC 9114 §4.2)",
        _ => return None,
    })
}

/// Returns whether fields of this name must not be put in a table (RFC 9204 §7.1.3). Some clients
/// send a secret token as a subprotocol.
fn is_sensitive_name(name: &HeaderName) -> bool {
    matches!(
        *name,
        AUTHORIZATION | PROXY_AUTHORIZATION | COOKIE | SET_COOKIE | SEC_WEBSOCKET_PROTOCOL
    )
}

/// Creates the error of a malformed message, which ends its stream (§4.1.2).
const fn malformed(reason: &'static str) -> RuleViolation {
    RuleViolation::stream_error(ErrorCode::MESSAGE_ERROR, reason)
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
        let field = match std::str::from_utf8(name) {
            Ok(METHOD) => &mut self.method,
            Ok(SCHEME) => &mut self.scheme,
            Ok(AUTHORITY) => &mut self.authority,
            Ok(PATH) => &mut self.path,
            Ok(PROTOCOL) => &mut self.protocol,
            Ok(STATUS) => &mut self.status,
            _ => return Err(malformed("an unknown pseudo-header field (RFC 9114 §4.3)")),
        };
        if field.is_some() {
            return Err(malformed("a pseudo-header field is repeated (RFC 9114 §4.3)"));
        }
        let value = std::str::from_utf8(value).ok().filter(|text| text.is_ascii());
        *field = Some(value.ok_or(malformed("a pseudo-header field is not ASCII"))?);
        Ok(())
    }
}

/// Checks fields, and splits them into pseudo-header fields, which come first, and header fields.
fn split_fields<'a>(
    fields: &'a [Field<'_>],
) -> Result<(PseudoFields<'a>, HeaderMap), RuleViolation> {
    let (mut pseudo, mut headers) = (PseudoFields::default(), HeaderMap::new());
    for field in fields {
        if field.name.first() == Some(&b':') {
            if !headers.is_empty() {
                let reason = "a pseudo-header field after a header field (RFC 9114 §4.3)";
                return Err(malformed(reason));
            }
            pseudo.set(&field.name, &field.value)?;
            continue;
        }
        let (name, value) = parse_field(field)?;
        let added = headers.try_append(name, value);
        added.map_err(|_| malformed("too many header fields"))?;
    }
    Ok((pseudo, headers))
}

fn parse_field(field: &Field<'_>) -> Result<(HeaderName, HeaderValue), RuleViolation> {
    if field.name.iter().any(u8::is_ascii_uppercase) {
        return Err(malformed("a field name in upper case (RFC 9114 §4.2)"));
    }
    let name = HeaderName::from_bytes(&field.name);
    let name = name.map_err(|_| malformed("invalid field name (RFC 9114 §10.3)"))?;
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_blank(field.value.first()) || is_blank(field.value.last()) {
        return Err(malformed("whitespace around a field value (RFC 9114 §10.3)"));
    }
    let value = HeaderValue::from_bytes(&field.value);
    let mut value = value.map_err(|_| malformed("invalid field value (RFC 9114 §10.3)"))?;
    value.set_sensitive(field.is_sensitive || is_sensitive_name(&name));
    if let Some(reason) = connection_field_error(&name, &value) {
        return Err(malformed(reason));
    }
    Ok((name, value))
}

/// Converts the fields of a request.
///
/// The URI is made of the pseudo-header fields; a missing `:authority` is taken from `Host`. An
/// extended CONNECT has a [`ConnectProtocol`] among its extensions. Cookies are joined to one field
/// (RFC 9114 §4.2.1).
///
/// # Errors
/// If the request is malformed.
pub fn read_request(fields: &[Field<'_>]) -> Result<Request<()>, RuleViolation> {
    let (pseudo, mut headers) = split_fields(fields)?;
    if pseudo.status.is_some() {
        return Err(malformed("a request with :status (RFC 9114 §4.3)"));
    }
    let method = pseudo.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let method = method.ok_or(malformed("missing or invalid :method (RFC 9114 §4.3.1)"))?;
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

/// Returns the target of a CONNECT without a protocol, which is only an authority
/// (RFC 9114 §4.4).
fn tunnel_uri(pseudo: &PseudoFields<'_>) -> Result<Uri, RuleViolation> {
    let malformed_target =
        malformed("CONNECT needs :authority, without :scheme and :path (RFC 9114 §4.4)");
    match (pseudo.authority, pseudo.scheme, pseudo.path) {
        (Some(authority), None, None) => {
            Authority::try_from(authority).map(Uri::from).map_err(|_| malformed_target)
        }
        _ => Err(malformed_target),
    }
}

/// Returns the target of any other request.
fn uri(
    method: &Method,
    pseudo: &PseudoFields<'_>,
    headers: &HeaderMap,
) -> Result<Uri, RuleViolation> {
    let (Some(scheme), Some(path)) = (pseudo.scheme, pseudo.path) else {
        return Err(malformed("missing :scheme or :path (RFC 9114 §4.3.1)"));
    };
    let is_path = path.starts_with('/') || path == "*" && method == Method::OPTIONS;
    if !is_path || path.contains('#') {
        return Err(malformed(":path is not a valid path (RFC 9114 §4.3.1)"));
    }
    let mut parts = http::uri::Parts::default();
    let path = PathAndQuery::try_from(path);
    parts.path_and_query = Some(path.map_err(|_| malformed("invalid :path (RFC 9114 §4.3.1)"))?);
    let scheme = Scheme::try_from(scheme);
    parts.scheme = Some(scheme.map_err(|_| malformed("invalid :scheme (RFC 9114 §4.3.1)"))?);
    parts.authority = Some(authority(pseudo, headers)?);
    Uri::from_parts(parts).map_err(|_| malformed("the pseudo-header fields are not a valid URI"))
}

/// Returns the authority: `:authority` or `Host`, or both with the same value, without user
/// information (RFC 9114 §4.3.1).
fn authority(pseudo: &PseudoFields<'_>, headers: &HeaderMap) -> Result<Authority, RuleViolation> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(malformed("more than one Host (RFC 9110 §7.2)"));
    }
    let authority = match (pseudo.authority.map(str::as_bytes), host) {
        (Some(a), Some(b)) if !a.eq_ignore_ascii_case(b) => {
            return Err(malformed(":authority and Host differ (RFC 9114 §4.3.1)"));
        }
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return Err(malformed("missing :authority and Host (RFC 9114 §4.3.1)")),
    };
    let authority = Authority::try_from(authority).ok();
    authority
        .filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
        .ok_or(malformed("invalid :authority (RFC 9114 §4.3.1)"))
}

fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1
        && let Ok(mut joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        joined.set_sensitive(true);
        headers.insert(COOKIE, joined);
    }
}

/// Converts the fields of a response, which may be an interim one.
///
/// # Errors
/// If the response is malformed. The error has the status of the response, if it has one.
pub fn read_response(fields: &[Field<'_>]) -> Result<Response<()>, RuleViolation> {
    // The status may explain more to the user than the rule that the response broke.
    let status = |field: &Field<'_>| StatusCode::from_bytes(&field.value).ok();
    let received_status =
        fields.iter().find(|field| *field.name == *STATUS.as_bytes()).and_then(status);
    let (pseudo, headers) = split_fields(fields)
        .map_err(|violation| RuleViolation { status: received_status, ..violation })?;
    let PseudoFields {
        method: None,
        scheme: None,
        authority: None,
        path: None,
        protocol: None,
        status,
    } = pseudo
    else {
        return Err(malformed("a response with a pseudo-header field of requests (RFC 9114 §4.3)"));
    };
    let status = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let status = status.ok_or(malformed("missing or invalid :status (RFC 9114 §4.3.2)"))?;
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(malformed("HTTP/3 has no 101 (RFC 9114 §4.5)"));
    }
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = http::Version::HTTP_3;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Converts the fields of a trailer section.
///
/// # Errors
/// If the section is malformed.
pub fn read_trailers(fields: &[Field<'_>]) -> Result<HeaderMap, RuleViolation> {
    if fields.iter().any(|field| field.name.first() == Some(&b':')) {
        return Err(malformed("a pseudo-header field in a trailer section (RFC 9114 §4.3)"));
    }
    split_fields(fields).map(|(_, trailers)| trailers)
}

#[cfg(test)]
mod tests;
