//! Tests of the table of causes: each row is found for what it describes.

use std::io::ErrorKind as Io;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::ErrorKind as Kind;

use super::observation::{Difference, Observation, Step, Variation};
use super::table::Table;
use super::{filled, likely};

/// Returns an observation of a URL, of which the rest is set.
fn seen(url: &str, set: impl FnOnce(&mut Observation)) -> Observation {
    let mut seen = Observation { url: Some(url.into()), ..Observation::default() };
    set(&mut seen);
    seen
}

fn error(step: Step, kind: Kind, text: &str) -> impl FnOnce(&mut Observation) + use<> {
    let text = text.to_owned();
    move |seen| {
        (seen.step, seen.kind, seen.error) = (Some(step), Some(kind), text);
    }
}

fn system(step: Step, kind: Io) -> impl FnOnce(&mut Observation) {
    move |seen| (seen.step, seen.kind, seen.io) = (Some(step), Some(Kind::Io), Some(kind))
}

fn timed_out(step: Step) -> impl FnOnce(&mut Observation) {
    move |seen| {
        (seen.step, seen.kind) = (Some(step), Some(Kind::Timeout));
        seen.timed_out = Some(Duration::from_secs(10));
    }
}

fn response(
    status: u16,
    headers: &[(&'static str, &str)],
    body: &str,
) -> impl FnOnce(&mut Observation) {
    move |seen| {
        (seen.step, seen.kind, seen.status) =
            (Some(Step::Rules), Some(Kind::Handshake), Some(status));
        for (name, value) in headers {
            seen.headers.append(*name, value.parse().unwrap());
        }
        seen.body = Bytes::copy_from_slice(body.as_bytes());
    }
}

fn opens(difference: Difference) -> impl FnOnce(&mut Observation) {
    move |seen| {
        let error = String::new();
        seen.status = Some(403);
        seen.variations = vec![Variation { difference, is_open: true, status: Some(101), error }];
    }
}

fn through(proxy: &str, set: impl FnOnce(&mut Observation)) -> impl FnOnce(&mut Observation) {
    let proxy = Some(proxy.to_owned());
    move |seen| {
        seen.proxy = proxy;
        set(seen);
    }
}

fn cut(idle: u64) -> impl FnOnce(&mut Observation) {
    move |seen| {
        (seen.step, seen.close_code) = (Some(Step::Open), Some(1006));
        seen.idle_for = Some(Duration::from_secs(idle));
    }
}

fn banner(bytes: &'static [u8]) -> impl FnOnce(&mut Observation) {
    move |seen| {
        error(Step::Response, Kind::Handshake, "this is not HTTP/1.x")(seen);
        seen.first_bytes = Bytes::from_static(bytes);
    }
}

/// Returns observations with the name of the likeliest cause.
#[allow(clippy::too_many_lines, reason = "a table")]
fn constructed() -> Vec<(&'static str, Observation)> {
    use Step::{Proxy, Quic, Resolve, Response, Rules, Tcp, Tls};
    let ws = |set: Box<dyn FnOnce(&mut Observation)>| seen("ws://chat.example/ws", set);
    let wss = |set: Box<dyn FnOnce(&mut Observation)>| seen("wss://chat.example/ws", set);
    let tls =
        |text: &str| Box::new(error(Tls, Kind::Tls, &format!("TLS with chat.example: {text}")));
    let broken = |text: &str| Box::new(error(Rules, Kind::Handshake, text));
    vec![
        ("name-not-found", ws(Box::new(error(Resolve, Kind::Resolve, "no address")))),
        ("proxy-refused", ws(Box::new(through("http://p:1", system(Tcp, Io::ConnectionRefused))))),
        ("port-closed", ws(Box::new(system(Tcp, Io::ConnectionRefused)))),
        ("unreachable", ws(Box::new(system(Tcp, Io::NetworkUnreachable)))),
        ("unix-socket-missing", ws(Box::new(system(Tcp, Io::NotFound)))),
        ("timeout-resolve", ws(Box::new(timed_out(Resolve)))),
        ("timeout-tcp", ws(Box::new(timed_out(Tcp)))),
        ("timeout-proxy-socks", ws(Box::new(through("socks5://p:1", timed_out(Proxy))))),
        ("timeout-proxy", ws(Box::new(through("http://p:1", timed_out(Proxy))))),
        ("timeout-quic", ws(Box::new(timed_out(Quic)))),
        ("timeout-tls", wss(Box::new(timed_out(Tls)))),
        ("timeout-response", ws(Box::new(timed_out(Response)))),
        ("wrong-port-ssh", ws(Box::new(banner(b"SSH-2.0-OpenSSH_9.2\r\n")))),
        ("wrong-port-mail", ws(Box::new(banner(b"220 mail.example ESMTP\r\n")))),
        ("wrong-port-redis", ws(Box::new(banner(b"-ERR wrong number of arguments\r\n")))),
        ("wrong-port-mysql", ws(Box::new(banner(b"J\0\0\0\n8.0.33\0")))),
        ("not-http", ws(Box::new(banner(b"hello\r\n")))),
        ("tls-wanted", ws(Box::new(banner(b"\x15\x03\x03\0\x02\x02\x46")))),
        ("tls-wanted", ws(Box::new(opens(Difference::WithTls)))),
        ("http2-only", ws(Box::new(banner(b"\0\0\x12\x04\0\0\0\0\0")))),
        (
            "proxy-without-tls",
            ws(Box::new(through(
                "https://p:1",
                error(Proxy, Kind::Tls, "TLS with p: the peer does not speak TLS"),
            ))),
        ),
        ("no-tls-here", wss(tls("the peer does not speak TLS (use a ws: URL)"))),
        ("certificate-expired", wss(tls("the server's certificate expired 547 days ago"))),
        (
            "certificate-not-yet-valid",
            wss(tls("the server's certificate is not valid yet; is the clock right?")),
        ),
        ("certificate-name", wss(tls("the server's certificate is for another name: a.example"))),
        (
            "certificate-of-authority",
            wss(tls("the server's certificate is that of an authority (CA:TRUE), as")),
        ),
        (
            "certificate-issuer",
            wss(tls(
                "the server's certificate is not signed by a trusted authority (unknown issuer)",
            )),
        ),
        (
            "client-certificate-needed",
            wss(tls("the server ended it with the alert certificate_required: \
                 it requires a client certificate")),
        ),
        (
            "client-certificate-refused",
            wss(tls("the server ended it with the alert unknown_ca: \
                 it does not accept the client's certificate")),
        ),
        (
            "sni-unknown",
            wss(tls("the server ended it with the alert unrecognised_name: \
                 it does not serve this host name, or not yet")),
        ),
        (
            "tls-version",
            wss(tls("the server ended it with the alert protocol_version: \
                 it supports neither TLS 1.2 nor 1.3")),
        ),
        (
            "alpn",
            wss(tls("the server ended it with the alert no_application_protocol: \
                 it does not support this HTTP version (ALPN)")),
        ),
        (
            "socks-is-http",
            ws(Box::new(through(
                "socks5://p:1",
                error(Proxy, Kind::Proxy, "the SOCKS5 proxy does not speak SOCKS5"),
            ))),
        ),
        (
            "http-proxy-is-socks",
            ws(Box::new(through(
                "http://p:1",
                error(
                    Proxy,
                    Kind::Io,
                    "the proxy's response: \
                     the peer ended the transport before the opening handshake",
                ),
            ))),
        ),
        (
            "proxy-authentication",
            ws(Box::new(through(
                "http://p:1",
                error(
                    Proxy,
                    Kind::Proxy,
                    "the proxy requires a user and password in its URL (407 with Basic)",
                ),
            ))),
        ),
        (
            "proxy-refuses-port",
            ws(Box::new(through(
                "socks5://p:1",
                error(
                    Proxy,
                    Kind::Proxy,
                    "the SOCKS5 proxy rejected a:1: not allowed by its rules",
                ),
            ))),
        ),
        (
            "proxy-can-not-reach",
            ws(Box::new(through(
                "socks5://p:1",
                error(Proxy, Kind::Proxy, "the SOCKS5 proxy rejected a:1: host unreachable"),
            ))),
        ),
        ("proxy-in-the-way", ws(Box::new(opens(Difference::WithoutProxy)))),
        (
            "accept-wrong",
            ws(broken(
                "Sec-WebSocket-Accept does not match the key (RFC 6455 §4.1 response item 4)",
            )),
        ),
        ("upgrade-dropped", ws(broken("Upgrade is not websocket (RFC 6455 §4.1 response item 2)"))),
        (
            "subprotocol-not-offered",
            ws(broken("the subprotocol \"x\" was not offered (RFC 6455 §4.1 response item 6)")),
        ),
        (
            "extension-not-offered",
            ws(broken("the extension \"x\" was not offered (RFC 6455 §4.1 response item 5)")),
        ),
        ("deflate-breaks", ws(Box::new(opens(Difference::WithoutDeflate)))),
        ("big-head", ws(Box::new(response(431, &[], "")))),
        ("origin-refused", ws(Box::new(opens(Difference::NoOrigin)))),
        ("origin-needed", ws(Box::new(response(403, &[], "{\"error\":\"Origin not allowed\"}")))),
        ("host-refused", ws(Box::new(response(421, &[], "")))),
        (
            "https-redirect",
            ws(Box::new(response(301, &[("location", "https://chat.example/ws")], ""))),
        ),
        ("login-wall", ws(Box::new(response(302, &[("location", "/login?next=/ws")], "")))),
        (
            "login-wall",
            ws(Box::new(response(302, &[("location", "https://sso.example/login?next=/")], ""))),
        ),
        (
            "https-redirect",
            seen("ws://Chat.example:8080/login?x", |seen| {
                response(308, &[("location", "https://chat.example/login?x")], "")(seen);
            }),
        ),
        (
            "redirected",
            ws(Box::new(response(301, &[("location", "https://www.chat.example/ws")], ""))),
        ),
        ("redirected", wss(Box::new(response(308, &[("location", "/ws/")], "")))),
        (
            "credentials-basic",
            ws(Box::new(response(401, &[("www-authenticate", "Basic realm=x")], ""))),
        ),
        ("credentials-token", ws(Box::new(response(401, &[], "")))),
        ("http-version-decides", ws(Box::new(opens(Difference::Http1)))),
        ("status-200", ws(Box::new(response(200, &[], "<html>")))),
        ("status-400", ws(Box::new(response(400, &[], "")))),
        ("status-403", ws(Box::new(response(403, &[], "no")))),
        ("status-404", ws(Box::new(response(404, &[], "no")))),
        ("status-429", ws(Box::new(response(503, &[("retry-after", "1")], "")))),
        ("status-500", ws(Box::new(response(500, &[], "")))),
        (
            "ended-at-once",
            ws(Box::new(error(
                Response,
                Kind::Io,
                "the peer ended the transport before the opening handshake",
            ))),
        ),
        (
            "ended-at-once-tls",
            wss(Box::new(error(
                Response,
                Kind::Io,
                "the peer ended the transport before the opening handshake",
            ))),
        ),
        ("idle-cut-60", ws(Box::new(cut(60)))),
        ("idle-cut-known", ws(Box::new(cut(100)))),
        ("idle-cut", ws(Box::new(cut(17)))),
        ("cut-in-use", ws(Box::new(cut(0)))),
        (
            "idle-cut-pings-help",
            ws(Box::new(|seen: &mut Observation| {
                cut(17)(seen);
                seen.do_pings_help = Some(true);
            })),
        ),
        ("nginx-no-upgrade", ws(Box::new(response(426, &[("server", "nginx/1.22.1")], "")))),
        (
            "nginx-no-location",
            ws(Box::new(response(404, &[("server", "nginx")], "<hr><center>nginx</center>"))),
        ),
        (
            "nginx-403",
            ws(Box::new(response(403, &[("server", "nginx")], "<hr><center>nginx</center>"))),
        ),
        ("nginx-upstream-down", ws(Box::new(response(502, &[("server", "nginx")], "")))),
        (
            "tls-wanted-nginx",
            ws(Box::new(response(
                400,
                &[("server", "nginx")],
                "<center>The plain HTTP request was sent to HTTPS port</center>",
            ))),
        ),
        (
            "tls-wanted-text",
            ws(Box::new(response(400, &[], "Client sent an HTTP request to an HTTPS server.\n"))),
        ),
        ("apache-no-upgrade", ws(Box::new(response(426, &[("server", "Apache/2.4")], "")))),
        ("apache-upstream-down", ws(Box::new(response(503, &[("server", "Apache/2.4")], "")))),
        ("caddy-no-route", ws(Box::new(response(200, &[("server", "Caddy")], "")))),
        ("caddy-upstream-down", ws(Box::new(response(502, &[("server", "Caddy")], "")))),
        (
            "haproxy-no-server",
            ws(Box::new(response(503, &[], "No server is available to handle this request."))),
        ),
        ("haproxy-bad", ws(Box::new(response(400, &[], "Your browser sent an invalid request.")))),
        ("traefik-404", ws(Box::new(response(404, &[], "404 page not found\n")))),
        ("traefik-502", ws(Box::new(response(502, &[("content-length", "11")], "Bad Gateway")))),
        (
            "traefik-501",
            seen("wss://chat.example/", |seen| {
                response(501, &[], "")(seen);
                seen.http_version = Some("2");
            }),
        ),
        (
            "http2-frames",
            seen("ws://chat.example/", |seen| {
                error(Rules, Kind::Io, "opening HTTP/2: the server does not seem to support it")(
                    seen,
                );
                seen.http_version = Some("2");
            }),
        ),
    ]
}

#[test]
fn causes_of_constructed_observations_are_found() {
    for (id, observation) in constructed() {
        let found: Vec<_> = likely(&observation).map(|cause| &*cause.id).collect();
        assert_eq!(found.first(), Some(&id), "{found:?} for {observation:?}");
    }
}

#[test]
fn causes_table_can_be_read() {
    let table = Table::get();
    assert!(table.causes.len() > 80 && table.codes.len() == 16 && table.phrases.len() > 35);
    for cause in &table.causes {
        assert!(!cause.when.is_empty(), "{} has no signature", cause.id);
        // One that has no condition would fit everything.
        let nothing = Observation::default();
        assert!(!cause.when.iter().any(|when| when.matches(&nothing)), "{}", cause.id);
        for text in [&cause.why, &cause.remedy] {
            assert!(!text.ends_with('.') && !text.contains('\n'), "{}: {text}", cause.id);
        }
    }
}

#[test]
fn causes_have_a_test_each() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/causes");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let id =
        |path: std::path::PathBuf| path.file_name()?.to_str()?.split('.').next().map(str::to_owned);
    let mut with_file: Vec<String> = files.filter_map(id).collect();
    with_file.sort();
    with_file.dedup();
    let constructed = constructed();
    for cause in &Table::get().causes {
        let file = with_file.iter().position(|id| *id == cause.id);
        if let Some(at) = file {
            with_file.remove(at);
        }
        let is_constructed = constructed.iter().any(|(id, _)| *id == cause.id);
        assert!(file.is_some() || is_constructed, "{} has no test here", cause.id);
        assert!(cause.peer != "fixture" || file.is_some(), "{} has no file", cause.id);
    }
    assert!(with_file.is_empty(), "{with_file:?} are not in the table");
}

#[test]
fn causes_name_options_that_exist() {
    let mut command = <crate::Cli as clap::CommandFactory>::command();
    command.build();
    let known: Vec<&str> = command
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .filter_map(clap::Arg::get_long)
        .collect();
    let table = Table::get();
    let causes = table.causes.iter().flat_map(|cause| [&cause.why, &cause.remedy]);
    let codes = table.codes.iter().flat_map(|code| code.remedies.iter().chain(&code.causes));
    let phrases = table.phrases.iter().flat_map(|phrase| [&phrase.remedy, &phrase.meaning]);
    for text in causes.chain(codes).chain(phrases) {
        for option in text.split("--").skip(1) {
            let name = option.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next();
            let name = name.unwrap_or_default();
            assert!(name.is_empty() || known.contains(&name), "{name}: {text}");
        }
        // There are options for these, which are easier to type.
        for field in ["-H 'Origin", "-H 'Cookie", "-H 'Authorization"] {
            assert!(!text.contains(field), "{field}: {text}");
        }
    }
}

#[test]
fn causes_are_filled_in_with_what_was_seen() {
    let seen = seen("wss://chat.example:8443/ws?x", |seen| {
        seen.idle_for = Some(Duration::from_millis(60_040));
        seen.first_bytes = Bytes::from_static(b"SSH-2.0\x1b[31m\r\nmore");
    });
    for (text, expected) in [
        ("use {ws-url}", "use ws://chat.example:8443/ws?x"),
        ("for {host} after {idle}", "for chat.example:8443 after 60.0 s"),
        ("it said {first-bytes}", "it said SSH-2.0\\x1b[31m"),
        ("through {proxy}", "through the proxy"),
        ("location /ws { }", "location /ws { }"),
    ] {
        assert_eq!(filled(text, &seen), expected);
    }
}
