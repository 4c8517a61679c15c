//! The URL and the options of every command that connects to a server, and the client that they
//! describe.

use std::time::{Duration, Instant};

use clap::{Args as ClapArgs, value_parser};
use fullduplex::client::{HttpVersion, Proxies, Proxy};
use fullduplex::{Client, ClientBuilder, Config, Error, HandshakeLimits};

use super::request::RequestArgs;
use super::resolve::ResolveArgs;
use super::tls::TlsArgs;
use super::{SetupError, url, verbose};
use crate::base::{deflate, values};

/// Where to connect, and how.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClientArgs {
    /// Where to connect, such as wss://example.com/chat, localhost:9001/echo, :9001 or @NAME
    ///
    /// ws:// and http:// are without TLS, wss:// and https:// with it. Without a scheme,
    /// localhost, IP addresses and names without a dot are asked without TLS, others with it.
    /// :9001 is a port of this machine. ws+unix:/path/of/the/socket:/echo is a Unix socket,
    /// wss+unix: one with TLS.
    /// @NAME is the URL of a profile, with its options: see --profile.
    #[arg(value_name = "URL", required = false, required_unless_present = "profile",
          value_parser = url::parse)]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) options: ClientOptions,
}

/// How to connect.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClientOptions {
    /// Take the URL and options from this profile, as @NAME in place of the URL does
    ///
    /// A profile is a section [profile.NAME] of the configuration file. Options of the command line
    /// come before those of the profile. fdx help profiles has an example.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print on standard error how the server was reached, and what was negotiated
    ///
    /// Names and addresses, the proxy, TLS and the certificate, each with the time since the start;
    /// the heads of the request and the response, without secrets; what was agreed on.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    #[command(flatten)]
    request: RequestArgs,
    /// Whether nothing is said of what the options risk.
    #[arg(skip)]
    pub(crate) is_quiet: bool,
    /// Use this proxy: http://, https://, socks5:// or socks5h://, or none
    ///
    /// socks:// is socks5://. By default as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.
    #[arg(long, value_name = "URL", value_parser = proxy, help_heading = "Connection")]
    proxy: Option<Proxies>,
    #[command(flatten)]
    resolve: ResolveArgs,
    /// HTTP version: 1 for HTTP/1.1, 2, 3, or auto for the best that the server supports
    #[arg(long, default_value = "1", value_name = "VERSION",
          value_parser = version, help_heading = "Connection")]
    pub(crate) http: HttpVersion,
    /// Follow up to N redirections
    ///
    /// To another host or port, the fields of --header, cookies, credentials, the subprotocols and
    /// the certificate of --cert are not sent.
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Connection")]
    max_redirects: u32,
    /// Give up connecting after this time, 30 by default
    ///
    /// Once connected, it is the time for the response to the opening handshake too, 10 by default.
    #[arg(long, value_name = "SECONDS",
          value_parser = values::timeout, help_heading = "Connection")]
    connect_timeout: Option<Duration>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Largest message to accept, in bytes
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1..), help_heading = "WebSocket")]
    max_message_size: u64,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, long_help = deflate::LONG_HELP,
          num_args = 0..=1, require_equals = true, default_missing_value = "balanced",
          value_parser = deflate::parse, help_heading = "WebSocket")]
    deflate: Option<deflate::DeflateSetting>,
}

impl ClientArgs {
    /// Returns a client with these settings.
    pub(crate) fn build_client(&self) -> Result<Client, SetupError> {
        Ok(self.client_builder()?.build()?)
    }

    /// Returns the builder of a client with these settings.
    pub(crate) fn client_builder(&self) -> Result<ClientBuilder, SetupError> {
        self.options.client_builder(&self.url)
    }
}

impl ClientOptions {
    /// Returns the settings of the open connection.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::default();
        config.limits.max_message_size = Some(self.max_message_size);
        config.deflate = self.deflate.and_then(|setting| setting.0);
        config
    }

    /// Returns whether the options name subprotocols to offer.
    pub(crate) fn has_subprotocols(&self) -> bool {
        self.request.has_subprotocols()
    }

    /// Returns the builder of a client with these settings, for this URL.
    pub(crate) fn client_builder(&self, url: &str) -> Result<ClientBuilder, SetupError> {
        let mut builder = Client::builder().config(self.config());
        builder = builder.max_redirects(self.max_redirects).http_version(self.http);
        builder = builder.tls(self.tls.settings(url, self.is_quiet));
        if self.verbose {
            let start = Instant::now();
            builder = builder
                .on_connect_event(move |event| verbose::connect_event(event, start.elapsed()));
        }
        if let Some(timeout) = self.connect_timeout {
            let limits = HandshakeLimits::client().handshake_timeout(timeout);
            builder = builder.connect_timeout(timeout).handshake_limits(limits);
        }
        if let Some(proxies) = &self.proxy {
            builder = builder.proxies(proxies.clone());
        }
        if let Some(resolver) = self.resolve.resolver() {
            builder = builder.resolver(resolver);
        }
        self.request.apply(builder, url)
    }
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

/// Parses the URL of a proxy, or `none`.
pub(crate) fn proxy(text: &str) -> Result<Proxies, Error> {
    if text == "none" { Ok(Proxies::none()) } else { Proxy::parse(text).map(Proxies::all) }
}
