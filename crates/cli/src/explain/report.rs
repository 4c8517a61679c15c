//! What was found out, as lines and as JSON.

use std::time::Duration;

use fullduplex::client::rules::RuleVerdict;
use fullduplex::{Error, WebSocket};
use serde_json::{Value, json};

use super::attempt::Attempt;
use super::certificate;
use super::compare::describe;
use super::facts::{Fact, Head, TimedFact};
use super::idle::IdleReport;
use super::likely::{LikelyCause, likely};
use super::open::{Closing, RoundTrips};
use super::printer::Printer;
use crate::base::escape::printable;
use crate::causes::observation::{Difference, Observation, Step, Variation, redact_error};
use crate::client::{ConnectOutcome, option_names};

/// The bytes of a response's body that are shown.
const SHOWN_BODY: usize = 1000;

/// All that was found out.
pub(super) struct Report {
    pub(super) outcome: ConnectOutcome,
    pub(super) observation: Observation,
    facts: Vec<TimedFact>,
    took: Duration,
    request_rules: Vec<RuleVerdict>,
    response_rules: Vec<RuleVerdict>,
    negotiated: Option<Negotiated>,
    round_trips: Option<RoundTrips>,
    closing: Option<Closing>,
    idle: Option<IdleReport>,
    causes: Vec<LikelyCause>,
}

/// What both ends have agreed on.
struct Negotiated {
    version: String,
    subprotocol: Option<String>,
    compression: Option<String>,
}

impl Report {
    pub(super) fn new(attempt: &Attempt, url: &str, http_version: &'static str) -> Self {
        let (request_rules, response_rules) = attempt.rules();
        let outcome = match &attempt.result {
            Ok(_) => ConnectOutcome::Clean,
            Err(error) => ConnectOutcome::of_connect_error(error),
        };
        let negotiated = attempt.result.as_ref().ok().map(|(websocket, response)| Negotiated {
            version: format!("{:?}", response.version()),
            subprotocol: websocket.subprotocol().map(printable),
            compression: websocket.deflate().map(|deflate| deflate.to_string()),
        });
        Self {
            outcome,
            observation: attempt.observation(url, http_version),
            facts: attempt.facts.all.clone(),
            took: attempt.took,
            request_rules,
            response_rules,
            negotiated,
            round_trips: None,
            closing: None,
            idle: None,
            causes: Vec::new(),
        }
    }

    /// Prints each rule with its verdict.
    pub(super) fn print_rules(&self, printer: &Printer) {
        for (heading, rules) in [
            ("Rules for the request", &self.request_rules),
            ("Rules for the response", &self.response_rules),
        ] {
            if rules.is_empty() {
                continue;
            }
            printer.heading(heading);
            for rule in rules {
                let verdict = if rule.is_obeyed { "ok" } else { "BROKEN" };
                let found = if rule.is_obeyed {
                    String::new()
                } else {
                    format!(": {}", printable(&rule.found))
                };
                printer.line(&format!("  {verdict:6} {} ({}){found}", rule.rule, rule.section));
            }
        }
    }

    /// Prints what was negotiated.
    pub(super) fn opened(&self, websocket: &WebSocket, printer: &Printer) {
        printer.heading("The WebSocket is open");
        if let Some(negotiated) = &self.negotiated {
            let subprotocol = negotiated.subprotocol.as_deref().unwrap_or("none");
            let compression = negotiated.compression.as_deref().unwrap_or("none");
            printer.named("agreed", &negotiated.version);
            printer.named("", &format!("subprotocol {subprotocol}, compression {compression}"));
        }
        if let Ok(address) = websocket.peer_addr() {
            printer.named("peer", &address.to_string());
        }
    }

    /// Keeps how the round trips and the closing went.
    pub(super) fn closed(&mut self, trips: RoundTrips, closing: Closing) {
        self.outcome = closing.outcome();
        if self.outcome as u8 != 0 {
            self.observation.step = Some(Step::Open);
            let received = closing.info.as_ref().and_then(|info| info.received.as_ref());
            self.observation.close_code = received.map(|frame| frame.code.get());
        }
        self.round_trips = Some(trips);
        self.closing = Some(closing);
    }

    /// Prints why there is no WebSocket.
    pub(super) fn failed(&self, error: &Error, printer: &Printer) {
        printer.heading("There is no WebSocket");
        printer.named("error", &printable(&option_names(&redact_error(error))));
        let body = String::from_utf8_lossy(&self.observation.body);
        let body: String = body.chars().take(SHOWN_BODY).collect();
        for (i, line) in body.lines().filter(|line| !line.trim().is_empty()).take(12).enumerate() {
            printer.named(if i == 0 { "body" } else { "" }, &printable(line));
        }
        let first = &self.observation.first_bytes;
        if !first.is_empty() {
            let shown = &first[..first.len().min(100)];
            printer.named("received", &format!("\"{}\"", shown.escape_ascii()));
        }
    }

    /// Prints and keeps how another attempt went.
    pub(super) fn varied(&mut self, variation: Variation, printer: &Printer) {
        let went = match (variation.is_open, variation.status) {
            (true, _) => "opens".to_owned(),
            (false, Some(status)) => format!("status {status}"),
            (false, None) => variation.error.clone(),
        };
        let decides = if self.decides(&variation) { "   <<<" } else { "" };
        printer.line(&format!("  {:28} {went}{decides}", describe(variation.difference)));
        self.observation.variations.push(variation);
    }

    /// Prints and keeps what silence does.
    pub(super) fn silent(&mut self, idle: Option<IdleReport>, printer: &Printer) {
        let Some(idle) = idle else {
            printer.named("", "the WebSockets for it can't be opened");
            self.outcome = ConnectOutcome::Lost;
            return;
        };
        for line in idle.lines() {
            printer.named("", &line);
        }
        if !idle.is_allowed() {
            self.outcome = ConnectOutcome::Lost;
            self.observation.step = Some(Step::Open);
            let after = idle.cut.as_ref().map(|(after, _)| *after);
            self.observation.idle_for = after.or(idle.forgotten.map(|(lost, _)| lost));
            self.observation.do_pings_help = Some(idle.with_pings.1);
        }
        self.idle = Some(idle);
    }

    pub(super) fn find_causes(&mut self) {
        if self.outcome as u8 != 0 {
            self.causes = likely(&self.observation);
        }
    }

    /// Prints who answered, and what to change.
    pub(super) fn print_verdict(&self, printer: &Printer) {
        let deciding: Vec<_> = self.deciding().collect();
        if self.outcome as u8 == 0 {
            let is_by_server = self.closing.as_ref().is_some_and(|closing| closing.is_by_server);
            printer.heading(if is_by_server {
                "A WebSocket opens, and the server closes it by itself at once."
            } else {
                "All is well: a WebSocket opens and closes as it should."
            });
            for difference in &deciding {
                printer.line(&format!("But not with this: {}.", describe(*difference)));
            }
            if self.round_trips.as_ref().is_some_and(|trips| trips.is_unanswered) {
                printer.line("But Pings are not answered, so a client can't tell when it is dead.");
            }
            return;
        }
        printer.heading("Who answered, and what to change");
        if let Some(answered_by) = self.answered_by() {
            printer.line(&format!("  Answered by: {answered_by}"));
        }
        for difference in &deciding {
            let word = if self.negotiated.is_some() { "fails" } else { "works" };
            printer.line(&format!("  It {word} with this difference: {}", describe(*difference)));
        }
        if self.causes.is_empty() {
            let mut rules = self.request_rules.iter().chain(&self.response_rules);
            let is_marked = rules.any(|rule| !rule.is_obeyed);
            let wrong = if is_marked { "What is marked above" } else { "The error above" };
            printer.line(&format!("  No known cause fits. {wrong} is what is wrong."));
        }
        for cause in self.causes.iter().take(3) {
            printer.line("");
            printer.line(&format!("  {}: {}", cause.who, cause.cause));
            for line in cause.remedy.lines() {
                printer.line(&format!("  {line}"));
            }
            for line in cause.paste.lines() {
                printer.line(&format!("      {line}"));
            }
        }
    }

    /// Returns the differences with which an attempt went the other way.
    fn deciding(&self) -> impl Iterator<Item = Difference> {
        let variations = self.observation.variations.iter();
        variations.filter(|other| self.decides(other)).map(|other| other.difference)
    }

    /// Whether an attempt went the other way. A server need not support all HTTP versions.
    fn decides(&self, variation: &Variation) -> bool {
        match self.negotiated {
            Some(_) => !variation.is_open && !is_version(variation.difference),
            None => variation.is_open,
        }
    }

    /// Returns what the response says of the program that made it.
    fn answered_by(&self) -> Option<String> {
        let fields = ["server", "via", "x-powered-by", "cf-ray", "x-amz-cf-id", "x-amzn-requestid"];
        let found = fields.iter().filter_map(|name| {
            let value = self.observation.header(name);
            (!value.is_empty()).then(|| format!("{name}: {}", printable(value)))
        });
        let found: Vec<_> = found.collect();
        (!found.is_empty()).then(|| found.join(", "))
    }

    /// Returns the object of `--json`.
    pub(super) fn json(&self) -> Value {
        let seen = &self.observation;
        let is_failed = self.outcome as u8 != 0;
        json!({
            "url": seen.url,
            "ok": !is_failed,
            "exit_code": self.outcome as u8,
            "http_version": seen.http_version,
            "failed_step": seen.step.map(Step::name),
            "error": (!seen.error.is_empty()).then(|| printable(&option_names(&seen.error))),
            "took_ms": millis(self.took),
            "steps": self.facts.iter().filter_map(step_json).collect::<Vec<_>>(),
            "request": self.last_head(true).map(head_json),
            "response": self.last_head(false).map(head_json),
            "body": (!seen.body.is_empty()).then(|| String::from_utf8_lossy(&seen.body)),
            "first_bytes": (!seen.first_bytes.is_empty())
                .then(|| seen.first_bytes.escape_ascii().to_string()),
            "rules": {
                "request": rules_json(&self.request_rules),
                "response": rules_json(&self.response_rules),
            },
            "negotiated": self.negotiated.as_ref().map(|negotiated| json!({
                "http_version": negotiated.version,
                "subprotocol": negotiated.subprotocol,
                "compression": negotiated.compression,
            })),
            "round_trips": self.round_trips.as_ref().map(RoundTrips::json),
            "closing": self.closing.as_ref().map(Closing::json),
            "comparisons": seen.variations.iter().map(variation_json).collect::<Vec<_>>(),
            "deciding": self.deciding().map(Difference::name).collect::<Vec<_>>(),
            "idle": self.idle.as_ref().map(IdleReport::json),
            "answered_by": self.answered_by(),
            "causes": self.causes.iter().map(LikelyCause::json).collect::<Vec<_>>(),
        })
    }

    fn last_head(&self, is_request: bool) -> Option<&Head> {
        self.facts.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Request(head) if is_request => Some(head),
            Fact::Response(head) if !is_request => Some(head),
            _ => None,
        })
    }
}

const fn is_version(difference: Difference) -> bool {
    matches!(difference, Difference::Http1 | Difference::Http2 | Difference::Http3)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns a step; heads are elsewhere in the object.
fn step_json((at, fact): &TimedFact) -> Option<Value> {
    let mut step = match fact {
        Fact::Proxy(proxy) => json!({ "step": "proxy", "proxy": proxy }),
        Fact::Resolved { host, addresses } => {
            let addresses: Vec<_> = addresses.iter().map(|to| to.ip().to_string()).collect();
            json!({ "step": "dns", "host": host, "addresses": addresses })
        }
        Fact::Connected { to, from } => json!({ "step": "connected", "to": to, "from": from }),
        Fact::AddressFailed { to, error, after } => json!({
            "step": "address_failed", "to": to, "error": error, "after_ms": millis(*after),
        }),
        Fact::Tunnel(to) => json!({ "step": "tunnel", "to": to }),
        Fact::Quic(to) => json!({ "step": "quic", "to": to }),
        Fact::Tls(tls) => json!({
            "step": "tls",
            "host": tls.host,
            "version": tls.version,
            "cipher_suite": tls.cipher_suite,
            "alpn": tls.alpn,
            "certificates": certificates_json(&tls.certificates),
        }),
        Fact::CertificateRejected { host, certificates } => json!({
            "step": "certificate_rejected",
            "host": host,
            "certificates": certificates_json(certificates),
        }),
        Fact::ProxyRequest(_) => json!({ "step": "proxy_request" }),
        Fact::ProxyResponse(head) => json!({ "step": "proxy_response", "status": head.status }),
        Fact::Request(_) => json!({ "step": "request" }),
        Fact::Response(head) => json!({ "step": "response", "status": head.status }),
    };
    step.as_object_mut()?.insert("at_ms".into(), millis(*at).into());
    Some(step)
}

fn certificates_json(certificates: &[Vec<u8>]) -> Vec<Value> {
    certificates.iter().map(|der| certificate::json(der)).collect()
}

fn head_json(head: &Head) -> Value {
    let fields = head.fields.iter().map(|field| json!([field.name, field.shown]));
    json!({
        "first_line": printable(&head.first_line),
        "status": (head.status != 0).then_some(head.status),
        "fields": fields.collect::<Vec<_>>(),
    })
}

fn rules_json(rules: &[RuleVerdict]) -> Vec<Value> {
    let rule = |rule: &RuleVerdict| {
        json!({
            "rule": rule.rule,
            "section": rule.section,
            "ok": rule.is_obeyed,
            "found": printable(&rule.found),
        })
    };
    rules.iter().map(rule).collect()
}

fn variation_json(variation: &Variation) -> Value {
    json!({
        "difference": variation.difference.name(),
        "opens": variation.is_open,
        "status": variation.status,
        "error": (!variation.error.is_empty()).then_some(&variation.error),
    })
}
