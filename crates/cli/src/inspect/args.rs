//! The options of `fdx inspect`.

use std::path::PathBuf;

use clap::{ArgGroup, Args as ClapArgs, Subcommand};

use super::proxy::args::ProxyArgs;
use super::proxy::authority::CaArgs;
use super::rewriting::{Rewriting, authority};
use super::run::RunArgs;
use super::shared_args::SharedArgs;
use crate::client::url;
use crate::serve::listen::{self, Address};
use crate::serve::tls::TlsOptions;
use crate::serve::tls_args::ListenTlsArgs;

/// The options of `fdx inspect`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Clients connect to the address of --listen in place of the target. All bytes pass as they come, in
both directions, unless an option or the page changes them. They are shown: heads, each frame with
its header, messages decompressed, round trips of Pings, the rule that a frame breaks, who closed
first and how the transport ended. The one other change is Host, which becomes the target's.
With --proxy each client says which target it wants.

Exit codes:
  1  the address is in use, or a file is missing or can't be used
  2  wrong usage
  3  --attach: no program listens there, or not one that lets others look into it
129, 130, 143  ended by SIGHUP, Ctrl-C or SIGTERM; connections are reset")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(ArgGroup::new("source").args(["to", "proxy", "attach", "read"]).required(true)))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<InspectCommand>,
    /// The server behind the relay, such as wss://example.com or :9001
    ///
    /// The path of each request passes as it is; that of this URL is ignored.
    #[arg(long, value_name = "URL", value_parser = target)]
    pub(super) to: Option<String>,
    /// Look into a running program that has a socket for that, in place of relaying
    ///
    /// It is a program with an AttachTap of the crate fullduplex-inspect. Its WebSockets of any
    /// HTTP version are shown that are opened from now on.
    #[arg(long, value_name = "unix:PATH", value_parser = listen::unix_path,
          conflicts_with_all = ["to", "listen", "keep_host", "rewrite_origin", "host", "tls_cert",
                                "tls_self_signed", "proxy"])]
    pub(super) attach: Option<PathBuf>,
    /// Show a recording or a HAR file, in place of relaying
    ///
    /// With --har or --record, one becomes the other; with --redact without secrets.
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["to", "attach", "proxy", "listen", "keep_host", "rewrite_origin",
                                "host", "tls_cert", "tls_self_signed"])]
    pub(super) read: Option<PathBuf>,
    /// Where clients connect: a port of 127.0.0.1, ADDR:PORT, or unix:PATH; port 0 is any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9100",
          value_parser = Address::parse)]
    listen: Address,
    /// Leave Host as the client sends it
    #[arg(long, help_heading = "Request")]
    keep_host: bool,
    /// Make Origin that of the target, if it is a page of this machine
    #[arg(long, help_heading = "Request")]
    rewrite_origin: bool,
    /// Another name by which clients reach the relay (repeatable)
    ///
    /// Host is changed if it is an IP address, localhost or such a name. Another one passes as it
    /// is, so that the target can refuse pages of a name that resolves to the relay (DNS
    /// rebinding).
    #[arg(long, value_name = "NAME", help_heading = "Request")]
    host: Vec<String>,
    #[command(flatten)]
    pub(super) proxy: ProxyArgs,
    #[command(flatten)]
    pub(super) shared: SharedArgs,
    #[command(flatten)]
    tls: ListenTlsArgs,
}

/// The commands of `fdx inspect`.
#[derive(Debug, Subcommand)]
pub(super) enum InspectCommand {
    /// Print where the authority of --proxy is, and how to trust it
    Ca(CaArgs),
    /// Run a command, such as a browser, and show its WebSockets
    Run(Box<RunArgs>),
}

impl Args {
    /// Returns where it listens.
    pub(super) fn listen(&self) -> &Address {
        self.proxy.proxy.as_ref().unwrap_or(&self.listen)
    }

    /// Returns how requests to the target of this URL are changed.
    pub(super) fn rewriting(&self, to: &str) -> Rewriting {
        Rewriting {
            scheme: if url::has_tls(to) { "wss" } else { "ws" },
            // A URL without one is of a Unix socket.
            authority: authority(to).unwrap_or_else(|| "localhost".into()),
            keeps_host: self.keep_host,
            rewrites_origin: self.rewrite_origin,
            own_names: self.host.clone(),
            is_absolute: false,
        }
    }

    pub(super) fn tls(&self) -> TlsOptions<'_> {
        self.tls.options(&self.host)
    }

    /// Returns the scheme of the URL by which clients connect.
    pub(super) fn scheme(&self) -> &'static str {
        if self.to.is_none() {
            return "http";
        }
        self.tls.scheme()
    }

    /// Returns the path and query of the target's URL.
    pub(super) fn path(&self) -> &str {
        // A URL of a Unix socket has the path of its file in front.
        let to = self.to.as_deref().filter(|to| to.contains("://"));
        to.map_or("/", url::path_of)
    }
}

fn target(text: &str) -> Result<String, String> {
    if text.starts_with('@') {
        return Err("a URL such as wss://example.com".into());
    }
    url::parse(text)
}
