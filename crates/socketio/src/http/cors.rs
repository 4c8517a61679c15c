//! Which pages may send requests, and what the responses say to browsers (CORS).

use bytes::Bytes;
use fullduplex::server::ConnectInfo;
use fullduplex::server::policy::OriginPolicy;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST,
    ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::http::error::RequestError;

/// What the response says to a browser about the page that sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cors {
    /// `None` if the request names no origin, or needs no permission.
    allow: Option<HeaderValue>,
    /// Whether the page may send cookies.
    with_credentials: bool,
    /// Whether the response depends on the origin.
    varies: bool,
}

impl Cors {
    /// Checks the Origin of a request, whatever its method and transport.
    pub(super) fn check(parts: &Parts, policy: &OriginPolicy) -> Result<Self, RequestError> {
        policy.check(&parts.headers, host(parts)).map_err(|_| RequestError::Forbidden)?;
        let origin = parts.headers.get(ORIGIN).cloned();
        Ok(match policy {
            // A page of the same host needs no permission.
            OriginPolicy::SameHost => Self { varies: true, ..Self::default() },
            OriginPolicy::DangerousAny => {
                let allow = origin.is_some().then(|| HeaderValue::from_static("*"));
                Self { allow, with_credentials: false, varies: false }
            }
            _ => Self { with_credentials: origin.is_some(), allow: origin, varies: true },
        })
    }

    /// Adds what the browser has to know to a response.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(allow) = &self.allow {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allow.clone());
        }
        if self.with_credentials {
            let yes = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
    }
}

/// Returns the answer to a preflight, for an Origin that is allowed.
pub(super) fn preflight(headers: &HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        answer.append(VARY, HeaderValue::from_static("access-control-request-headers"));
    }
    response
}

/// Returns the host of a request: the one that a trusted proxy reports, else its own.
fn host(parts: &Parts) -> Option<&str> {
    let forwarded =
        parts.extensions.get::<ConnectInfo>().and_then(|info| info.client.host.as_deref());
    let authority = || parts.uri.authority().map(http::uri::Authority::as_str);
    let field = || parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    forwarded.or_else(authority).or_else(field)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(origin: &str) -> Parts {
        let request = Request::get("/engine.io/").header(HOST, "a.example").header(ORIGIN, origin);
        request.body(()).unwrap().into_parts().0
    }

    fn told(origin: &str, policy: &OriginPolicy) -> Result<(String, bool), RequestError> {
        let mut headers = HeaderMap::new();
        Cors::check(&parts(origin), policy)?.add_to(&mut headers);
        let allowed = headers.get(ACCESS_CONTROL_ALLOW_ORIGIN);
        let allowed = allowed.map_or("", |value| value.to_str().unwrap()).to_owned();
        Ok((allowed, headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)))
    }

    #[test]
    fn cors_allows_credentials_for_listed_origins_only() {
        let list = OriginPolicy::list(["https://b.example"]).unwrap();
        assert_eq!(told("https://b.example", &list), Ok(("https://b.example".into(), true)));
        assert_eq!(told("https://a.example", &list), Err(RequestError::Forbidden));
        let any = OriginPolicy::DangerousAny;
        assert_eq!(told("https://b.example", &any), Ok(("*".into(), false)));
        assert_eq!(told("null", &any), Ok(("*".into(), false)));
    }

    #[test]
    fn cors_is_not_needed_by_pages_of_the_same_host() {
        let policy = OriginPolicy::SameHost;
        assert_eq!(told("https://a.example", &policy), Ok((String::new(), false)));
        assert_eq!(told("https://evil.example", &policy), Err(RequestError::Forbidden));
        assert_eq!(told("null", &policy), Err(RequestError::Forbidden));
    }

    #[test]
    fn cors_preflight_allows_the_fields_that_are_asked_for() {
        let mut headers = HeaderMap::new();
        let asked = HeaderValue::from_static("authorization");
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, asked.clone());
        let response = preflight(&headers);
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_HEADERS], asked);
    }
}
