//! Signatures: what must be observed for a cause to be likely.

use std::io;

use fullduplex::ErrorKind;

use super::observation::{Difference, Observation, Step};
use super::rows::Row;

/// What must be observed for a cause to be likely. All that is given must hold; of several values
/// of one fact, one must.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signature {
    /// `ws` or `wss`: how the URL begins.
    scheme: Option<String>,
    /// How the URL of the proxy begins.
    proxy: Vec<String>,
    http: Vec<String>,
    step: Vec<Step>,
    kind: Vec<ErrorKind>,
    io: Vec<io::ErrorKind>,
    timed_out: Option<bool>,
    /// Parts of the text of the error.
    error: Vec<String>,
    /// Ranges of the status, with their ends.
    status: Vec<(u16, u16)>,
    /// Fields of the response with a part of their value; empty for any value.
    header: Vec<(String, String)>,
    /// Fields that the response does not have.
    no_header: Vec<String>,
    /// Whether `Location` has the host and the path of the URL.
    same_place: Option<bool>,
    /// Fields of the request with a part of their value; empty for any value.
    request_header: Vec<(String, String)>,
    /// Parts of the body.
    body: Vec<String>,
    /// How the bytes begin that are not a response.
    first_bytes: Vec<String>,
    close: Vec<u16>,
    /// The least and the most seconds without a byte before the WebSocket ended.
    idle: Option<(u64, u64)>,
    pings_help: Option<bool>,
    /// The differences of attempts that opened a WebSocket where the first one did not.
    opens: Vec<String>,
}

const KINDS: [(&str, ErrorKind); 9] = [
    ("io", ErrorKind::Io),
    ("tls", ErrorKind::Tls),
    ("resolve", ErrorKind::Resolve),
    ("proxy", ErrorKind::Proxy),
    ("handshake", ErrorKind::Handshake),
    ("protocol", ErrorKind::Protocol),
    ("limit", ErrorKind::Limit),
    ("timeout", ErrorKind::Timeout),
    ("closed", ErrorKind::Closed),
];

const IO_KINDS: [(&str, io::ErrorKind); 6] = [
    ("refused", io::ErrorKind::ConnectionRefused),
    ("reset", io::ErrorKind::ConnectionReset),
    ("network-unreachable", io::ErrorKind::NetworkUnreachable),
    ("host-unreachable", io::ErrorKind::HostUnreachable),
    ("not-found", io::ErrorKind::NotFound),
    ("permission-denied", io::ErrorKind::PermissionDenied),
];

const STEPS: [Step; 8] = [
    Step::Resolve,
    Step::Tcp,
    Step::Proxy,
    Step::Quic,
    Step::Tls,
    Step::Response,
    Step::Rules,
    Step::Open,
];

const DIFFERENCES: [Difference; 12] = [
    Difference::WithTls,
    Difference::WithoutTls,
    Difference::WithoutProxy,
    Difference::Http1,
    Difference::Http2,
    Difference::Http3,
    Difference::NoOrigin,
    Difference::SameOrigin,
    Difference::ForeignOrigin,
    Difference::WithDeflate,
    Difference::WithoutDeflate,
    Difference::BigHead,
];

impl Signature {
    /// Reads a signature from a table of TOML.
    pub(super) fn read(mut row: Row<'_>) -> Result<Self, String> {
        let signature = Self {
            scheme: row.text("scheme")?,
            proxy: row.texts("proxy")?,
            http: row.texts("http")?,
            step: names(&row.texts("step")?, |name| {
                STEPS.into_iter().find(|step| step.name() == name)
            })?,
            kind: names(&row.texts("kind")?, |name| find(&KINDS, name))?,
            io: names(&row.texts("io")?, |name| find(&IO_KINDS, name))?,
            timed_out: row.flag("timed-out")?,
            error: lowercase(row.texts("error")?),
            status: names(&row.texts("status")?, range)?,
            header: row.pairs("header")?,
            no_header: lowercase(row.texts("no-header")?),
            same_place: row.flag("same-place")?,
            request_header: row.pairs("request-header")?,
            body: lowercase(row.texts("body")?),
            first_bytes: row.texts("first-bytes")?,
            close: row.numbers("close")?,
            idle: seconds(&row.numbers("idle")?)?,
            pings_help: row.flag("pings-help")?,
            opens: row.texts("opens")?,
        };
        let is_known = |name: &String| DIFFERENCES.iter().any(|known| known.name() == name);
        if let Some(unknown) = signature.opens.iter().find(|name| !is_known(name)) {
            return Err(format!("opens: {unknown} is not a difference"));
        }
        row.finish()?;
        Ok(signature)
    }

    /// Returns whether the observation has all that is asked for.
    pub(crate) fn matches(&self, seen: &Observation) -> bool {
        self.matches_way(seen)
            && self.matches_error(seen)
            && self.matches_response(seen)
            && self.matches_end(seen)
    }

    fn matches_way(&self, seen: &Observation) -> bool {
        let scheme = |url: &str| url.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let of_url = seen.url.as_deref().map(scheme).unwrap_or_default();
        let of_proxy = seen.proxy.as_deref().map(scheme).unwrap_or_default();
        // Of a URL, http and https mean the same.
        let of_url = of_url.replacen("http", "ws", 1);
        self.scheme.as_ref().is_none_or(|wanted| *wanted == of_url)
            && one_of(&self.proxy, |wanted| of_proxy.starts_with(&**wanted))
            && one_of(&self.http, |wanted| seen.http_version == Some(&**wanted))
    }

    fn matches_error(&self, seen: &Observation) -> bool {
        let error = seen.error.to_lowercase();
        one_of(&self.step, |step| seen.step == Some(*step))
            && one_of(&self.kind, |kind| seen.kind == Some(*kind))
            && one_of(&self.io, |kind| seen.io == Some(*kind))
            && one_of(&self.error, |part| error.contains(&**part))
            && self.timed_out.is_none_or(|wanted| {
                wanted == (seen.timed_out.is_some() || seen.kind == Some(ErrorKind::Timeout))
            })
    }

    fn matches_response(&self, seen: &Observation) -> bool {
        let has = |headers: &http::HeaderMap, name: &str, part: &str| {
            let part = part.to_lowercase();
            headers.get_all(name).iter().any(|value| {
                String::from_utf8_lossy(value.as_bytes()).to_lowercase().contains(&part)
            })
        };
        let body = String::from_utf8_lossy(&seen.body).to_lowercase();
        let in_range = |(from, to): &(u16, u16)| {
            seen.status.is_some_and(|status| (*from..=*to).contains(&status))
        };
        one_of(&self.status, in_range)
            && self.header.iter().all(|(name, part)| has(&seen.headers, name, part))
            && self.no_header.iter().all(|name| !seen.headers.contains_key(name))
            && self.same_place.is_none_or(|wanted| wanted == is_same_place(seen))
            && self.request_header.iter().all(|(name, part)| has(&seen.request_headers, name, part))
            && one_of(&self.body, |part| body.contains(&**part))
            && one_of(&self.first_bytes, |start| begins_with(&seen.first_bytes, start.as_bytes()))
    }

    fn matches_end(&self, seen: &Observation) -> bool {
        let opened = |name: &String| {
            seen.variations.iter().any(|other| other.is_open && other.difference.name() == name)
        };
        one_of(&self.close, |code| seen.close_code == Some(*code))
            && self.opens.iter().all(opened)
            && self.pings_help.is_none_or(|wanted| seen.do_pings_help == Some(wanted))
            && self.idle.is_none_or(|(from, to)| {
                seen.idle_for.is_some_and(|idle| (from..=to).contains(&idle.as_secs()))
            })
    }
}

/// Returns whether a redirection leads to the host and the path of the URL, on whatever port.
fn is_same_place(seen: &Observation) -> bool {
    let place = |url: &str| {
        let uri: http::Uri = url.parse().ok()?;
        Some((uri.host()?.to_ascii_lowercase(), uri.path().to_owned()))
    };
    let asked = seen.url.as_deref().and_then(place);
    asked.is_some() && asked == place(seen.header("location"))
}

/// Returns whether bytes begin with those of a signature, in which a `.` is any byte.
fn begins_with(bytes: &[u8], start: &[u8]) -> bool {
    bytes.len() >= start.len()
        && start.iter().zip(bytes).all(|(wanted, byte)| *wanted == b'.' || wanted == byte)
}

/// Returns whether the condition holds for at least one value. An empty list sets no condition, so
/// that the answer is true.
fn one_of<T>(values: &[T], holds: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(holds)
}

fn lowercase(texts: Vec<String>) -> Vec<String> {
    texts.into_iter().map(|text| text.to_lowercase()).collect()
}

fn find<T: Copy>(known: &[(&str, T)], name: &str) -> Option<T> {
    known.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
}

fn names<T>(names: &[String], find: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    let found = names.iter().map(|name| find(name).ok_or(format!("{name} is not known")));
    found.collect()
}

/// Parses a status, or a range of it such as `520-527`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let range = (from.parse().ok()?, to.parse().ok()?);
    (range.0 <= range.1 && (100..=999).contains(&range.0)).then_some(range)
}

fn seconds(numbers: &[u64]) -> Result<Option<(u64, u64)>, String> {
    match numbers {
        [] => Ok(None),
        [from, to] if from <= to => Ok(Some((*from, *to))),
        _ => Err("idle: not the least and the most seconds".into()),
    }
}
