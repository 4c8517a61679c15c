//! The text of errors of the client, in terms of the command line.

use fullduplex::Error;

use super::ConnectOutcome;
use crate::base::escape::printable;

/// Returns the text of an error that names a setting of `ClientTls`, with the option or variable
/// that it came from in the setting's place.
pub(crate) fn with_option_names(error: &Error) -> String {
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

/// Prints why there is no connection, and returns the exit code for it. `command` is the name of
/// the command, such as `fdx connect`.
pub(crate) fn report_connect_error(command: &str, error: &Error) -> ConnectOutcome {
    report!("{command}: {}", printable(&error.to_string()));
    if let Some(after) = error.retry_after() {
        report!("  Retry-After: {} s", after.as_secs());
    }
    if let Some(response) = error.response() {
        let body = String::from_utf8_lossy(response.body());
        for line in body.lines().take(20) {
            report!("  {}", printable(line));
        }
    }
    ConnectOutcome::of_connect_error(error)
}
