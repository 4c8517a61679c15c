//! The lines of the report, and the clock on standard error while something is awaited.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use super::certificate;
use super::facts::{Fact, Head};

/// The width of the column that names the steps.
const NAME_WIDTH: usize = 9;

/// Where the report goes.
#[derive(Debug)]
pub(super) struct Printer {
    /// Whether lines are printed. With `--json` there is one object at the end.
    has_lines: bool,
    clock: Mutex<Clock>,
    /// Why standard output took no more.
    failed: Mutex<Option<io::Error>>,
}

#[derive(Debug)]
struct Clock {
    is_terminal: bool,
    /// Whether a line of the clock is on the terminal, to be overwritten.
    is_shown: bool,
    /// The seconds at which a line is due, if standard error is not a terminal.
    due: u64,
}

impl Printer {
    pub(super) fn new(has_lines: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let clock = Mutex::new(Clock { is_terminal, is_shown: false, due: 1 });
        Self { has_lines, clock, failed: Mutex::new(None) }
    }

    /// Prints a line.
    pub(super) fn line(&self, line: &str) {
        self.clear_clock();
        if self.has_lines {
            self.print(line);
        }
    }

    /// Prints a line, with `--json` too.
    pub(super) fn print(&self, line: &str) {
        if let Err(error) = writeln!(io::stdout(), "{line}")
            && let Ok(mut failed) = self.failed.lock()
        {
            failed.get_or_insert(error);
        }
    }

    /// Returns why standard output took no more, if it failed. That the reader has gone is
    /// not a failure: the exit code says the rest.
    pub(super) fn failure(&self) -> Option<io::Error> {
        let failed = self.failed.lock().ok()?.take();
        failed.filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// Prints a line with the name of a step in the first column.
    pub(super) fn named(&self, name: &str, line: &str) {
        self.line(&format!("          {name:NAME_WIDTH$} {line}"));
    }

    /// Prints a heading after an empty line.
    pub(super) fn heading(&self, heading: &str) {
        self.line("");
        self.line(heading);
    }

    /// Prints what happened at this time after the start.
    pub(super) fn fact(&self, at: Duration, fact: &Fact) {
        let mut lines = fact_lines(fact).into_iter();
        let Some((name, first)) = lines.next() else { return };
        self.line(&format!("{:7.3} s {name:NAME_WIDTH$} {first}", at.as_secs_f64()));
        for (_, line) in lines {
            self.named("", &line);
        }
    }

    /// Begins to count the time that is waited.
    pub(super) fn start_clock(&self) {
        if let Ok(mut clock) = self.clock.lock() {
            clock.due = 1;
        }
    }

    /// Shows how long something is being waited for; to be called each second.
    pub(super) fn tick(&self, since: Instant, awaited: &str) {
        let Ok(mut clock) = self.clock.lock() else { return };
        let seconds = since.elapsed().as_secs();
        if seconds == 0 {
            return;
        }
        if clock.is_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{seconds:3} s, waiting for {awaited} …");
            clock.is_shown = true;
        } else if seconds >= clock.due {
            // At 1, 2, 4, 8 s and so on.
            clock.due = seconds * 2;
            report!("{seconds} s, waiting for {awaited}");
        }
    }

    pub(super) fn clear_clock(&self) {
        if let Ok(mut clock) = self.clock.lock()
            && std::mem::take(&mut clock.is_shown)
        {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// Returns the lines about a fact, the first with the name of the step.
fn fact_lines(fact: &Fact) -> Vec<(&'static str, String)> {
    match fact {
        Fact::Proxy(proxy) => vec![("proxy", format!("through {proxy}"))],
        Fact::Resolved { host, addresses } => {
            let addresses: Vec<_> = addresses.iter().map(|to| to.ip().to_string()).collect();
            vec![("DNS", format!("{host}: {}", addresses.join(", ")))]
        }
        Fact::Connected { to, from: Some(from) } => {
            vec![("TCP", format!("connected to {to} from {from}"))]
        }
        Fact::Connected { to, from: None } => vec![("socket", format!("connected to {to}"))],
        Fact::AddressFailed { to, error, after } => {
            let after = after.as_secs_f64() * 1e3;
            vec![("failed", format!("{to}: {error} (after {after:.1} ms)"))]
        }
        Fact::Tunnel(to) => vec![("proxy", format!("connected it to {to}"))],
        Fact::Quic(to) => vec![("QUIC", format!("connected to {to}"))],
        Fact::Tls(tls) => {
            let mut words = vec![tls.version];
            if !tls.cipher_suite.is_empty() {
                words.push(&tls.cipher_suite);
            }
            let alpn = tls.alpn.as_ref().map_or("no ALPN".into(), |alpn| format!("ALPN {alpn}"));
            let first = format!("{} with {}, {alpn}", words.join(", "), tls.host);
            let first = vec![("TLS", first)];
            first.into_iter().chain(certificate_lines(&tls.certificates)).collect()
        }
        Fact::CertificateRejected { host, certificates } => {
            let first = vec![("TLS", format!("the certificate of {host} is not accepted"))];
            first.into_iter().chain(certificate_lines(certificates)).collect()
        }
        Fact::ProxyRequest(head) | Fact::Request(head) => head_lines("request", "> ", head),
        Fact::ProxyResponse(head) | Fact::Response(head) => head_lines("response", "< ", head),
    }
}

fn certificate_lines(certificates: &[Vec<u8>]) -> Vec<(&'static str, String)> {
    let now = SystemTime::now();
    let each = certificates.iter().enumerate().flat_map(|(i, der)| {
        let lines = certificate::lines(der, now).into_iter().enumerate();
        lines.map(move |(line, text)| {
            if line == 0 { format!("certificate {}: {text}", i + 1) } else { format!("  {text}") }
        })
    });
    each.map(|line| ("", line)).collect()
}

fn head_lines(name: &'static str, mark: &str, head: &Head) -> Vec<(&'static str, String)> {
    let first = crate::base::escape::printable(&head.first_line);
    let mut lines = vec![(name, format!("{mark}{first}"))];
    let fields = head.fields.iter();
    lines.extend(fields.map(|field| ("", format!("{mark}{}: {}", field.name, field.shown))));
    lines
}
