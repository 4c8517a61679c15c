//! One attempt to open a WebSocket, with all that is seen on the way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fullduplex::client::rules::{HttpCarrier, RuleVerdict, request_rules, response_rules};
use fullduplex::{Client, ConnectStep, Error, ErrorKind, WebSocket};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use tokio::time::interval;

use super::facts::{Fact, Facts, Head};
use super::printer::Printer;
use crate::base::redact::redact_url;
use crate::causes::observation::{Observation, Step};

/// An attempt that has ended.
pub(super) struct Attempt {
    pub(super) facts: Facts,
    pub(super) took: Duration,
    pub(super) result: Result<(WebSocket, Response<()>), Error>,
}

/// Opens a WebSocket. With a printer, the steps are printed as they happen.
pub(super) async fn attempt(
    client: &Client,
    url: &str,
    fields: HeaderMap,
    printer: Option<&Arc<Printer>>,
) -> Result<Attempt, Error> {
    let facts = Arc::new(Mutex::new(Facts::new()));
    let (seen, shown) = (facts.clone(), printer.cloned());
    let client = client.to_builder().on_connect_event(move |event| {
        let Some(fact) = Fact::of(event) else { return };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let at = seen.since.elapsed();
        if let Some(printer) = &shown {
            printer.fact(at, &fact);
        }
        seen.all.push((at, fact));
    });
    let client = client.build()?;
    let since = Instant::now();
    let result = match request(url, fields) {
        Some(request) => {
            let is_secure = is_secure(url);
            let connecting = client.connect(request);
            match printer {
                None => connecting.await,
                Some(printer) => {
                    let awaited = || {
                        let facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
                        facts.awaited(is_secure)
                    };
                    with_clock(printer, since, awaited, connecting).await
                }
            }
        }
        // A Unix socket has no `http::Uri`.
        None => client.connect(url).await,
    };
    let facts = facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(Attempt { facts, took: since.elapsed(), result })
}

/// Returns a request with these fields; `None` if they are empty or the URL is not an `http::Uri`.
fn request(url: &str, fields: HeaderMap) -> Option<Request<()>> {
    let mut request = Request::get(url).body(()).ok()?;
    *request.headers_mut() = fields;
    Some(request)
}

/// Returns whether a URL is one with TLS.
pub(super) fn is_secure(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    scheme.starts_with("wss") || scheme == "https"
}

/// Waits for a future, and shows a clock meanwhile.
pub(super) async fn with_clock<F: Future>(
    printer: &Printer,
    since: Instant,
    awaited: impl Fn() -> &'static str,
    future: F,
) -> F::Output {
    printer.start_clock();
    let mut seconds = interval(Duration::from_secs(1));
    tokio::pin!(future);
    let output = loop {
        tokio::select! {
            biased;
            output = &mut future => break output,
            _ = seconds.tick() => printer.tick(since, awaited()),
        }
    };
    printer.clear_clock();
    output
}

impl Attempt {
    /// Returns the verdicts about the request and about the response.
    pub(super) fn rules(&self) -> (Vec<RuleVerdict>, Vec<RuleVerdict>) {
        let Some(request) = self.facts.request() else { return Default::default() };
        let fields = request.pairs();
        let carrier = if is_stream(request) {
            let protocol = request.value(":protocol");
            let protocol = protocol.and_then(|name| std::str::from_utf8(name).ok());
            HttpCarrier::Stream { protocol }
        } else {
            HttpCarrier::Http1 { minor: 1 }
        };
        let of_request = request_rules(&request.method, carrier, fields.as_slice());
        let of_response = self.facts.response().map(|response| {
            let (is_stream, status) = (is_stream(request), response.status);
            response_rules(Some(fields.as_slice()), is_stream, status, response.pairs().as_slice())
        });
        (of_request, of_response.unwrap_or_default())
    }

    /// Returns what is known, for the table of causes.
    pub(super) fn observation(&self, url: &str, http_version: &'static str) -> Observation {
        let mut observation = match &self.result {
            Ok((_, response)) => Observation {
                status: Some(response.status().as_u16()),
                headers: response.headers().clone(),
                ..Observation::default()
            },
            Err(error) => Observation {
                step: Some(self.step(error)),
                first_bytes: error.first_bytes().to_vec().into(),
                timed_out: (error.kind() == ErrorKind::Timeout).then_some(self.took),
                ..Observation::of_error(error)
            },
        };
        observation.url = Some(redact_url(url));
        observation.http_version = Some(http_version);
        observation.proxy = self.facts.proxy().map(str::to_owned);
        if let Some(request) = self.facts.request() {
            observation.request_headers = shown_fields(request);
        }
        observation
    }

    fn step(&self, error: &Error) -> Step {
        let is_proxy = error.kind() == ErrorKind::Proxy;
        match error.connect_step() {
            _ if is_proxy => Step::Proxy,
            Some(ConnectStep::Resolve) => Step::Resolve,
            Some(ConnectStep::Connect) => Step::Tcp,
            Some(ConnectStep::Proxy) => Step::Proxy,
            Some(ConnectStep::Tls) => Step::Tls,
            Some(ConnectStep::Quic) => Step::Quic,
            // A response with 101, or 2xx on a stream, which breaks another rule.
            _ => match self.facts.response().map(|head| head.status) {
                Some(101 | 200..=299) if !self.is_status_broken() => Step::Rules,
                _ => Step::Response,
            },
        }
    }

    /// Whether the status says that no WebSocket is opened.
    fn is_status_broken(&self) -> bool {
        let (_, rules) = self.rules();
        rules.first().is_some_and(|status| !status.is_obeyed)
    }
}

fn is_stream(head: &Head) -> bool {
    head.version >= Version::HTTP_2
}

/// Returns the fields of a head without secrets.
fn shown_fields(head: &Head) -> HeaderMap {
    let fields = head.fields.iter().filter_map(|field| {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(field.shown.as_bytes()).ok()?))
    });
    fields.collect()
}
