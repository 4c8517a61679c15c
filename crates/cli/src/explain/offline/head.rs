//! `fdx explain --head`: the heads of an opening handshake, from a file.

use std::fmt::Write as _;

use bytes::Bytes;
use fullduplex_proto::handshake::rules::{RuleVerdict, request_rules, response_rules};
use fullduplex_proto::handshake::server::HttpCarrier;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::heads::{Exchange, Request, Response};
use crate::base::escape::printable;
use crate::base::redact::redact_url;
use crate::causes::observation::{Observation, Step};
use crate::causes::{self, Cause};

/// What is to be said of a request and a response.
#[derive(Debug)]
pub(super) struct HeadReport {
    pub(super) lines: String,
    pub(super) json: Value,
    /// Whether the server opened a WebSocket.
    pub(super) is_open: bool,
}

/// Explains a request and a response.
pub(super) fn explain(exchange: &Exchange) -> HeadReport {
    let mut lines = String::new();
    // Writing to a string does not fail.
    if let Some(request) = &exchange.request {
        let Request { method, version, .. } = request;
        let target = redact_url(&request.target);
        let _ = writeln!(lines, "request: {}", printable(&format!("{method} {target} {version}")));
        write_verdicts(&mut lines, &request_verdicts(exchange));
    }
    if let Some(response) = &exchange.response {
        let Response { version, status, reason, .. } = response;
        let line = format!("{version} {status} {reason}");
        let _ = writeln!(lines, "response: {}", printable(line.trim_end()));
        write_verdicts(&mut lines, &response_verdicts(exchange));
    }
    let seen = observation(exchange);
    let of_response = response_verdicts(exchange);
    let is_open = exchange.response.is_some() && of_response.iter().all(|rule| rule.is_obeyed);
    let found: Vec<&Cause> = if is_open || exchange.response.is_none() {
        Vec::new()
    } else {
        causes::likely(&seen).take(1).collect()
    };
    for cause in &found {
        for line in causes::lines(cause, &seen) {
            let _ = writeln!(lines, "{line}");
        }
    }
    let found: Vec<Value> = found.iter().map(|cause| causes::to_json(cause, &seen)).collect();
    let json = json!({
        "request": exchange.request.as_ref().map(|request| json!({
            "method": request.method,
            "target": redact_url(&request.target),
            "version": request.version,
            "rules": verdicts_to_json(&request_verdicts(exchange)),
        })),
        "response": exchange.response.as_ref().map(|response| json!({
            "version": response.version,
            "status": response.status,
            "reason": response.reason,
            "rules": verdicts_to_json(&of_response),
        })),
        "open": is_open,
        "causes": found,
    });
    HeadReport { lines, json, is_open }
}

/// Checks a request against each rule.
fn request_verdicts(exchange: &Exchange) -> Vec<RuleVerdict> {
    let Some(request) = &exchange.request else { return Vec::new() };
    let carrier = match (is_stream(&request.version), &*request.version) {
        (true, _) => HttpCarrier::Stream { protocol: request.protocol.as_deref() },
        (false, "HTTP/1.0") => HttpCarrier::Http1 { minor: 0 },
        (false, _) => HttpCarrier::Http1 { minor: 1 },
    };
    request_rules(&request.method, carrier, request.fields.as_slice())
}

/// Checks a response against each rule.
fn response_verdicts(exchange: &Exchange) -> Vec<RuleVerdict> {
    let Some(response) = &exchange.response else { return Vec::new() };
    let request = exchange.request.as_ref().map(|request| request.fields.as_slice());
    let is_stream = is_stream(&response.version);
    response_rules(request, is_stream, response.status, response.fields.as_slice())
}

fn is_stream(version: &str) -> bool {
    !version.starts_with("HTTP/1")
}

fn write_verdicts(lines: &mut String, verdicts: &[RuleVerdict]) {
    for RuleVerdict { rule, section, is_obeyed, found, .. } in verdicts {
        let verdict = if *is_obeyed { "ok    " } else { "BROKEN" };
        let _ = writeln!(lines, "  {verdict}  {rule} ({section}): {}", printable(found));
    }
}

fn verdicts_to_json(verdicts: &[RuleVerdict]) -> Value {
    let rules = verdicts.iter().map(|verdict| {
        json!({
            "rule": verdict.rule,
            "section": verdict.section,
            "obeyed": verdict.is_obeyed,
            "found": verdict.found,
        })
    });
    rules.collect()
}

/// Returns what the heads tell of an attempt.
pub(super) fn observation(exchange: &Exchange) -> Observation {
    let mut seen = Observation::default();
    if let Some(request) = &exchange.request {
        seen.request_headers = header_map(&request.fields);
        seen.url = url(request);
        seen.http_version = version(&request.version);
    }
    if let Some(response) = &exchange.response {
        seen.step = Some(Step::Rules);
        seen.http_version = version(&response.version);
        seen.status = Some(response.status);
        seen.headers = header_map(&response.fields);
        seen.body = Bytes::from(response.body.clone());
        let verdicts = response_verdicts(exchange);
        let broken = verdicts.iter().find(|verdict| !verdict.is_obeyed);
        seen.error =
            broken.map(|rule| format!("{}: {}", rule.found, rule.rule)).unwrap_or_default();
    }
    seen
}

/// Returns the URL of a request; `None` without a host.
fn url(request: &Request) -> Option<String> {
    if request.target.contains("://") {
        return Some(redact_url(&request.target));
    }
    let is_host = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("host");
    let (_, host) = request.fields.iter().find(is_host)?;
    // Whether there was TLS is not known; a port often tells.
    let scheme = if host.ends_with(":443") { "wss" } else { "ws" };
    Some(redact_url(&format!("{scheme}://{host}{}", request.target)))
}

fn version(version: &str) -> Option<&'static str> {
    match version.strip_prefix("HTTP/")?.as_bytes().first()? {
        b'1' => Some("1.1"),
        b'2' => Some("2"),
        b'3' => Some("3"),
        _ => None,
    }
}

/// Returns the fields that are valid.
fn header_map(fields: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::super::heads::parse;
    use super::*;

    #[test]
    fn head_of_each_recorded_response_has_its_cause() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/causes");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Of several responses with one cause, each has a second name after a dot.
            let id = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap();
            let exchange = parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let found: Vec<_> = causes::likely(&observation(&exchange)).map(|it| &*it.id).collect();
            assert_eq!(found.first(), Some(&id), "{found:?}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }

    #[test]
    fn head_is_explained_with_the_lines_to_paste() {
        let text = "GET /ws HTTP/1.1\nHost: chat.example\n\nHTTP/1.1 426 Upgrade Required\n\
                    Server: nginx/1.22.1\n\n";
        let report = explain(&parse(text).unwrap());
        assert!(!report.is_open && report.json["causes"][0]["id"] == "nginx-no-upgrade");
        for line in [
            "request: GET /ws HTTP/1.1\n  ok      the method is GET (RFC 6455 §4.1 item 2): GET\n",
            "\n  BROKEN  Connection lists Upgrade (RFC 6455 §4.1 item 6): no Connection\n",
            "\nresponse: HTTP/1.1 426 Upgrade Required\n  BROKEN  the status is 101 \
             (RFC 6455 §4.1 response item 1): 426\n",
        ] {
            assert!(report.lines.contains(line), "{line}: {}", report.lines);
        }
        assert!(report.lines.contains("\n      proxy_http_version 1.1;\n"), "{}", report.lines);
        for target in ["/ws?token=SECRET", "wss://me:SECRET@a/ws?token=SECRET"] {
            let text = format!("GET {target} HTTP/1.1\nHost: a\n\nHTTP/1.1 200 OK\n\n");
            let report = explain(&parse(&text).unwrap());
            let shown = format!("{}{}", report.lines, report.json);
            assert!(shown.contains("/ws?token=***") && !shown.contains("SECRET"), "{shown}");
        }
        let open = explain(&parse("HTTP/2 200\n\n").unwrap());
        assert!(open.is_open && open.json["causes"] == json!([]));
    }
}
