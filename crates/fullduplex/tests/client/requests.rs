//! What a request has in it: credentials, names, cookies; and redirects.

use std::sync::{Arc, Mutex};

use fullduplex::client::{CookieJar, Proxy};
use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{direct, switching};
use crate::{answering, fails, opening, serving};

async fn redirecting(status: u16, to: String) -> String {
    answering(format!("HTTP/1.1 {status} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"))
        .await
}

#[tokio::test]
async fn redirect_is_followed_when_asked_and_without_credentials() {
    let end = opening(&["/there"], &["secret", "authorization", "cookie"]).await;
    for status in [301, 302, 303, 307, 308] {
        let url = redirecting(status, format!("{end}there")).await;
        let error = fails(direct(), &url).await;
        assert!(error.to_string().contains("not followed"), "{error}");
        let url = url.replace("ws://", "ws://me:secret@");
        let mut sensitive = HeaderValue::from_static("secret");
        sensitive.set_sensitive(true);
        let client = direct().max_redirects(3).header("Cookie", "secret=1");
        let client = client.header("Proxy-Authorization", "secret").header("X-Key", sensitive);
        let client = client.bearer_auth("secret").build().unwrap();
        client.connect(&url).await.unwrap();
    }
}

#[tokio::test]
async fn redirect_count_is_bounded() {
    let first = redirecting(302, "/".into()).await;
    let error = fails(direct().max_redirects(3), &first).await;
    assert!(error.to_string().contains("max_redirects (3)"), "{error}");
    for (to, why) in [("ftp://a/", "ws or wss"), ("ws://", "redirection to")] {
        let error = fails(direct().max_redirects(1), &redirecting(302, to.into()).await).await;
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.response().unwrap().status(), 302);
    }
    let nowhere = answering("HTTP/1.1 302 Moved\r\n\r\n").await;
    let error = fails(direct().max_redirects(1), &nowhere).await;
    assert!(error.to_string().contains("Location"), "{error}");
}

#[tokio::test]
async fn request_has_credentials_and_origin() {
    // "me@home:p w" and "user:pass" in base64.
    let url = opening(&["Basic bWVAaG9tZTpwIHc="], &[]).await;
    let client = direct().build().unwrap();
    client.connect(&url.replace("ws://", "ws://me%40home:p%20w@")).await.unwrap();
    let url = opening(&["http://origin.example"], &[]).await;
    // Another origin, so it is refused, but was sent.
    let error = fails(direct().origin("http://origin.example"), &url).await;
    assert_eq!(error.response().unwrap().status(), 403);
}

/// Some peers of HTTP/1.1 know them no other way.
#[tokio::test]
async fn request_header_names_are_in_title_case_on_http1() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    let url = serving(move |mut stream, head| {
        let answer = if head.starts_with("CONNECT ") {
            "HTTP/1.1 200 Connected\r\n\r\n".to_owned()
        } else {
            switching(&head, "")
        };
        let is_tunnel = head.starts_with("CONNECT ");
        let seen = seen.clone();
        seen.lock().unwrap().push(head);
        async move {
            stream.write_all(answer.as_bytes()).await.unwrap();
            if is_tunnel {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8(head[..read].to_vec()).unwrap();
                stream.write_all(switching(&head, "").as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = || direct().origin("http://a.example").header("x-API-key", "k");
    client().basic_auth("me", "secret").build().unwrap().connect(&url).await.unwrap();
    let proxy = Proxy::parse(&url.replace("ws:", "http:")).unwrap();
    let name = http::HeaderName::from_static("x-tenant");
    let client = client().proxy(proxy).proxy_header(name, HeaderValue::from_static("t"));
    client.build().unwrap().connect(&url).await.unwrap();
    let heads = heads.lock().unwrap();
    for (i, field) in [
        (0, "Host: 127.0.0.1"),
        (0, "Origin: http://a.example"),
        (0, "X-Api-Key: k"),
        (0, "Authorization: Basic"),
        (0, "Sec-WebSocket-Key: "),
        (1, "Host: 127.0.0.1"),
        (1, "X-Tenant: t"),
    ] {
        assert!(heads[i].contains(&format!("\r\n{field}")), "{field} in {}", heads[i]);
    }
}

#[derive(Default)]
struct Jar(Mutex<Vec<String>>);

impl CookieJar for Jar {
    fn cookies(&self, url: &str) -> Option<HeaderValue> {
        assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
        let all = self.0.lock().unwrap().join("; ");
        (!all.is_empty()).then(|| all.parse().unwrap())
    }

    fn store(&self, _: &str, set_cookie: &HeaderValue) {
        self.0.lock().unwrap().push(set_cookie.to_str().unwrap().into());
    }
}

#[tokio::test]
async fn cookies_are_kept_and_sent() {
    let url = serving(|mut stream, head| async move {
        let seen = head.lines().find(|line| line.starts_with("Cookie:")).unwrap_or("none");
        let answer = format!(
            "HTTP/1.1 403 No\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Length: {}\r\n\r\n{seen}",
            seen.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let jar: Arc<Jar> = Arc::default();
    let client = direct().cookies(jar).build().unwrap();
    for expected in ["none", "Cookie: a=1; b=2"] {
        let error = client.connect(&url).await.unwrap_err();
        assert_eq!(error.response().unwrap().body(), expected);
    }
}

#[tokio::test]
async fn client_to_builder_keeps_the_settings() {
    let url = serving(|mut stream, head| async move {
        let lines: Vec<_> = head.lines().map(str::to_ascii_lowercase).collect();
        let has = |line: &str| lines.iter().any(|other| other == line);
        let is_kept = has("x-a: 1") && has("origin: https://a.example");
        let status = if is_kept && has("sec-websocket-protocol: chat") { 403 } else { 500 };
        let answer = format!("HTTP/1.1 {status} Answer\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let client = direct().header("x-a", "1").subprotocols(["chat"]).build().unwrap();
    let error = fails(client.to_builder().origin("https://a.example"), &url).await;
    assert_eq!(error.response().unwrap().status(), 403, "{error}");
    let error = client.connect(&url).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 500, "{error}");
}
