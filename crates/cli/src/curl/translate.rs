//! The words of `fdx connect` that do what a command of curl does.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{ArgAction, Command};

use super::options::{self, Meaning, SwitchEffect, ValueEffect};
use super::words::os_string;

/// The redirections that curl follows with `--location`.
const REDIRECTIONS: &str = "50";

/// Header fields that the handshake writes itself, and those of content, which it has none of.
const OF_THE_HANDSHAKE: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-key",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Pseudo-header fields of HTTP/2, which browsers' tools have copied without their colons.
    "authority",
    "method",
    "path",
    "protocol",
    "scheme",
    "version",
];

/// A command of curl on its way to one of `fdx connect`.
pub(super) struct Translation {
    words: Vec<OsString>,
    url: Option<String>,
    host: Option<OsString>,
    cookies: Vec<Vec<u8>>,
    cert: Option<OsString>,
    key: Option<OsString>,
    unix_socket: Option<String>,
    max_redirects: Option<OsString>,
    follows: bool,
    globs: bool,
    is_silent: bool,
    /// The names of fields that are left out because the handshake writes them.
    left_to_handshake: Vec<String>,
    /// What else is left out.
    left_out: Vec<String>,
}

/// The words of `fdx connect`, and what to say about them.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) words: Vec<OsString>,
    pub(super) notes: Vec<String>,
}

/// Translates the arguments of a curl command. Options of `connect` that curl does not have may be
/// among them.
///
/// # Errors
/// An option is not known, or makes no sense for a WebSocket. The text shows no values.
pub(super) fn translate(
    arguments: impl IntoIterator<Item = OsString>,
    connect: &Command,
) -> Result<Translated, String> {
    let mut translation = Translation {
        words: Vec::new(),
        url: None,
        host: None,
        cookies: Vec::new(),
        cert: None,
        key: None,
        unix_socket: None,
        max_redirects: None,
        follows: false,
        globs: true,
        is_silent: false,
        left_to_handshake: Vec::new(),
        left_out: Vec::new(),
    };
    let mut arguments = arguments.into_iter().peekable();
    arguments.next_if(|word| word == "curl" || word == "curl.exe");
    while let Some(word) = arguments.next() {
        let bytes = word.as_encoded_bytes();
        if word == "--" {
            for url in arguments.by_ref() {
                translation.url(&url)?;
            }
        } else if let Some(name) = bytes.strip_prefix(b"--") {
            translation.long(name, &mut arguments, connect)?;
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            translation.cluster(&word, &mut arguments, connect)?;
        } else {
            translation.url(&word)?;
        }
    }
    translation.finish(connect)
}

type Arguments<'a> = &'a mut dyn Iterator<Item = OsString>;

impl Translation {
    /// Takes an option by its long name.
    fn long(
        &mut self,
        name: &[u8],
        arguments: Arguments<'_>,
        connect: &Command,
    ) -> Result<(), String> {
        let name = str::from_utf8(name).map_err(|_| "an option is not UTF-8")?;
        if let Some((_, _, meaning)) = options::long(name) {
            let option = format!("--{name}");
            return self.mean(&option, meaning, None, arguments, connect);
        }
        // One of fdx itself.
        let (bare, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
        let arg = connect.get_arguments().find(|arg| arg.get_long() == Some(bare));
        let arg =
            arg.ok_or_else(|| format!("--{bare} is not an option that it knows; leave it out"))?;
        self.words.push(format!("--{name}").into());
        let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        if takes_value && value.is_none() && !arg.is_require_equals_set() {
            let value = arguments.next().ok_or_else(|| format!("--{bare} needs a value"))?;
            self.words.push(value);
        }
        Ok(())
    }

    /// Takes a word of short options, such as `-sSLk` or `-XGET`.
    fn cluster(
        &mut self,
        word: &OsStr,
        arguments: Arguments<'_>,
        connect: &Command,
    ) -> Result<(), String> {
        let letters = &word.as_encoded_bytes()[1..];
        for (at, letter) in letters.iter().enumerate() {
            let letter = char::from(*letter);
            let known = options::short(letter);
            let (_, _, meaning) = known
                .ok_or_else(|| format!("-{letter} is not an option that it knows; leave it out"))?;
            let takes_value = matches!(
                meaning,
                Meaning::Option(_)
                    | Meaning::Header(_)
                    | Meaning::Value(_)
                    | Meaning::Only(..)
                    | Meaning::IgnoredValue
            );
            let rest = &letters[at + 1..];
            let is_attached = takes_value && !rest.is_empty();
            let value = is_attached.then(|| os_string(rest.to_vec()));
            self.mean(&format!("-{letter}"), meaning, value, arguments, connect)?;
            if takes_value {
                break;
            }
        }
        Ok(())
    }

    fn mean(
        &mut self,
        option: &str,
        meaning: &Meaning,
        attached: Option<OsString>,
        arguments: Arguments<'_>,
        connect: &Command,
    ) -> Result<(), String> {
        let value = || {
            attached.or_else(|| arguments.next()).ok_or_else(|| format!("{option} needs a value"))
        };
        match meaning {
            Meaning::Words(words) => self.words.extend(words.iter().map(OsString::from)),
            Meaning::Option(name) => {
                let value = value()?;
                let is_known = |name: &str| {
                    connect.get_arguments().any(|arg| arg.get_long() == name.strip_prefix("--"))
                };
                if is_known(name) {
                    self.words.extend([name.into(), value]);
                } else {
                    self.left_out.push(option.into());
                }
            }
            Meaning::Header(name) => {
                let field = [name.as_bytes(), b": ", value()?.as_encoded_bytes()].concat();
                self.push_header(os_string(field));
            }
            Meaning::Switch(effect) => self.switch(*effect),
            Meaning::Value(effect) => {
                self.value(*effect, &value()?).map_err(|why| format!("{option}: {why}"))?;
            }

            Meaning::Only(possible, why) => {
                if value()? != *possible {
                    return Err(format!("{option}: {why}"));
                }
            }
            Meaning::Ignored => self.left_out.push(option.into()),
            Meaning::IgnoredValue => {
                value()?;
                self.left_out.push(option.into());
            }
            Meaning::Refused(why) => return Err(format!("{option}: {why}")),
        }
        Ok(())
    }

    fn switch(&mut self, effect: SwitchEffect) {
        match effect {
            SwitchEffect::Globoff => self.globoff(),
            SwitchEffect::Location => self.location(),
            SwitchEffect::Silent => self.silent(),
        }
    }

    fn value(&mut self, effect: ValueEffect, value: &OsStr) -> Result<(), String> {
        match effect {
            ValueEffect::Bearer => self.bearer(value),
            ValueEffect::Cert => self.cert(value),
            ValueEffect::Cookie => self.cookie(value),
            ValueEffect::Header => self.header(value),
            ValueEffect::Key => self.key(value),
            ValueEffect::MaxRedirects => self.max_redirects(value),
            ValueEffect::NoProxy => self.no_proxy(value),
            ValueEffect::Proxy => self.proxy(value),
            ValueEffect::Referer => self.referer(value),
            ValueEffect::Socks5 => self.socks5(value),
            ValueEffect::Socks5Hostname => self.socks5_hostname(value),
            ValueEffect::UnixSocket => self.unix_socket(value),
            ValueEffect::Url => self.url(value),
            ValueEffect::User => self.user(value),
        }
    }

    fn push_header(&mut self, field: OsString) {
        self.words.extend(["--header".into(), field]);
    }

    fn url(&mut self, url: &OsStr) -> Result<(), String> {
        let url = url.to_str().ok_or("the URL is not UTF-8")?;
        match self.url.replace(url.into()) {
            None => Ok(()),
            Some(_) => Err("there is more than one URL".into()),
        }
    }

    /// Takes a header field: `NAME: VALUE`, `NAME;` with an empty value, `NAME:` for none of this
    /// name, or `@FILE`.
    fn header(&mut self, field: &OsStr) -> Result<(), String> {
        let bytes = field.as_encoded_bytes();
        if bytes.first() == Some(&b'@') {
            self.push_header(field.into());
            return Ok(());
        }
        let end = bytes.iter().position(|byte| matches!(byte, b':' | b';'));
        let end = end.ok_or("there is no colon between name and value")?;
        let name = String::from_utf8_lossy(&bytes[..end]).trim().to_owned();
        let value = bytes[end + 1..].trim_ascii();
        let lower = name.to_ascii_lowercase();
        match &*lower {
            "host" => self.host = Some(os_string(value.to_vec())),
            "cookie" => self.cookies.push(value.to_vec()),
            "sec-websocket-protocol" => {
                let names = String::from_utf8_lossy(value);
                for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                    self.words.extend(["--subprotocol".into(), name.into()]);
                }
            }
            "sec-websocket-extensions" => self.extensions(&String::from_utf8_lossy(value)),
            name_of_handshake if OF_THE_HANDSHAKE.contains(&name_of_handshake) => {
                self.left_to_handshake.push(name);
            }
            _ if value.is_empty() && bytes[end] == b':' => {
                self.left_out.push(format!("the empty {name}"));
            }
            _ => {
                let field = [name.as_bytes(), b": ", value].concat();
                self.push_header(os_string(field));
            }
        }
        Ok(())
    }

    /// Offers permessage-deflate as a `Sec-WebSocket-Extensions` field does (RFC 7692 §7.1).
    fn extensions(&mut self, list: &str) {
        for extension in list.split(',').map(str::trim) {
            let mut parts = extension.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            if name != "permessage-deflate" {
                self.left_out.push(format!("the extension {name}"));
                continue;
            }
            let mut settings = String::from("--deflate=balanced");
            for part in parts {
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                let value = value.trim_matches('"');
                match (name, value) {
                    ("client_no_context_takeover", _) => settings += ",send-takeover=no",
                    ("server_no_context_takeover", _) => settings += ",receive-takeover=no",
                    ("client_max_window_bits", bits) if !bits.is_empty() => {
                        settings = settings + ",send-window=" + bits;
                    }
                    ("server_max_window_bits", bits) => {
                        settings = settings + ",receive-window=" + bits;
                    }
                    _ => {}
                }
            }
            self.words.push(settings.into());
            // The others are alternatives, of less preference.
            break;
        }
    }

    /// Takes cookies. curl reads those without `=` from a file of that name.
    fn cookie(&mut self, cookies: &OsStr) -> Result<(), String> {
        let bytes = cookies.as_encoded_bytes();
        if !bytes.contains(&b'=') && !bytes.is_empty() {
            return Err("files of cookies are not read; give NAME=VALUE, or --cookie @FILE".into());
        }
        if !bytes.is_empty() {
            self.cookies.push(bytes.to_vec());
        }
        Ok(())
    }

    fn referer(&mut self, referer: &OsStr) -> Result<(), String> {
        let bytes = referer.as_encoded_bytes();
        let bytes = bytes.strip_suffix(b";auto").unwrap_or(bytes);
        if bytes.is_empty() {
            return Err("it is empty".into());
        }
        self.push_header(os_string([b"Referer: ", bytes].concat()));
        Ok(())
    }

    fn user(&mut self, user: &OsStr) -> Result<(), String> {
        if !user.as_encoded_bytes().contains(&b':') {
            return Err("there is no password; give NAME:PASSWORD".into());
        }
        self.words.extend(["--user".into(), user.into()]);
        Ok(())
    }

    fn bearer(&mut self, token: &OsStr) -> Result<(), String> {
        if token.is_empty() {
            return Err("it is empty".into());
        }
        self.push_header(os_string([b"Authorization: Bearer ", token.as_encoded_bytes()].concat()));
        Ok(())
    }

    fn location(&mut self) {
        self.follows = true;
    }

    fn max_redirects(&mut self, count: &OsStr) -> Result<(), String> {
        let count = count.to_str().and_then(|count| count.parse::<i32>().ok());
        // -1 is any number.
        let count = count.ok_or("it is not a number")?;
        let count = if count < 0 { REDIRECTIONS.into() } else { count.to_string() };
        self.max_redirects = Some(count.into());
        Ok(())
    }

    fn globoff(&mut self) {
        self.globs = false;
    }

    fn silent(&mut self) {
        self.is_silent = true;
    }

    fn proxy(&mut self, proxy: &OsStr) -> Result<(), String> {
        let proxy = proxy.to_str().ok_or("the URL is not UTF-8")?;
        let proxy = if proxy.is_empty() { "none" } else { proxy };
        self.words.extend(["--proxy".into(), proxy.into()]);
        Ok(())
    }

    fn no_proxy(&mut self, list: &OsStr) -> Result<(), String> {
        if list != "*" {
            return Err("use the variable NO_PROXY, or --proxy none".into());
        }
        self.words.extend(["--proxy".into(), "none".into()]);
        Ok(())
    }

    fn socks5(&mut self, proxy: &OsStr) -> Result<(), String> {
        self.proxy(&os_string([b"socks5://", proxy.as_encoded_bytes()].concat()))
    }

    fn socks5_hostname(&mut self, proxy: &OsStr) -> Result<(), String> {
        self.proxy(&os_string([b"socks5h://", proxy.as_encoded_bytes()].concat()))
    }

    fn unix_socket(&mut self, path: &OsStr) -> Result<(), String> {
        let path = path.to_str().ok_or("the path is not UTF-8")?;
        if path.contains(':') {
            return Err("the path has a colon".into());
        }
        self.unix_socket = Some(path.into());
        Ok(())
    }

    fn cert(&mut self, cert: &OsStr) -> Result<(), String> {
        if cert.as_encoded_bytes().contains(&b':') && !Path::new(cert).exists() {
            return Err("there is no such file; one with a password can't be used".into());
        }
        self.cert = Some(cert.into());
        Ok(())
    }

    fn key(&mut self, key: &OsStr) -> Result<(), String> {
        if key.is_empty() {
            return Err("the name of the file is empty".into());
        }
        self.key = Some(key.into());
        Ok(())
    }

    /// Completes what depends on several options.
    fn finish(mut self, connect: &Command) -> Result<Translated, String> {
        let url = self.url.take().ok_or("there is no URL")?;
        let url = self.final_url(&url);
        if !self.cookies.is_empty() {
            let field = [&b"Cookie: "[..], &self.cookies.join(&b"; "[..])].concat();
            self.push_header(os_string(field));
        }
        if let Some(cert) = self.cert.take() {
            // curl takes both from one file.
            let key = self.key.take().unwrap_or_else(|| cert.clone());
            self.words.extend(["--cert".into(), cert, "--key".into(), key]);
        }
        if self.follows {
            let count = self.max_redirects.take().unwrap_or_else(|| REDIRECTIONS.into());
            self.words.extend(["--max-redirects".into(), count]);
        }
        if self.is_silent && connect.get_arguments().any(|arg| arg.get_long() == Some("quiet")) {
            self.words.push("--quiet".into());
        }
        let mut notes = Vec::new();
        if !self.left_to_handshake.is_empty() {
            let names = self.left_to_handshake.join(", ");
            notes.push(format!("left to the handshake: {names}"));
        }
        if !self.left_out.is_empty() {
            notes.push(format!("left out: {}", self.left_out.join(", ")));
        }
        if self.is_silent {
            notes.clear();
        }
        self.words.extend(["--".into(), url.into()]);
        Ok(Translated { words: self.words, notes })
    }

    /// Returns the URL without curl's escapes of brackets and braces, and without its fragment, and
    /// puts aside `Host` if the URL says the same.
    fn final_url(&mut self, url: &str) -> String {
        let mut plain = String::with_capacity(url.len());
        let mut chars = url.chars().peekable();
        while let Some(c) = chars.next() {
            let is_escape = c == '\\' && self.globs;
            match is_escape.then(|| chars.next_if(|next| "[]{}".contains(*next))).flatten() {
                Some(next) => plain.push(next),
                None => plain.push(c),
            }
        }
        if let Some(fragment) = plain.find('#') {
            plain.truncate(fragment);
        }
        let rest = plain.split_once("://").map_or(&*plain, |(_, rest)| rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let authority = rest[..end].rsplit('@').next().unwrap_or_default().to_owned();
        let resource = rest[end..].to_owned();
        let host = self.host.take();
        let own =
            |host: &OsString| host.to_str().is_some_and(|h| h.eq_ignore_ascii_case(&authority));
        let mut host = host.filter(|host| !own(host));
        if let Some(path) = self.unix_socket.take() {
            let is_secure = ["wss://", "https://"].iter().any(|scheme| plain.starts_with(scheme));
            let scheme = if is_secure { "wss+unix" } else { "ws+unix" };
            let resource = if resource.is_empty() { "/" } else { &resource };
            plain = format!("{scheme}:{path}:{resource}");
            host = host.or(Some(authority.into()));
        }
        if let Some(host) = host {
            let mut field = OsString::from("Host: ");
            field.push(host);
            self.push_header(field);
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn connect() -> Command {
        let append = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Append);
        Command::new("connect")
            .args([append("send"), append("resolve"), append("connect-to")])
            .args([
                append("ca"),
                Arg::new("timeout").long("timeout"),
                Arg::new("quiet").long("quiet").action(ArgAction::SetTrue),
            ])
    }

    fn translated(words: &[&str]) -> Result<(Vec<String>, Vec<String>), String> {
        let translated = translate(words.iter().map(OsString::from), &connect())?;
        let words = translated.words.into_iter().map(|word| word.into_string().unwrap());
        Ok((words.collect(), translated.notes))
    }

    #[test]
    fn curl_options_become_those_of_connect() {
        for (curl, expected) in [
            (&["curl", "ws://a/"][..], &["--", "ws://a/"][..]),
            (&["--url", "ws://a/\\[b\\]#c"], &["--", "ws://a/[b]"]),
            (&["-g", "--", "ws://a/\\[b"], &["--", "ws://a/\\[b"]),
            (
                &["-k", "-XGET", "-A", "me", "a"],
                &["--insecure", "--header", "User-Agent: me", "--", "a"],
            ),
            (&["-sSkv", "a"], &["--insecure", "--verbose", "--quiet", "--", "a"]),
            (&["-HA:b", "-H", "B;", "a"], &["--header", "A: b", "--header", "B: ", "--", "a"]),
            (
                &["-b", "a=b", "-H", "Cookie: c=d", "a"],
                &["--header", "Cookie: a=b; c=d", "--", "a"],
            ),
            (&["-L", "a"], &["--max-redirects", "50", "--", "a"]),
            (&["-L", "--max-redirs", "3", "a"], &["--max-redirects", "3", "--", "a"]),
            (&["--max-redirs", "3", "a"], &["--", "a"]),
            (
                &["-u", "a:b", "-e", "r;auto", "a"],
                &["--user", "a:b", "--header", "Referer: r", "--", "a"],
            ),
            (&["--http2", "-x", "", "a"], &["--http", "2", "--proxy", "none", "--", "a"]),
            (&["--socks5-hostname", "p:1", "a"], &["--proxy", "socks5h://p:1", "--", "a"]),
            (
                &["--cacert", "c", "-E", "d", "a"],
                &["--ca", "c", "--cert", "d", "--key", "d", "--", "a"],
            ),
            (&["--cert", "c", "--key", "d", "a"], &["--cert", "c", "--key", "d", "--", "a"]),
            (
                &["--resolve", "a:1:b", "-m", "3", "a"],
                &["--resolve", "a:1:b", "--timeout", "3", "--", "a"],
            ),
            (&["--send", "x", "--send=y", "a"], &["--send", "x", "--send=y", "--", "a"]),
            (
                &["--unix-socket", "/s", "ws://h:1/p?q"],
                &["--header", "Host: h:1", "--", "ws+unix:/s:/p?q"],
            ),
            (
                &["-H", "Sec-WebSocket-Protocol: a, b", "c"],
                &["--subprotocol", "a", "--subprotocol", "b", "--", "c"],
            ),
            (
                &[
                    "-H",
                    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                    "c",
                ],
                &["--deflate=balanced", "--", "c"],
            ),
            (
                &[
                    "-H",
                    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"10\"; \
                     client_no_context_takeover, permessage-deflate",
                    "c",
                ],
                &["--deflate=balanced,receive-window=10,send-takeover=no", "--", "c"],
            ),
            (&["-H", "Host: A:1", "ws://u:p@a:1/"], &["--", "ws://u:p@a:1/"]),
            (&["-H", "Host: b", "ws://a/"], &["--header", "Host: b", "--", "ws://a/"]),
        ] {
            let (words, _) = translated(curl).unwrap_or_else(|why| panic!("{curl:?}: {why}"));
            assert_eq!(words, expected, "{curl:?}");
        }
    }

    #[test]
    fn curl_options_left_out_are_named() {
        let command =
            ["a", "--compressed", "-H", "Upgrade: websocket", "-H", "X:", "-H", "connection: x"];
        let (words, notes) = translated(&command).unwrap();
        assert_eq!(words, ["--", "a"]);
        assert_eq!(
            notes,
            ["left to the handshake: Upgrade, connection", "left out: --compressed, the empty X"]
        );
        let silent = [&command[..], &["-s"]].concat();
        assert!(translated(&silent).unwrap().1.is_empty());
    }

    #[test]
    fn curl_options_that_are_refused_are_explained() {
        for (curl, words) in [
            (&["a", "--data-raw", "SECRET"][..], "--data-raw: a handshake has no content"),
            (&["a", "-dSECRET"], "-d: a handshake has no content"),
            (&["a", "-X", "POST"], "-X: a WebSocket is opened by GET"),
            (&["a", "b"], "more than one URL"),
            (&["-k"], "there is no URL"),
            (&["a", "-H"], "-H needs a value"),
            (&["a", "-H", "SECRET"], "-H: there is no colon"),
            (&["a", "-b", "cookies.txt"], "-b: files of cookies"),
            (&["a", "-u", "SECRET"], "-u: there is no password"),
            (&["a", "--nothing"], "--nothing is not an option that it knows"),
            (&["a", "-Y"], "-Y is not an option that it knows"),
            (&["a", "-o", "f"], "-o: messages are written"),
        ] {
            let why = translated(curl).unwrap_err();
            assert!(why.contains(words) && !why.contains("SECRET"), "{curl:?}: {why}");
        }
    }
}
