//! Warnings about a server that does more for its clients than to answer them.

use super::args::Args;
use super::listen::Address;
use super::log::log_line;

/// Warns if anybody could run the command of `--exec`, or reach the targets of `--forward`.
pub(super) fn warn(args: &Args, addresses: &[Address]) {
    let Some(power) = args.power_of_clients() else { return };
    let open = addresses.iter().find(|address| !address.is_local());
    if let Some(address) = open.filter(|_| args.tls_client_ca.is_none()) {
        log_line!(
            "fdx serve: warning: every client that reaches {address} can {power}: they are not \
             authenticated; see --tls-client-ca"
        );
        if !args.is_secure() {
            log_line!("fdx serve: warning: its input and output are sent readably, without TLS");
        }
    }
    if args.any_origin {
        log_line!(
            "fdx serve: warning: any web page that is opened in a browser can {power}; see \
             --origin"
        );
    }
}
