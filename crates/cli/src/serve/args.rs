//! The options of `fdx serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args as ClapArgs, ValueEnum, value_parser};
use fullduplex::server::policy::{HostRule, TrustedProxies};

use super::connection_log::LogFormat;
#[cfg(unix)]
use super::exec::ExecArgs;
use super::forward::ForwardArgs;
use super::listen::{self, Address};
use crate::base::{deflate, values};

/// The options of `fdx serve`. Each has a long name, by which the file of `--config` sets it.
#[derive(Clone, Debug, ClapArgs)]
#[command(group = ArgGroup::new("tls").args(["tls_cert", "tls_self_signed"]).multiple(true))]
#[command(after_long_help = "\
Paths:
  /            a web page for a browser, or the file of --root; echo for a WebSocket
  /fdx         the web page too, unless --root has a file there
  /echo        each message comes back
  /broadcast   each message goes to every member, its sender too; slow members miss some
  /socket.io/  with --socketio, Socket.IO; /fdx/socketio is a page that tries it
  /whoami      what the server knows about the client, as JSON; then echo
  any other    for a WebSocket, also at /: with --exec the command, with --forward the target

Signals:
  SIGTERM, SIGINT   shut down: close every WebSocket with 1001 (see --drain); again: at once
  SIGHUP            reload certificates, keys and authorities; without TLS, nothing

Exit codes:
  0  shut down by a signal, drained
  1  can't serve: an address in use, a file that is missing or can't be used
  2  wrong usage, also in the file of --config
  3  shut down at once, by a second signal")]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
pub(crate) struct Args {
    /// TOML file with any of these options, by their long names: root = 'pages', h2 = true
    ///
    /// Paths in it are relative to the folder where fdx was started, as on the command line, not to
    /// the file's. Options of the command line override the file's, and conflicting ones there:
    /// --origin also overrides any-origin.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Address and port, or unix:PATH, or systemd for the sockets that it passes (repeatable)
    ///
    /// Port 0 is any free port. PORT, :PORT and localhost:PORT are ports of 127.0.0.1, where only
    /// this machine can connect; `0.0.0.0:PORT` and `[::]:PORT` are those of every interface.
    #[arg(long, default_value = "127.0.0.1:9001", value_name = "ADDR:PORT",
          value_parser = Address::parse, help_heading = "Listening")]
    pub(super) listen: Vec<Address>,
    /// Permissions of Unix sockets in octal, such as 660; by default as the umask says
    ///
    /// On Linux a client needs permission to write.
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", value_parser = listen::unix_mode, help_heading = "Listening")]
    pub(super) unix_mode: Option<u32>,
    /// Worker threads, 1024 at most; 0 for one per core
    #[arg(long, default_value_t = 0, value_name = "N",
          value_parser = value_parser!(u32).range(..=1024), help_heading = "Listening")]
    pub(super) workers: u32,
    /// Seconds that open WebSockets have to close when the server shuts down
    ///
    /// With 0 they get a Close (1001) and are not waited for.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds,
          help_heading = "Listening")]
    pub(super) drain: Duration,

    /// Speak HTTP/2 too
    ///
    /// It is negotiated by TLS, and without TLS spoken with clients that start with it.
    #[arg(long, help_heading = "HTTP")]
    pub(super) h2: bool,
    /// Speak HTTP/3 too; needs TLS
    ///
    /// On the UDP ports of the same numbers, announced by Alt-Svc.
    #[arg(long, requires = "tls", help_heading = "HTTP")]
    pub(super) h3: bool,
    /// Serve the files in this folder in place of the page, which is then at /fdx
    ///
    /// A folder's page is its index.html. There are no directory listings, no names that begin with
    /// a dot, and no links out of the folder. Text files are sent as UTF-8.
    #[arg(long, value_name = "DIR", help_heading = "HTTP")]
    pub(super) root: Option<PathBuf>,

    /// Encrypt with this certificate and its chain, in PEM (repeatable, each with its key)
    ///
    /// Of several that is used which has the name that the client asks for, else the first.
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    pub(super) tls_cert: Vec<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    pub(super) tls_key: Vec<PathBuf>,
    /// Encrypt with a self-signed certificate, for tests, kept in FILE for the next start
    ///
    /// It is for localhost, the names of --host and, unless only this machine can connect, for its
    /// addresses and its name. Its file, for a client's --ca, and its fingerprint are printed.
    /// Without a file it is new at each start; in a file it is renewed after a year, and its key is
    /// beside it with the ending .key.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          conflicts_with_all = ["tls_cert", "tls_key"], help_heading = "TLS")]
    #[allow(clippy::option_option, reason = "the option may be there without a value")]
    pub(super) tls_self_signed: Option<Option<PathBuf>>,
    /// Require a client certificate of one of these authorities, in PEM
    #[arg(long, value_name = "FILE", requires = "tls", help_heading = "TLS")]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// Serve Socket.IO at /socket.io/: an echo in /, rooms in /rooms, and a chat in /chat
    ///
    /// The page /fdx/socketio tries it with the official client, which /socket.io/socket.io.js is.
    /// Every event comes back in /, as its acknowledgement if the client asks for one. Clients
    /// that reconnect within two minutes recover what they missed.
    #[arg(long, help_heading = "Socket.IO")]
    pub(super) socketio: bool,

    #[cfg(unix)]
    #[command(flatten)]
    pub(super) exec: ExecArgs,
    #[command(flatten)]
    pub(super) forward: ForwardArgs,

    /// Let web pages of this origin connect too, such as `https://example.com` (repeatable)
    ///
    /// Pages of the host and port that they connect to always may.
    #[arg(long, value_name = "ORIGIN", value_parser = values::origin,
          help_heading = "Who may connect")]
    pub(super) origin: Vec<String>,
    /// Let any web page connect
    #[arg(long, conflicts_with = "origin", help_heading = "Who may connect")]
    pub(super) any_origin: bool,
    /// Answer requests for this host, IP addresses and localhost only (repeatable)
    ///
    /// Without it, a server on loopback addresses only answers for IP addresses and localhost,
    /// unless --trusted-proxies or --any-origin is set. Any other server answers for any name,
    /// also for an attacker's that resolves to it, whose pages then have its origin (DNS
    /// rebinding).
    #[arg(long, value_name = "NAME[:PORT]", value_parser = host, help_heading = "Who may connect")]
    pub(super) host: Vec<String>,
    /// Take the client's address from these proxies
    ///
    /// Addresses, networks such as 10.0.0.0/8, and unix, separated by commas.
    #[arg(long, value_name = "LIST", requires = "forwarded", value_parser = proxies,
          help_heading = "Who may connect")]
    pub(super) trusted_proxies: Option<TrustedProxies>,
    /// The header field in which trusted proxies report the client's address
    #[arg(
        long,
        value_name = "FIELD",
        requires = "trusted_proxies",
        value_enum,
        help_heading = "Who may connect"
    )]
    pub(super) forwarded: Option<Forwarded>,

    /// Connections in total, 65536 by default; 0 for no limit
    ///
    /// Each takes an open file: the limit on open files (ulimit -n) is raised as far as possible;
    /// if it stays too low, it bounds the connections, with a warning if this option is set.
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(super) max_connections: Option<u32>,
    /// Connections from one address, or from one /64 of IPv6; 0 for no limit
    ///
    /// By default a quarter of --max-connections, 256 at most. Connections from loopback, on Unix
    /// sockets and from trusted proxies count only in total.
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub(super) max_per_address: Option<u32>,
    /// Largest message to accept, in bytes
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1..), help_heading = "Limits")]
    pub(super) max_message_size: u64,
    /// Seconds that the opening handshake may take
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = positive_seconds,
          help_heading = "Limits")]
    pub(super) handshake_timeout: Duration,

    /// Support this subprotocol (repeatable); the one that the client prefers is used
    #[arg(long, short, value_name = "NAME", value_parser = values::subprotocol,
          help_heading = "WebSocket")]
    pub(super) subprotocol: Vec<String>,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, long_help = deflate::LONG_HELP,
          num_args = 0..=1, require_equals = true, default_missing_value = "balanced",
          value_parser = deflate::parse, help_heading = "WebSocket")]
    pub(super) deflate: Option<deflate::DeflateSetting>,

    /// Print lines on standard error about connections: opened, ended, rejected
    ///
    /// Each has the time in UTC, the client and the path; that of an end has its reason, and the
    /// messages and bytes of each direction. With =json each line is a JSON object; with =messages,
    /// or =json,messages, received messages have lines too, escaped and cut off after 200
    /// characters. Lines that are not read in time are dropped, and their number is printed.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "text", value_parser = LogFormat::parse,
          help_heading = "Log and metrics")]
    pub(super) log: Option<LogFormat>,
    /// Let fdx inspect --attach unix:PATH see the WebSockets, on a socket of this user
    #[cfg(unix)]
    #[arg(long, value_name = "unix:PATH", value_parser = listen::unix_path,
          help_heading = "Log and metrics")]
    pub(super) inspect: Option<PathBuf>,
    /// Serve metrics for Prometheus at /metrics, or on a separate address and port
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "here", value_parser = metrics, help_heading = "Log and metrics")]
    pub(super) metrics: Option<Metrics>,
}

/// The header field with the client's address.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Forwarded {
    /// RFC 7239
    Forwarded,
    /// The older, informal field
    XForwardedFor,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug)]
pub(super) enum Metrics {
    /// At `/metrics` of the server itself.
    SamePort,
    Separate(SocketAddr),
}

fn metrics(text: &str) -> Result<Metrics, String> {
    match text {
        "here" => Ok(Metrics::SamePort),
        _ => listen::socket_address(text)
            .map(Metrics::Separate)
            .ok_or_else(|| "an address and a port".into()),
    }
}

fn proxies(text: &str) -> Result<TrustedProxies, String> {
    let proxies = text.parse().map_err(|error: fullduplex::Error| error.to_string())?;
    if proxies == TrustedProxies::default() {
        return Err("the list is empty".into());
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

/// Parses a number of seconds that is not 0, which would time out at once.
fn positive_seconds(text: &str) -> Result<Duration, String> {
    let least = Duration::from_millis(1);
    let wanted = "a number of seconds from 0.001 to 86400";
    seconds(text).ok().filter(|time| *time >= least).ok_or_else(|| wanted.into())
}
