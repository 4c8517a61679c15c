//! The client's side of every command that connects: its options, its errors and its `--verbose`.

mod args;
mod errors;
mod html;
mod outcome;
mod request;
mod resolve;
mod setting_names;
mod setup_error;
mod tls;
pub(crate) mod url;
pub(crate) mod verbose;

use self::errors::with_option_names;

pub(crate) use self::args::{ClientArgs, ClientOptions, proxy};
pub(crate) use self::errors::{
    connect_error, connect_error_details, report_connect_error, report_cut,
};
pub(crate) use self::outcome::ConnectOutcome;
pub(crate) use self::resolve::ResolveArgs;
pub(crate) use self::setting_names::option_names;
pub(crate) use self::setup_error::SetupError;
pub(crate) use self::tls::TlsArgs;
