//! The options of every command that connects to a server, and the client that they describe.

use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};
use fullduplex::client::{HttpVersion, Proxies, Proxy};
use fullduplex::{Client, Error};
use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue};

use super::tls::TlsArgs;
use super::verbose;
use crate::base::{deflate, values};

/// Where to connect, and how.
#[derive(Debug, ClapArgs)]
pub(crate) struct ClientArgs {
    /// Where to connect: ws:// or wss://, such as ws://127.0.0.1:9001/echo (http:// and https://
    /// mean the same), or ws+unix:/path/of/the/socket:/echo for a Unix socket
    #[arg(value_parser = url)]
    pub(crate) url: String,
    /// Print on standard error how the server was reached and what was negotiated: addresses,
    /// the proxy, TLS and the certificate, the HTTP version, subprotocol, extensions
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Offer a subprotocol (may be repeated, the preferred one first)
    #[arg(long, short, value_name = "NAME", value_parser = values::subprotocol)]
    pub(crate) subprotocol: Vec<String>,
    /// Add a header field to the request (may be repeated); User-Agent defaults to
    /// fdx/VERSION
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<(HeaderName, HeaderValue)>,
    #[command(flatten)]
    tls: TlsArgs,
    /// Use this proxy: http://, https://, socks5://, socks5h:// or socks:// (the same as
    /// socks5://), or "none"; by default as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say
    #[arg(long, value_name = "URL", value_parser = proxy)]
    pub(crate) proxy: Option<Proxies>,
    /// HTTP version: 1 for HTTP/1.1, 2, 3, or auto for the best that the server supports
    #[arg(long, default_value = "1", value_name = "VERSION", value_parser = version)]
    pub(crate) http: HttpVersion,
    /// Follow up to N redirections. To another host or port, the fields of --header, the
    /// subprotocols and the certificate of --cert are not sent
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) max_redirects: u32,
    /// Give up connecting after this time, 30 by default
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Largest message to accept, in bytes
    #[arg(long, default_value_t = 16 << 20, value_name = "BYTES",
          value_parser = value_parser!(u64).range(1..))]
    pub(crate) max_message_size: u64,
    #[arg(long, value_name = deflate::VALUE, help = deflate::HELP, num_args = 0..=1,
          require_equals = true, default_missing_value = "balanced", value_parser = deflate::parse)]
    pub(crate) deflate: Option<deflate::DeflateSetting>,
}

impl ClientArgs {
    /// Returns a client with these settings.
    pub(crate) fn build_client(&self) -> Result<Client, Error> {
        let mut builder = Client::builder()
            .max_message_size(self.max_message_size)
            .deflate(self.deflate.and_then(|setting| setting.0));
        builder = builder.max_redirects(self.max_redirects).http_version(self.http);
        builder = builder.tls(self.tls.settings(&self.url));
        if self.verbose {
            builder = builder.on_connect_event(verbose::connect_event);
        }
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(proxies) = &self.proxy {
            builder = builder.proxies(proxies.clone());
        }
        builder = builder.subprotocols(&self.subprotocol);
        if self.header.iter().all(|(name, _)| name != USER_AGENT) {
            // Some servers reject requests without a User-Agent.
            builder = builder.header(USER_AGENT, concat!("fdx/", env!("CARGO_PKG_VERSION")));
        }
        for (name, value) in &self.header {
            builder = builder.header(name, value);
        }
        builder.build()
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
