//! Heads of a request and a response, as people paste them: of `curl -i` and `curl -v`, of a
//! browser's developer tools, or a HAR file.

use serde_json::Value;

/// A request and its response, as far as they were pasted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) request: Option<Request>,
    pub(super) response: Option<Response>,
}

/// The head of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// Such as `HTTP/1.1`.
    pub(super) version: String,
    /// The value of `:protocol`, on HTTP/2 and HTTP/3.
    pub(super) protocol: Option<String>,
    pub(super) fields: Vec<(String, String)>,
}

/// The head of a response, and its content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) version: String,
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: String,
}

/// Parses what was pasted.
pub(super) fn parse(text: &str) -> Result<Exchange, String> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let exchange = if text.starts_with('{') { of_har(text)? } else { of_text(text) };
    if exchange == Exchange::default() {
        return Err("there is neither a request line, such as GET /ws HTTP/1.1, nor a status \
                    line, such as HTTP/1.1 200 OK"
            .into());
    }
    Ok(exchange)
}

/// The part of a text that a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Request,
    Response,
    Body,
}

fn of_text(text: &str) -> Exchange {
    // With curl -v, heads have a mark, and lines of information too.
    let is_verbose = text.lines().any(|line| line.starts_with("< HTTP/") || line.starts_with("> "));
    let (mut exchange, mut part) = (Exchange::default(), Part::Start);
    for line in text.lines() {
        let marked = line.strip_prefix("> ").or_else(|| line.strip_prefix("< "));
        let is_empty_mark = matches!(line.trim_end(), ">" | "<");
        let line = match marked {
            Some(line) if is_verbose => line,
            _ if is_verbose && is_empty_mark => "",
            _ if is_verbose && (line.starts_with("* ") || line.starts_with("{ ")) => continue,
            _ if is_verbose && part != Part::Body => continue,
            _ => line,
        };
        part = add_line(&mut exchange, part, line);
    }
    exchange
}

/// Adds a line, and returns the part that it belongs to.
fn add_line(exchange: &mut Exchange, part: Part, line: &str) -> Part {
    let begins_head = part != Part::Request && part != Part::Response;
    if let Some(response) = status_line(line).filter(|_| begins_head || part == Part::Request) {
        // Of several, such as 103 or that of a proxy, the last is the final one.
        exchange.response = Some(response);
        return Part::Response;
    }
    if part == Part::Start
        && let Some(request) = request_line(line)
    {
        exchange.request = Some(request);
        return Part::Request;
    }
    match part {
        Part::Start => pseudo_field(exchange, line).unwrap_or(part),
        _ if line.trim().is_empty() && part == Part::Request => Part::Start,
        _ if line.trim().is_empty() && part == Part::Response => Part::Body,
        Part::Request | Part::Response => {
            if line.starts_with(':') {
                return pseudo_field(exchange, line).unwrap_or(part);
            }
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let field = (name.trim().to_owned(), value.trim().to_owned());
            match (part, &mut exchange.request, &mut exchange.response) {
                (Part::Request, Some(request), _) => request.fields.push(field),
                (_, _, Some(response)) => response.fields.push(field),
                _ => {}
            }
            part
        }
        Part::Body => {
            if let Some(response) = &mut exchange.response {
                response.body.push_str(line);
                response.body.push('\n');
            }
            part
        }
    }
}

fn request_line(line: &str) -> Option<Request> {
    let mut words = line.split_whitespace();
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_method && version.starts_with("HTTP/")).then(|| Request {
        method: method.into(),
        target: target.into(),
        version: version.into(),
        ..Request::default()
    })
}

fn status_line(line: &str) -> Option<Response> {
    let rest = line.strip_prefix("HTTP/")?;
    let mut words = rest.splitn(3, ' ');
    let (version, status) = (words.next()?, words.next()?.trim().parse().ok()?);
    let is_version = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let reason = words.next().unwrap_or_default().trim().to_owned();
    let version = format!("HTTP/{version}");
    is_version.then(|| Response { version, status, reason, ..Response::default() })
}

/// Takes a pseudo-header field, as developer tools show them for HTTP/2 and HTTP/3.
fn pseudo_field(exchange: &mut Exchange, line: &str) -> Option<Part> {
    let (name, value) = line.strip_prefix(':')?.split_once(':')?;
    let value = value.trim().to_owned();
    if name == "status" {
        let status = value.parse().ok()?;
        exchange.response =
            Some(Response { version: "HTTP/2".into(), status, ..Response::default() });
        return Some(Part::Response);
    }
    let request = exchange.request.get_or_insert_with(Request::default);
    request.version = "HTTP/2".into();
    match name {
        "method" => request.method = value,
        "path" => request.target = value,
        "protocol" => request.protocol = Some(value),
        "authority" => request.fields.push(("Host".into(), value)),
        _ => {}
    }
    Some(Part::Request)
}

fn of_har(text: &str) -> Result<Exchange, String> {
    let har: Value = serde_json::from_str(text).map_err(|error| format!("JSON: {error}"))?;
    let entries = har["log"]["entries"].as_array();
    let is_websocket = |entry: &&Value| {
        let fields = har_fields(&entry["request"]);
        let has_field = fields.iter().any(|(name, _)| {
            name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("sec-websocket-"))
        });
        has_field || entry["request"]["url"].as_str().is_some_and(|url| url.starts_with("ws"))
    };
    let entry = match entries {
        Some(entries) => {
            let found = entries.iter().find(is_websocket);
            found.ok_or("no entry of this HAR is a WebSocket")?
        }
        None => &har,
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (request, response) = (&entry["request"], &entry["response"]);
    let mut exchange = Exchange::default();
    if request.is_object() {
        exchange.request = Some(Request {
            method: text(&request["method"]),
            target: text(&request["url"]),
            version: har_version(&request["httpVersion"]),
            protocol: None,
            fields: har_fields(request),
        });
    }
    // A status of 0 is that of a request without a response.
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    if let Some(status @ 100..) = status {
        exchange.response = Some(Response {
            version: har_version(&response["httpVersion"]),
            status,
            reason: text(&response["statusText"]),
            fields: har_fields(response),
            body: text(&response["content"]["text"]),
        });
    }
    Ok(exchange)
}

fn har_version(value: &Value) -> String {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("h2" | "http/2" | "http/2.0") => "HTTP/2".into(),
        Some("h3" | "http/3" | "http/3.0") => "HTTP/3".into(),
        _ => "HTTP/1.1".into(),
    }
}

fn har_fields(message: &Value) -> Vec<(String, String)> {
    let fields = message["headers"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    fields.map(|field| (text(&field["name"]), text(&field["value"]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(fields: &[(String, String)], name: &str) -> String {
        let found = fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn heads_of_curl_are_read() {
        let plain = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 403 Forbidden\r\n\
                     Server: nginx\r\n\r\n<html>\r\nHTTP: no\r\n";
        let exchange = parse(plain).unwrap();
        let response = exchange.response.unwrap();
        assert_eq!((response.status, &*response.reason), (403, "Forbidden"));
        assert_eq!(field(&response.fields, "server"), "nginx");
        assert_eq!((response.fields.len(), &*response.body), (1, "<html>\nHTTP: no\n"));
        assert!(exchange.request.is_none());
        let verbose = "* Connected to a\n> GET /ws HTTP/1.1\n> Host: a\n> Upgrade: websocket\n>\n\
                       * Request sent\n< HTTP/1.1 200 OK\n< Server: nginx\n<\n\
                       { [5 bytes data]\nhello\n";
        let exchange = parse(verbose).unwrap();
        let (request, response) = (exchange.request.unwrap(), exchange.response.unwrap());
        assert_eq!((&*request.method, &*request.target), ("GET", "/ws"));
        assert_eq!(field(&request.fields, "upgrade"), "websocket");
        assert_eq!((response.status, &*response.body), (200, "hello\n"));
    }

    #[test]
    fn heads_of_developer_tools_are_read() {
        let both = "GET wss://a/ws HTTP/1.1\nHost: a\nConnection: Upgrade\n\n\
                    HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n";
        let exchange = parse(both).unwrap();
        assert_eq!(exchange.request.unwrap().fields.len(), 2);
        assert_eq!(exchange.response.unwrap().status, 101);
        let http2 =
            ":method: CONNECT\n:protocol: websocket\n:path: /ws\n:authority: a\norigin: b\n";
        let request = parse(http2).unwrap().request.unwrap();
        assert_eq!(request.protocol.as_deref(), Some("websocket"));
        assert_eq!(field(&request.fields, "host"), "a");
        let response = parse(":status: 501\nserver: x\n").unwrap().response.unwrap();
        assert_eq!((response.status, &*response.version), (501, "HTTP/2"));
    }

    #[test]
    fn heads_of_a_har_file_are_read() {
        let entry = r#"{"request":{"method":"GET","url":"wss://a/ws","httpVersion":"HTTP/1.1",
            "headers":[{"name":"Sec-WebSocket-Key","value":"x"}]},
            "response":{"status":404,"statusText":"Not Found","httpVersion":"HTTP/1.1",
            "headers":[{"name":"Server","value":"nginx"}],"content":{"text":"no"}}}"#;
        let file =
            format!(r#"{{"log":{{"entries":[{{"request":{{"url":"https://a/"}}}},{entry}]}}}}"#);
        for text in [entry, &file] {
            let exchange = parse(text).unwrap();
            assert_eq!(exchange.request.unwrap().target, "wss://a/ws");
            let response = exchange.response.unwrap();
            assert_eq!((response.status, &*response.body), (404, "no"));
        }
        assert!(parse(r#"{"log":{"entries":[]}}"#).unwrap_err().contains("no entry"));
    }

    #[test]
    fn heads_that_are_none_are_errors() {
        for text in ["", "hello", "{", "GET /", "HTTP/x 200", "{}", ":status: x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
