//! `fdx connect`: its options, and one connection from its start to its end.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};
use fullduplex::client::{ClientTls, HttpVersion, Proxies, Proxy};
use fullduplex::{Client, CloseCode, Error, ErrorKind};
use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue};
use tokio::time::{sleep, timeout};

use crate::escape::printable;
use crate::interactive::InteractiveConnection;
use crate::outcome::ConnectOutcome;
use crate::signals::termination_signal;
use crate::{deflate, values, verbose};

/// The time for pooled connections to close, such as for CONNECTION_CLOSE on HTTP/3 to leave.
const CLOSE_IDLE_TIMEOUT: Duration = Duration::from_millis(500);

/// The time for the task of an HTTP/2 connection to write its last frames.
const HTTP2_FLUSH: Duration = Duration::from_millis(20);

/// The time for the closing handshake after a signal.
const SIGNAL_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The options of `fdx connect`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Each line of standard input is sent as a text message, each text message received is
printed as a line. At the end of the input the connection is closed with 1000, once the
server has sent its last messages (see --linger).

Exit codes:
  0  closed cleanly with 1000, or without a code
  1  a file is missing or can't be used, or a pipe or terminal failed
  2  wrong usage
  3  no connection: name, network, proxy, TLS, time-out
  4  the server rejected the handshake
  5  the connection was lost: no Close frame, a time-out, a network error
  6  closed with another code, such as 1001 of a server that shuts down
  7  the peer violated the protocol, or exceeded a limit
129, 143  ended by SIGHUP or SIGTERM, after a Close with 1001

Environment:
  SSLKEYLOGFILE  a file to which the TLS keys are appended, for Wireshark")]
pub(crate) struct Args {
    /// Where to connect: ws:// or wss://, such as ws://127.0.0.1:9001/echo (http:// and https://
    /// mean the same), or ws+unix:/path/of/the/socket:/echo for a Unix socket
    #[arg(value_parser = url)]
    url: String,
    /// Print on standard error how the server was reached and what was negotiated: addresses,
    /// the proxy, TLS and the certificate, the HTTP version, subprotocol, extensions
    #[arg(long, short)]
    verbose: bool,
    /// Send standard input as binary messages, and write received messages unchanged, or with
    /// escapes to a terminal
    #[arg(long, short)]
    binary: bool,
    /// Offer a subprotocol (may be repeated, the preferred one first)
    #[arg(long, short, value_name = "NAME", value_parser = values::subprotocol)]
    subprotocol: Vec<String>,
    /// Add a header field to the request (may be repeated); User-Agent defaults to
    /// fdx/VERSION
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    /// Trust the authorities in this PEM file too (may be repeated)
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Vec<PathBuf>,
    /// Send this client certificate, with its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,
    /// Accept any certificate: an attacker on the network can read and change everything
    #[arg(long, short = 'k', help_heading = "TLS")]
    insecure: bool,
    /// Use this proxy: http://, https://, socks5://, socks5h:// or socks:// (the same as
    /// socks5://), or "none"; by default as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say
    #[arg(long, value_name = "URL", value_parser = proxy)]
    proxy: Option<Proxies>,
    /// HTTP version: 1 for HTTP/1.1, 2, 3, or auto for the best that the server supports
    #[arg(long, default_value = "1", value_name = "VERSION", value_parser = version)]
    http: HttpVersion,
    /// Follow up to N redirections. To another host or port, the fields of --header, the
    /// subprotocols and the certificate of --cert are not sent
    #[arg(long, default_value_t = 0, value_name = "N")]
    max_redirects: u32,
    /// Largest message to accept, in bytes
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1..))]
    max_message_size: u64,
    /// Seconds without a message after which the connection is closed, once the input has
    /// ended
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = values::seconds)]
    linger: f64,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, num_args = 0..=1,
          require_equals = true, default_missing_value = "balanced", value_parser = deflate::parse)]
    deflate: Option<deflate::DeflateSetting>,
}

fn version(text: &str) -> Result<HttpVersion, String> {
    match text {
        "1" | "1.1" => Ok(HttpVersion::Http1),
        "2" => Ok(HttpVersion::Http2),
        "3" => Ok(HttpVersion::Http3),
        "auto" => Ok(HttpVersion::Auto),
        _ => Err("1, 2, 3 or auto".into()),
    }
}

/// Checks that there is a scheme; the client checks the rest.
fn url(text: &str) -> Result<String, String> {
    match text.contains("://") || text.starts_with("ws+unix:") {
        true => Ok(text.to_owned()),
        false if text.is_empty() => Err("a URL such as ws://127.0.0.1:9001/echo".into()),
        false => Err(format!("a URL needs a scheme: ws://{text} or, with TLS, wss://{text}")),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("there is no colon between name and value")?;
    let name = name.trim().parse().map_err(|_| format!("{name:?} is not a valid field name"))?;
    // The value may be a secret, so that no error shows it.
    let value = HeaderValue::from_bytes(value.trim().as_bytes());
    let mut value = value.map_err(|_| "the value has a control character")?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn proxy(text: &str) -> Result<Proxies, Error> {
    if text == "none" { Ok(Proxies::none()) } else { Proxy::parse(text).map(Proxies::all) }
}

/// Connects, and exchanges messages until either side closes.
pub(crate) fn run(args: Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(connect(args));
            // A read of the terminal can't be cancelled, and must not delay the exit.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => {
            report!("fdx connect: the runtime can't be started: {error}");
            ConnectOutcome::LocalIo
        }
    };
    ExitCode::from(outcome as u8)
}

async fn connect(args: Args) -> ConnectOutcome {
    let client = match build_client(&args) {
        Ok(client) => client,
        Err(error) => {
            report!("fdx connect: {}", with_option_names(&error));
            // Errors of the TLS settings are errors of their files.
            let is_of_file = error.kind() == ErrorKind::Tls;
            return if is_of_file { ConnectOutcome::LocalIo } else { ConnectOutcome::Usage };
        }
    };
    let mut terminated = pin!(termination_signal());
    let connected = tokio::select! {
        connected = client.connect(&args.url) => connected,
        _ = tokio::signal::ctrl_c() => {
            report!("fdx connect: interrupted before the connection was open");
            return ConnectOutcome::NoConnection;
        }
        signal = &mut terminated => return signal.into(),
    };
    let (websocket, response) = match connected {
        Ok(connected) => connected,
        Err(error) => {
            let outcome = report_connect_error(&error);
            // Sends CONNECTION_CLOSE on HTTP/3, so that the server need not wait for its idle
            // timeout.
            let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
            return outcome;
        }
    };
    let interactive = io::stdin().is_terminal();
    if args.verbose {
        verbose::negotiated(&websocket, &response);
    }
    if interactive {
        let subprotocol = websocket.subprotocol().map(|name| format!(", subprotocol {name}"));
        let subprotocol = subprotocol.unwrap_or_default();
        let deflate = websocket.deflate().map(|deflate| format!(", {deflate}"));
        let deflate = deflate.unwrap_or_default();
        // Without user and password.
        let url = args.url.rsplit_once('@').map_or(&*args.url, |(_, rest)| rest);
        let version = response.version();
        report!("connected to {url} by {version:?}{subprotocol}{deflate}; Ctrl-D closes");
    }
    let is_http2 = response.version() == http::Version::HTTP_2;
    let (send, receive) = websocket.split();
    let linger = Duration::from_secs_f64(args.linger);
    let connection =
        InteractiveConnection { binary: args.binary, linger: (!interactive).then_some(linger) };
    let outcome = tokio::select! {
        outcome = connection.run(send.clone(), receive) => outcome,
        signal = terminated => {
            // Received messages are not printed any more; `close` reads up to the peer's Close.
            let _ = timeout(SIGNAL_CLOSE_TIMEOUT, send.close(CloseCode::GOING_AWAY, "")).await;
            signal.into()
        }
    };
    let _ = timeout(CLOSE_IDLE_TIMEOUT, client.close_idle_connections()).await;
    if is_http2 {
        // The connection's own task has yet to write END_STREAM.
        sleep(HTTP2_FLUSH).await;
    }
    outcome
}

fn build_client(args: &Args) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .max_message_size(args.max_message_size)
        .deflate(args.deflate.and_then(|setting| setting.0));
    builder = builder.max_redirects(args.max_redirects).http_version(args.http);
    builder = builder.tls(client_tls(args));
    if args.verbose {
        builder = builder.on_connect_event(verbose::connect_event);
    }
    if let Some(proxies) = &args.proxy {
        builder = builder.proxies(proxies.clone());
    }
    builder = builder.subprotocols(&args.subprotocol);
    if args.header.iter().all(|(name, _)| name != USER_AGENT) {
        // Some servers reject requests without a User-Agent.
        builder = builder.header(USER_AGENT, concat!("fdx/", env!("CARGO_PKG_VERSION")));
    }
    for (name, value) in &args.header {
        builder = builder.header(name, value);
    }
    builder.build()
}

fn client_tls(args: &Args) -> ClientTls {
    let mut settings = ClientTls::new();
    for file in &args.ca {
        settings = settings.add_authorities_file(file);
    }
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        settings = settings.identity_files(cert, key);
    }
    if let Some(file) = key_log_file(&args.url) {
        report!(
            "fdx connect: SSLKEYLOGFILE: with {} this connection can be decrypted",
            file.display()
        );
        settings = settings.dangerous_key_log_file(file);
    }
    if args.insecure {
        report!("fdx connect: --insecure: the server's certificate is not verified");
        settings = settings.dangerous_accept_any_certificate();
    }
    settings
}

/// Returns the text of an error that names a setting of [`ClientTls`], with the option or variable
/// that it came from in the setting's place.
fn with_option_names(error: &Error) -> String {
    let text = error.to_string();
    let options = [
        ("add_authorities_file: ", "--ca: "),
        ("identity_files: ", "--cert, --key: "),
        ("dangerous_key_log_file: ", "SSLKEYLOGFILE: "),
    ];
    let named = options.iter().find_map(|(setting, option)| {
        text.strip_prefix(setting).map(|why| format!("{option}{why}"))
    });
    named.unwrap_or(text)
}

/// Returns the file that `SSLKEYLOGFILE` names, if the URL is one with TLS.
fn key_log_file(url: &str) -> Option<PathBuf> {
    let scheme = url.split(':').next().unwrap_or_default();
    let has_tls = scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https");
    let file = std::env::var_os("SSLKEYLOGFILE").filter(|file| has_tls && !file.is_empty());
    file.map(PathBuf::from)
}

fn report_connect_error(error: &Error) -> ConnectOutcome {
    report!("fdx connect: {}", printable(&error.to_string()));
    if let Some(after) = error.retry_after() {
        report!("  Retry-After: {} s", after.as_secs());
    }
    if let Some(response) = error.response() {
        let body = String::from_utf8_lossy(response.body());
        for line in body.lines().take(20) {
            report!("  {}", printable(line));
        }
    }
    match error.kind() {
        _ if error.kind() != ErrorKind::Proxy && error.response().is_some() => {
            ConnectOutcome::Rejected
        }
        ErrorKind::Misuse => ConnectOutcome::Usage,
        ErrorKind::Handshake | ErrorKind::Limit => ConnectOutcome::Rejected,
        _ => ConnectOutcome::NoConnection,
    }
}
