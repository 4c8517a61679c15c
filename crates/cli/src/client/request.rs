//! What the options add to the request: header fields, credentials, cookies, `Origin`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use fullduplex::client::ClientBuilder;
use http::header::{AUTHORIZATION, COOKIE, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::SetupError;
use crate::base::files::{read_settings, text};
use crate::base::values;

/// The environment variable with a bearer token.
const BEARER: &str = "FDX_BEARER";

/// The options of the request.
#[derive(Debug, ClapArgs)]
pub(super) struct RequestArgs {
    /// Add a header field to the request, or those of a file (repeatable)
    ///
    /// A file has one field a line; lines that begin with # are skipped. Other users of the
    /// machine can see the command line, but not the file. User-Agent defaults to fdx/VERSION.
    #[arg(long, short = 'H', value_name = "NAME: VALUE|@FILE",
          value_parser = OsStringValueParser::new().try_map(header), help_heading = "Request")]
    header: Vec<ValueSource<(HeaderName, HeaderValue)>>,
    /// Authenticate with the bearer token in this file, or in the variable FDX_BEARER
    #[arg(long, value_name = "FILE", conflicts_with = "user", help_heading = "Request")]
    bearer_file: Option<PathBuf>,
    /// Authenticate with a name and password (Basic), or with those in a file
    ///
    /// The password may have colons, the name may not. Other users of the machine can see the
    /// command line, but not the file.
    #[arg(long, value_name = "NAME:PASSWORD|@FILE", value_parser = user, help_heading = "Request")]
    user: Option<ValueSource<(String, String)>>,
    /// Send cookies: 'a=b; c=d', or those of a file (repeatable)
    #[arg(long, value_name = "NAME=VALUE|@FILE", value_parser = cookie, help_heading = "Request")]
    cookie: Vec<ValueSource<String>>,
    /// Send this Origin, as a web page from there does, or null
    #[arg(long, value_name = "ORIGIN", value_parser = origin, help_heading = "Request")]
    origin: Option<String>,
    /// Offer a subprotocol (repeatable, the preferred one first)
    #[arg(long, short, value_name = "NAME",
          value_parser = values::subprotocol, help_heading = "Request")]
    subprotocol: Vec<String>,
}

/// The value of an option, or the file that has it.
#[derive(Clone)]
enum ValueSource<T> {
    Value(T),
    File(PathBuf),
}

/// Shows no value, as it may be a secret.
impl<T> std::fmt::Debug for ValueSource<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(_) => f.write_str("***"),
            Self::File(path) => path.fmt(f),
        }
    }
}

impl RequestArgs {
    /// Returns the builder with what the options add to a request to `url`.
    pub(super) fn apply(
        &self,
        mut builder: ClientBuilder,
        url: &str,
    ) -> Result<ClientBuilder, SetupError> {
        let headers = self.headers()?;
        if !headers.contains_key(USER_AGENT) {
            // Some servers reject requests without a User-Agent.
            builder = builder.header(USER_AGENT, concat!("fdx/", env!("CARGO_PKG_VERSION")));
        }
        builder = self.authenticate(builder, &headers, url)?;
        for (name, value) in &headers {
            builder = builder.header(name, value);
        }
        if let Some(origin) = &self.origin {
            builder = builder.origin(origin);
        }
        Ok(builder.subprotocols(&self.subprotocol))
    }

    pub(super) fn has_subprotocols(&self) -> bool {
        !self.subprotocol.is_empty()
    }

    fn headers(&self) -> Result<HeaderMap, SetupError> {
        let mut headers = HeaderMap::new();
        for source in &self.header {
            let fields = match source {
                ValueSource::Value(field) => vec![field.clone()],
                ValueSource::File(path) => {
                    read("--header", path, |line| header_field(OsStr::new(line)))?
                }
            };
            for (name, value) in fields {
                headers.append(name, value);
            }
        }
        let mut cookies = Vec::new();
        for source in &self.cookie {
            match source {
                ValueSource::Value(cookie) => cookies.push(cookie.clone()),
                ValueSource::File(path) => cookies.extend(read("--cookie", path, cookie_pairs)?),
            }
        }
        if !cookies.is_empty() {
            let mut value = HeaderValue::try_from(cookies.join("; "))
                .map_err(|_| SetupError::Usage("--cookie: a control character".into()))?;
            value.set_sensitive(true);
            headers.append(COOKIE, value);
        }
        let twice = |option: &str, name: HeaderName| {
            SetupError::Usage(format!("{option} and --header both set {name}"))
        };
        if headers.contains_key(ORIGIN) && self.origin.is_some() {
            return Err(twice("--origin", ORIGIN));
        }
        // Most servers read only one of several fields (RFC 6265 §5.4).
        if headers.get_all(COOKIE).iter().nth(1).is_some() {
            return Err(twice("--cookie", COOKIE));
        }
        if headers.contains_key(AUTHORIZATION) {
            if self.user.is_some() {
                return Err(twice("--user", AUTHORIZATION));
            }
            if self.bearer_file.is_some() {
                return Err(twice("--bearer-file", AUTHORIZATION));
            }
        }
        Ok(headers)
    }

    fn authenticate(
        &self,
        builder: ClientBuilder,
        headers: &HeaderMap,
        url: &str,
    ) -> Result<ClientBuilder, SetupError> {
        if let Some(source) = &self.user {
            let (name, password) = match source {
                ValueSource::Value(user) => user.clone(),
                ValueSource::File(path) => only("--user", path, name_and_password)?,
            };
            return Ok(builder.basic_auth(&name, &password));
        }
        if let Some(path) = &self.bearer_file {
            let token = only("--bearer-file", path, |line| match HeaderValue::from_str(line) {
                Ok(_) => Ok(line.to_owned()),
                Err(_) => Err("the token has a control character".into()),
            })?;
            return Ok(builder.bearer_auth(&token));
        }
        let has_own = headers.contains_key(AUTHORIZATION) || has_user(url);
        match std::env::var(BEARER) {
            Ok(token) if !has_own && !token.is_empty() => {
                let token = token.trim();
                if HeaderValue::from_str(token).is_err() {
                    let why = format!("{BEARER}: the token has a control character");
                    return Err(SetupError::Usage(why));
                }
                Ok(builder.bearer_auth(token))
            }
            Err(std::env::VarError::NotUnicode(_)) if !has_own => {
                Err(SetupError::Usage(format!("{BEARER} is not UTF-8")))
            }
            _ => Ok(builder),
        }
    }
}

/// Returns whether a URL has a user, as in `ws://user:password@host/`.
fn has_user(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// Reads a file of values, one a line, without empty lines and those that begin with `#`. An error
/// names the line and does not show it.
fn read<T>(
    option: &str,
    path: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, SetupError> {
    let text = read_settings(path)
        .and_then(text)
        .map_err(|error| SetupError::of_file(option, path, error))?;
    let lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let lines = lines.map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let values: Result<Vec<T>, _> = lines
        .map(|(at, line)| {
            parse(line)
                .map_err(|why| SetupError::of_file(option, path, format!("line {at}: {why}")))
        })
        .collect();
    match values {
        Ok(values) if values.is_empty() => Err(SetupError::of_file(option, path, "it is empty")),
        values => values,
    }
}

/// Reads the only value of a file.
fn only<T>(
    option: &str,
    path: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<T, SetupError> {
    let mut values = read(option, path, parse)?;
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(SetupError::of_file(option, path, "it has more than one line")),
    }
}

/// Returns the file that a value names by `@FILE`.
fn file(value: &OsStr) -> Result<Option<PathBuf>, String> {
    match value.to_str().and_then(|text| text.strip_prefix('@')) {
        Some("") => Err("@ needs the name of a file".into()),
        file => Ok(file.map(PathBuf::from)),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "as the parser of the option gives it")]
fn header(value: OsString) -> Result<ValueSource<(HeaderName, HeaderValue)>, String> {
    match file(&value)? {
        Some(file) => Ok(ValueSource::File(file)),
        None => header_field(&value).map(ValueSource::Value),
    }
}

fn header_field(field: &OsStr) -> Result<(HeaderName, HeaderValue), String> {
    // Values need not be UTF-8 (RFC 9110 §5.5).
    let field = field.as_encoded_bytes();
    let colon = field.iter().position(|byte| *byte == b':');
    let (name, value) = field.split_at(colon.ok_or("there is no colon between name and value")?);
    let name = name.trim_ascii();
    let name = HeaderName::from_bytes(name)
        .map_err(|_| "what stands before the colon is not a valid field name")?;
    let mut value = HeaderValue::from_bytes(value[1..].trim_ascii())
        .map_err(|_| "the value has a control character")?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn user(value: &str) -> Result<ValueSource<(String, String)>, String> {
    match file(OsStr::new(value))? {
        Some(file) => Ok(ValueSource::File(file)),
        None => name_and_password(value).map(ValueSource::Value),
    }
}

fn name_and_password(text: &str) -> Result<(String, String), String> {
    let (name, password) =
        text.split_once(':').ok_or("there is no colon between name and password")?;
    Ok((name.to_owned(), password.to_owned()))
}

fn cookie(value: &str) -> Result<ValueSource<String>, String> {
    match file(OsStr::new(value))? {
        Some(file) => Ok(ValueSource::File(file)),
        None => cookie_pairs(value).map(ValueSource::Value),
    }
}

fn cookie_pairs(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches(';');
    let is_pair =
        |pair: &str| pair.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty());
    if text.is_empty() || !text.split(';').all(is_pair) {
        return Err("cookies are NAME=VALUE, with ; between them".into());
    }
    Ok(text.to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    match text {
        "null" => Ok(text.to_owned()),
        "*" => Err("an origin such as https://example.com, or null".into()),
        _ => values::origin(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_options_hide_their_values() {
        for (parsed, words) in [
            (header(OsString::from("Authorization SECRET")).err(), "no colon"),
            (header(OsString::from("a SECRET: b")).err(), "field name"),
            (header(OsString::from("a: SECRET\u{1}")).err(), "control character"),
            (user("SECRET").err(), "no colon"),
            (cookie("SECRET").err(), "NAME=VALUE"),
            (cookie("a=b; SECRET").err(), "NAME=VALUE"),
        ] {
            let why = parsed.unwrap();
            assert!(why.contains(words) && !why.contains("SECRET"), "{why}");
        }
        let shown = format!("{:?}", user("me:SECRET").unwrap());
        assert_eq!(shown, "***");
    }

    #[test]
    fn user_of_a_url_is_found_in_its_authority_only() {
        assert!(has_user("ws://a:b@c/"));
        for url in ["ws://c/?mail=a@b", "ws://c/@", "ws+unix:/s:/@"] {
            assert!(!has_user(url), "{url}");
        }
    }
}
