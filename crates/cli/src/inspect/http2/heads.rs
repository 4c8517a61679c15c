//! Heads of HTTP/2 as they are shown, and as they are sent to the target.

use h2::ext::Protocol;
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Request, Response, Uri, Version};

use crate::inspect::head::{Change, Head};
use crate::inspect::rewriting::Rewriting;

/// Returns the names and values of fields, in their order. Fields of the same name are together.
pub(super) fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Returns the head of a request, with its pseudo-header fields.
pub(super) fn of_request(request: &Request<()>) -> Head {
    let uri = request.uri();
    let path = uri.path_and_query().map(PathAndQuery::as_str).filter(|path| !path.is_empty());
    let authority = uri.authority().map(Authority::as_str);
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let pseudo = [
        (":method", Some(request.method().as_str())),
        (":scheme", uri.scheme_str()),
        (":authority", authority),
        (":path", path),
        (":protocol", protocol),
    ];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let pseudo = pseudo.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let target = path.or(authority).unwrap_or_default();
    let start_line = format!("{} {target} HTTP/2.0", request.method());
    Head::made(&start_line, pseudo.chain(listed(request.headers())))
}

/// Returns the head of a response, with its pseudo-header field.
pub(super) fn of_response(response: &Response<()>) -> Head {
    let status = response.status().as_u16().to_string();
    let pseudo = [(":status".to_owned(), status.clone())];
    Head::made(&format!("HTTP/2.0 {status}"), pseudo.into_iter().chain(listed(response.headers())))
}

/// Makes a request one for the target, and returns what was changed.
pub(super) fn rewrite(request: &mut Request<()>, rewriting: &Rewriting) -> Vec<Change> {
    let mut changes = Vec::new();
    *request.version_mut() = Version::HTTP_2;
    let given = request.uri().authority().map(Authority::as_str).unwrap_or_default().to_owned();
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let host = host.map(str::to_owned);
    // `h2` sends no request without one. A client may leave it out if it sends Host.
    let known =
        if given.is_empty() { host.as_deref().unwrap_or(&rewriting.authority) } else { &given };
    let authority = rewriting.host(known).unwrap_or(known);
    let before = request.uri().scheme_str().map(str::to_owned);
    if let Some(uri) = for_target(request.uri(), authority, rewriting) {
        if before.is_some() && before.as_deref() != uri.scheme_str() {
            let before = before.unwrap_or_default();
            changes.push(Change { name: ":scheme".into(), before });
        }
        if authority != given {
            changes.push(Change { name: ":authority".into(), before: given });
        }
        *request.uri_mut() = uri;
    }
    for (name, new) in [
        ("host", host.as_deref().and_then(|host| rewriting.host(host)).map(str::to_owned)),
        (
            "origin",
            request
                .headers()
                .get("origin")
                .and_then(|origin| rewriting.origin(origin.to_str().unwrap_or_default())),
        ),
    ] {
        let Some(field) = request.headers_mut().get_mut(name) else { continue };
        let before = String::from_utf8_lossy(field.as_bytes()).into_owned();
        if let Some(new) = new.filter(|new| *new != before)
            && let Ok(value) = HeaderValue::from_str(&new)
        {
            *field = value;
            changes.push(Change { name: name.to_owned(), before });
        }
    }
    changes
}

/// Returns a URI with this authority, and with the scheme of the target, if it has one at all.
fn for_target(uri: &Uri, authority: &str, rewriting: &Rewriting) -> Option<Uri> {
    let mut parts: Parts = uri.clone().into_parts();
    parts.authority = Some(authority.parse().ok()?);
    let is_of_http = parts
        .scheme
        .as_ref()
        .is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    if parts.path_and_query.is_some() && is_of_http {
        parts.scheme = Some(if rewriting.scheme == "wss" { Scheme::HTTPS } else { Scheme::HTTP });
    }
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewriting() -> Rewriting {
        Rewriting {
            scheme: "wss",
            authority: "target.example".into(),
            keeps_host: false,
            rewrites_origin: true,
            own_names: Vec::new(),
            is_absolute: false,
        }
    }

    #[test]
    fn http2_heads_keep_all_but_authority_and_origin() {
        let mut request = Request::connect("https://localhost:9100/chat?x=1")
            .header("origin", "https://localhost:9100")
            .header("x-odd", "two  spaces")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .extension(Protocol::from_static("websocket"))
            .body(())
            .unwrap();
        let changes = rewrite(&mut request, &rewriting());
        let changes: Vec<_> = changes.iter().map(|each| (&*each.name, &*each.before)).collect();
        let before = "https://localhost:9100";
        assert_eq!(changes, [(":authority", "localhost:9100"), ("origin", before)]);
        let head = of_request(&request);
        assert_eq!(head.start_line(), "CONNECT /chat?x=1 HTTP/2.0");
        let fields: Vec<_> = head.fields().collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            fields,
            [
                (":method", "CONNECT"),
                (":scheme", "https"),
                (":authority", "target.example"),
                (":path", "/chat?x=1"),
                (":protocol", "websocket"),
                ("origin", "https://target.example"),
                ("x-odd", "two  spaces"),
                ("cookie", "a=1"),
                ("cookie", "b=2"),
            ]
        );
    }

    #[test]
    fn http2_heads_of_foreign_hosts_stay_and_one_without_gets_its_host() {
        let mut foreign = Request::get("https://evil.example/").body(()).unwrap();
        assert_eq!(rewrite(&mut foreign, &rewriting()), []);
        assert_eq!(foreign.uri().authority().unwrap(), "evil.example");
        let mut without = Request::get("/x").header("host", "[::1]:9100").body(()).unwrap();
        let changes = rewrite(&mut without, &rewriting());
        assert_eq!(changes.len(), 2);
        assert_eq!(without.uri(), "https://target.example/x");
        assert_eq!(without.headers()["host"], "target.example");
    }
}
