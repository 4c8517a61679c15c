//! The options that `fdx inspect` has whatever it is between.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};
use fullduplex::client::Proxies;
use fullduplex::{Client, HandshakeLimits};
use fullduplex_inspect::filter::Filter;

use super::act::ActArgs;
use crate::base::values;
use crate::client::{self, ResolveArgs, SetupError, TlsArgs};
use crate::serve::listen::Address;

/// The options of output, of limits and of the way to the target.
#[derive(Debug, ClapArgs)]
pub(crate) struct SharedArgs {
    /// Print a JSON object a line, for machines
    #[arg(long, help_heading = "Output")]
    pub(super) json: bool,
    /// Print only the frames, ends and notes that match, such as 'dir:in size>1k' or bad
    ///
    /// The page reference/filter.md of the book has all words of filters. Files and the page have
    /// all.
    #[arg(long, value_name = "FILTER", value_parser = Filter::parse, help_heading = "Output")]
    pub(super) filter: Option<Filter>,
    /// Hide what looks like a secret in heads, URLs and payloads, also in files
    ///
    /// These are the values of names such as Cookie, token or password, and payloads that are not
    /// UTF-8. The frames of --record are then made of the messages.
    #[arg(long, help_heading = "Output")]
    pub(super) redact: bool,
    /// Write all bytes of WebSockets to a recording, as JSON lines
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) record: Option<PathBuf>,
    /// Write the messages of WebSockets to a HAR file at the end
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) har: Option<PathBuf>,
    /// Show what passes on a page in a browser of this machine, on a free port or on this one
    ///
    /// Only its URL, which is printed, opens it: it has a token. It has the newest that
    /// --max-memory has room for.
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "127.0.0.1:0", value_parser = Address::parse,
          help_heading = "Output")]
    pub(super) page: Option<Address>,
    /// MiB of memory for the messages of --har, where later ones are left out, and for --page
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = value_parser!(u32).range(1..), help_heading = "Limits")]
    pub(super) max_memory: u32,
    /// Connections at the same time; more wait until one of them ends; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    pub(super) max_connections: u32,
    /// Give up connecting to the target after this time, 30 by default
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout,
          help_heading = "Target")]
    connect_timeout: Option<Duration>,
    /// Reach the target by this proxy: http://, https://, socks5:// or socks5h://, or none
    ///
    /// By default as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.
    #[arg(long, value_name = "URL", value_parser = client::proxy, help_heading = "Target")]
    pub(super) via: Option<Proxies>,
    #[command(flatten)]
    pub(super) act: ActArgs,
    #[command(flatten)]
    resolve: ResolveArgs,
    #[command(flatten)]
    tls: TlsArgs,
}

impl SharedArgs {
    /// Returns the client that connects to the target of this URL.
    pub(super) fn client(&self, url: &str) -> Result<Client, SetupError> {
        let mut builder = Client::builder().tls(self.tls.settings(url, false));
        if let Some(timeout) = self.connect_timeout {
            let limits = HandshakeLimits::client().handshake_timeout(timeout);
            builder = builder.connect_timeout(timeout).handshake_limits(limits);
        }
        if let Some(proxies) = &self.via {
            builder = builder.proxies(proxies.clone());
        }
        if let Some(resolver) = self.resolve.resolver() {
            builder = builder.resolver(resolver);
        }
        Ok(builder.build()?)
    }
}
