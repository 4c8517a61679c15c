//! Errors and lines without the secrets that the command line has.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::escape::printable;
use super::redact::redact_url;

/// Returns the text of an error of the command line without the values in it: any may be a secret,
/// such as a header field or a URL with a password. Names of options stay.
///
/// Characters that control a terminal are escaped.
pub(crate) fn usage_error(error: &clap::Error) -> String {
    let words = error.context().filter_map(|(_, value)| match value {
        ContextValue::String(word) => Some(word.as_str()),
        _ => None,
    });
    // A newline of a word must not begin a line.
    let lines = words
        .filter(|word| word.contains('\n'))
        .fold(without_values(error), |text, word| text.replace(word, &printable(word)));
    lines.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

fn without_values(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(value)) if !value.is_empty() => Some(value.as_str()),
        _ => None,
    };
    if let Some(value) = context(ContextKind::InvalidValue) {
        let arg = context(ContextKind::InvalidArg).unwrap_or_default();
        let text = without_value(&text, "invalid value", arg);
        let text = without_value(&text, "unexpected value", arg);
        return text.replace(value, &redact_url(value));
    }
    if let Some(word) = context(ContextKind::InvalidSubcommand) {
        return text.replace(word, &redact_url(word));
    }
    match context(ContextKind::InvalidArg) {
        Some(word) if error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') => {
            let named = format!("unexpected argument '{word}' found");
            let plain = "there is an argument too many (a value with spaces needs quotes)";
            text.replacen(&named, plain, 1)
        }
        _ => text,
    }
}

/// Returns the text without the value between `what` and the name of its option. The value is found
/// by what stands around it, as in the text it has no control characters.
fn without_value(text: &str, what: &str, arg: &str) -> String {
    let around = (text.find(&format!("{what} '")), text.rfind(&format!("' for '{arg}")));
    match around {
        (Some(start), Some(end)) if start < end => {
            format!("{}{what}{}", &text[..start], &text[end + 1..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_command_line_show_no_values() {
        let number = |text: &str| match text.parse::<u8>() {
            Ok(number) => Ok(number),
            Err(_) => Err(format!("ws://{text} is not a number")),
        };
        let header = |_: &str| Err::<(), _>("it is wrong".to_owned());
        let command = clap::Command::new("fdx").subcommand_required(true).subcommand(
            clap::Command::new("connect")
                .arg(clap::Arg::new("number").long("number").value_parser(number))
                .arg(clap::Arg::new("header").long("header").value_parser(header))
                .arg(clap::Arg::new("quiet").long("quiet").num_args(0)),
        );
        for (words, said) in [
            (&["connect", "--number", "me:SECRET@h"][..], "'--number <number>': ws://h is not"),
            (
                &["connect", "--header", "SECRET\u{1}"],
                "error: invalid value for '--header <header>'",
            ),
            (&["connect", "--header", "SECRET' for 'x"], "error: invalid value for '--header <"),
            (&["connect", "--quiet=SECRET"], "unexpected value for '--quiet'"),
            (&["connect", "SECRET"], "an argument too many"),
            (&["connect", "--other=SECRET"], "unexpected argument '--other' found"),
            (&["connect", "--a\u{202e}\nb=1"], "'--a\\u{202e}\\nb' found"),
            (&["wss://me:SECRET@h/"], "unrecognized subcommand 'wss://h/'"),
        ] {
            let words = [&["fdx"], words].concat();
            let error = command.clone().try_get_matches_from(&words).unwrap_err();
            let text = usage_error(&error);
            assert!(text.contains(said) && !text.contains("SECRET"), "{words:?}: {text}");
        }
    }
}
