//! `fdx explain`: what happens on the way to a WebSocket, who answers, and what to change.

mod attempt;
mod certificate;
mod compare;
mod facts;
mod idle;
mod likely;
mod offline;
mod open;
mod printer;
mod report;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as ClapArgs;
use fullduplex::client::HttpVersion;
use fullduplex::{Error, WebSocket};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};

use self::attempt::{Attempt, attempt};
use self::compare::Original;
use self::offline::OfflineForm;
use self::open::{close, round_trips};
use self::printer::Printer;
use self::report::Report;
use crate::base::signals::EndSignals;
use crate::base::values;
use crate::causes::observation::{Difference, Observation, Variation};
use crate::client::{ClientArgs, ClientOptions, ConnectOutcome, SetupError, url};

/// The options of `fdx explain`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Without connecting:
  fdx explain 1006                    a close code
  fdx explain net::ERR_FAILED         what a browser or a library says
  fdx explain --head < response.txt   what curl -i or -v prints, or a HAR file
  fdx explain hex 81 85 37 fa …       frames, taken apart; without bytes, from standard input

The report is on standard output; a clock runs on standard error while something is awaited.
Secrets are not shown: credentials, cookies, the values of --header, tokens in the URL.

Exit codes:
  0  a WebSocket opens and closes as it should, and silence is allowed as long as asked for
  else as for fdx connect: 2 wrong usage, 3 no connection, 4 rejected, 5 lost,
  6 closed with another code, 7 the peer violated the protocol, 130 Ctrl-C")]
pub(crate) struct Args {
    /// Where to connect, as for fdx connect; or a close code, what a browser or a library says, or
    /// hex and the bytes of frames
    #[arg(value_name = "URL|CODE|TEXT|hex BYTES",
          required_unless_present_any = ["profile", "head"])]
    subject: Vec<String>,
    /// Explain the head of a request or a response, or a HAR file, from standard input
    #[arg(long, conflicts_with = "subject")]
    head: bool,
    /// Print one JSON object at the end instead of lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ClientOptions,
    #[command(flatten)]
    checks: Checks,
}

/// What is examined beside the connection.
#[derive(Debug, ClapArgs)]
struct Checks {
    /// Compare with attempts that differ in one thing each, also if the first one succeeds
    ///
    /// The proxy, the HTTP version, Origin, compression, a request head of 8 KiB. Without it, what
    /// can be the cause is compared if the first attempt fails.
    #[arg(long)]
    compare: bool,
    /// Find out for how long the way to the server allows silence, up to this time, such as 5m,
    /// and whether Pings help
    #[arg(long, value_name = "TIME", value_parser = values::timeout)]
    idle: Option<Duration>,
    /// Send this Origin, as the browser does for a page of it
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin)]
    from_origin: Option<String>,
}

/// Explains what is asked for, and returns the exit code.
pub(crate) fn run(args: Args) -> ExitCode {
    if let Some(form) = OfflineForm::of(&args.subject, args.head) {
        return offline::run(&form, args.json);
    }
    match url::parse(&args.subject.concat()) {
        Ok(url) => {
            let client = ClientArgs { url, options: args.options };
            connect(&client, &args.checks, args.json)
        }
        Err(why) => {
            report!("fdx explain: URL: {why}");
            ExitCode::from(ConnectOutcome::Usage as u8)
        }
    }
}

/// Explains what happens on the way to a WebSocket.
fn connect(client: &ClientArgs, checks: &Checks, as_json: bool) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let mut signals = EndSignals::new();
            tokio::select! {
                outcome = explain(client, checks, as_json) => outcome,
                signal = signals.next() => signal.into(),
            }
        }),
        Err(error) => {
            report!("fdx explain: the runtime can't be started: {error}");
            ConnectOutcome::LocalIo
        }
    };
    ExitCode::from(outcome as u8)
}

async fn explain(client: &ClientArgs, checks: &Checks, as_json: bool) -> ConnectOutcome {
    let printer = Arc::new(Printer::new(!as_json));
    match Box::pin(explain_with(client, checks, &printer)).await {
        Ok(report) => {
            printer.clear_clock();
            report.print_verdict(&printer);
            if as_json {
                printer.print(&format!("{:#}", report.json()));
            }
            if let Some(error) = printer.failure() {
                report!("fdx explain: standard output: {error}");
                return ConnectOutcome::LocalIo;
            }
            report.outcome
        }
        Err(error) => {
            report!("fdx explain: {error}");
            error.outcome()
        }
    }
}

async fn explain_with(
    args: &ClientArgs,
    checks: &Checks,
    printer: &Arc<Printer>,
) -> Result<Report, SetupError> {
    let (client, url) = (args.build_client()?, &args.url);
    let mut fields = HeaderMap::new();
    if let Some(origin) = &checks.from_origin
        && let Ok(origin) = HeaderValue::try_from(origin)
    {
        fields.insert(ORIGIN, origin);
    }
    let first = attempt(&client, url, fields.clone(), Some(printer)).await?;
    let mut report = Report::new(&first, url, http_version(args.options.http));
    report.print_rules(printer);
    let original = Original {
        client: &client,
        url,
        fields: &fields,
        version: args.options.http,
        has_origin: first.facts.request().is_some_and(|head| head.value("origin").is_some()),
        has_deflate: first
            .facts
            .request()
            .is_some_and(|head| head.value("sec-websocket-extensions").is_some()),
        has_proxy: first.facts.proxy().is_some(),
    };
    let has_failed = report.observation.step.is_some();
    match first {
        Attempt { result: Ok((websocket, _)), .. } => {
            examine(&mut report, websocket, printer).await;
        }
        Attempt { result: Err(error), .. } => report.failed(&error, printer),
    }
    Box::pin(compare(&mut report, &original, has_failed, checks.compare, printer)).await?;
    if !has_failed && let Some(longest) = checks.idle {
        printer.heading("Silence");
        report.silent(idle::idle(&client, url, &fields, longest, printer).await, printer);
    }
    report.find_causes();
    Ok(report)
}

/// Tries the open WebSocket.
async fn examine(report: &mut Report, mut websocket: WebSocket, printer: &Arc<Printer>) {
    report.opened(&websocket, printer);
    let trips = round_trips(&mut websocket).await;
    printer.named("pings", &trips.line());
    let closing = close(websocket).await;
    printer.named("closing", &closing.line());
    report.closed(trips, closing);
}

/// Makes the attempts that differ in one thing.
async fn compare(
    report: &mut Report,
    original: &Original<'_>,
    has_failed: bool,
    is_asked_for: bool,
    printer: &Arc<Printer>,
) -> Result<(), Error> {
    let seen = Observation {
        step: report.observation.step.filter(|_| has_failed),
        ..report.observation.clone()
    };
    let mut differences = original.differences(&seen);
    if !has_failed && !is_asked_for {
        // What the server supports is shown in any case.
        let is_version = |difference: &Difference| {
            matches!(difference, Difference::Http1 | Difference::Http2 | Difference::Http3)
        };
        differences.retain(is_version);
    }
    if differences.is_empty() {
        return Ok(());
    }
    let is_about_versions = !has_failed && !is_asked_for;
    let heading = if is_about_versions {
        "On other HTTP versions"
    } else {
        "Compared with this, one thing at a time"
    };
    printer.heading(heading);
    for difference in differences {
        let variation: Variation = Box::pin(original.vary(difference)).await?;
        report.varied(variation, printer);
    }
    Ok(())
}

/// Returns the name of a version in the table of causes and in JSON.
fn http_version(version: HttpVersion) -> &'static str {
    match version {
        HttpVersion::Http2 => "2",
        HttpVersion::Http3 => "3",
        HttpVersion::Auto => "auto",
        _ => "1.1",
    }
}
