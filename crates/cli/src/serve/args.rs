//! The options of `fdx serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, ValueEnum, value_parser};
use fullduplex::server::policy::{HostRule, TrustedProxies};

use super::listen::Address;
use crate::{deflate, values};

/// The options of `fdx serve`. Each of them that is long may stand in the file of `--config`,
/// so that all of them, also switches, are known by their long names.
#[derive(Clone, Debug, ClapArgs)]
#[command(group = ArgGroup::new("tls").args(["tls_cert", "tls_self_signed"]).multiple(true))]
#[command(after_help = "\
Paths:
  /            a web page for a browser, or the file of --root; echo for a WebSocket
  /fdx         the web page too, unless --root has a file there
  /echo        each message comes back
  /broadcast   each message goes to every member, its sender too; one that is slow misses some
  /whoami      what the server knows of the client, as JSON; then echo

Signals:
  SIGTERM, SIGINT   end: every WebSocket is closed with 1001 (see --drain); again: at once
  SIGHUP            read certificates, keys and authorities again; without TLS, nothing

Exit codes:
  0  ended by a signal, drained
  1  it can't serve: an address in use, a file that is missing or can't be used
  2  wrong usage, also in the file of --config
  3  ended at once, by a second signal")]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
pub(crate) struct Args {
    /// TOML file with any of these options, by their long names: root = 'pages',
    /// h2 = true. Paths in it are relative to the folder where fdx was started, as on the command
    /// line, not to the file's. What stands on the command line is taken in place of the file's, and of what
    /// excludes it there: --origin in place of any-origin too
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address and port, where port 0 takes any free one, or unix:PATH, or systemd for what
    /// that passes (may be repeated)
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDR:PORT",
          value_parser = Address::parse, help_heading = "Listening")]
    pub(super) listen: Vec<Address>,
    /// Threads that serve, 1024 at most; 0 for one a core
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = value_parser!(u32).range(..=1024),
          help_heading = "Listening")]
    pub(super) workers: u32,
    /// Seconds that the WebSockets are given to end when the server is to end; with 0 they are told
    /// (1001) and not waited for
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds,
          help_heading = "Listening")]
    pub(super) drain: Duration,

    /// Speak HTTP/2 too: negotiated by TLS, and without TLS with clients that begin with it
    #[arg(long, help_heading = "HTTP")]
    pub(super) h2: bool,
    /// Speak HTTP/3 too, on the same ports of UDP, and tell clients so (Alt-Svc); needs TLS
    #[arg(long, requires = "tls", help_heading = "HTTP")]
    pub(super) h3: bool,
    /// Serve the files in this folder in place of the page, which is then at /fdx: index.html
    /// for folders, no lists, nothing whose name begins with a dot, and no link that leads out of
    /// the folder. Text files are sent as UTF-8
    #[arg(long, value_name = "DIR", help_heading = "HTTP")]
    pub(super) root: Option<PathBuf>,

    /// Encrypt: the certificate with its chain, in PEM (may be repeated, each with its key;
    /// a client is shown the one for the name it asks for, else the first)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub(super) tls_cert: Vec<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub(super) tls_key: Vec<PathBuf>,
    /// Encrypt with a certificate made on the spot, for trying; its file, for a client's
    /// --ca, and its fingerprint are printed
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"], help_heading = "TLS")]
    pub(super) tls_self_signed: bool,
    /// Take only clients that show a certificate of these authorities, in PEM
    #[arg(long, value_name = "FILE", requires = "tls", help_heading = "TLS")]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// Let web pages of this origin connect too, such as `https://example.com` (may be
    /// repeated); pages of the host and port that they connect to always may
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin,
          help_heading = "Who may connect")]
    pub(super) origin: Vec<String>,
    /// Let any web page connect
    #[arg(long, conflicts_with = "origin", help_heading = "Who may connect")]
    pub(super) any_origin: bool,
    /// Answer requests for this host, IP addresses and localhost only (may be repeated).
    /// Without it, a server that listens on loopback addresses only answers for IP addresses and
    /// localhost, unless there is --trusted-proxies or --any-origin; any other answers for any
    /// name, also one that a stranger has pointed at it, whose pages then pass for its own (DNS
    /// rebinding)
    #[arg(long, value_name = "NAME[:PORT]", value_parser = host, help_heading = "Who may connect")]
    pub(super) host: Vec<String>,
    /// Believe these proxies on who their clients are: addresses, networks such as
    /// 10.0.0.0/8, and unix, by commas
    #[arg(long, value_name = "LIST", requires = "forwarded", value_parser = proxies,
          help_heading = "Who may connect")]
    pub(super) trusted_proxies: Option<TrustedProxies>,
    /// The header field in which they say it
    #[arg(
        long,
        value_name = "FIELD",
        requires = "trusted_proxies",
        value_enum,
        help_heading = "Who may connect"
    )]
    pub(super) forwarded: Option<Forwarded>,

    /// Connections in all, 65536 by default; 0 for any number. Each takes an open file: the
    /// limit on those (ulimit -n) is raised as far as it goes, and if that is not enough, so many
    /// are taken as there are files for, with a warning if the number was asked for
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(super) max_connections: Option<u32>,
    /// Connections from one address, or from one /64 of IPv6; by default a quarter of those in
    /// all, 256 at most; 0 for any number. Those from this machine itself, and of trusted proxies
    /// for themselves, are counted in all alone
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(super) max_per_address: Option<u32>,
    /// Largest message to take, in bytes
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(super) max_message_size: u64,
    /// Seconds that the opening handshake may take
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = some_seconds,
          help_heading = "Limits")]
    pub(super) handshake_timeout: Duration,

    /// Speak this subprotocol (may be repeated); the client's favourite is taken
    #[arg(long, short, value_name = "NAME", value_parser = values::subprotocol,
          help_heading = "WebSocket")]
    pub(super) subprotocol: Vec<String>,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, num_args = 0..=1,
          require_equals = true, default_missing_value = "balanced",
          value_parser = deflate::parse, help_heading = "WebSocket")]
    pub(super) deflate: Option<deflate::DeflateSetting>,

    /// Print a line on standard error for each WebSocket when it has ended, and for each
    /// request or connection that is refused: who, what and why; nothing of what was said.
    /// Lines that nobody reads in time are dropped, and counted in a line
    #[arg(long, help_heading = "Watching")]
    pub(super) log: bool,
    /// Give figures for Prometheus at /metrics, or on an address and port of their own
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "here", value_parser = metrics, help_heading = "Watching")]
    pub(super) metrics: Option<Metrics>,
}

/// Where proxies say who their clients are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Forwarded {
    /// RFC 7239
    Forwarded,
    /// The older one
    XForwardedFor,
}

/// Where figures are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Metrics {
    /// Where all else is.
    Here,
    At(SocketAddr),
}

fn metrics(text: &str) -> Result<Metrics, String> {
    match text {
        "here" => Ok(Metrics::Here),
        _ => text.parse().map(Metrics::At).map_err(|_| "an address and a port".into()),
    }
}

fn proxies(text: &str) -> Result<TrustedProxies, String> {
    let proxies = text.parse().map_err(|error: fullduplex::Error| error.to_string())?;
    if proxies == TrustedProxies::default() {
        return Err("it names nobody".into());
    }
    Ok(proxies)
}

fn host(text: &str) -> Result<String, String> {
    let wanted = "a host, with a port or without, such as example.com or localhost:9001";
    text.parse().map(|_: HostRule| text.to_owned()).map_err(|_| wanted.into())
}

fn seconds(text: &str) -> Result<Duration, String> {
    values::seconds(text).map(Duration::from_secs_f64)
}

/// None at all would be over before it begins.
fn some_seconds(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(1);
    let wanted = "a number of seconds from 0.001 to 86400";
    seconds(text).ok().filter(|time| *time >= least).ok_or_else(|| wanted.into())
}
