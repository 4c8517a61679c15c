//! The words of `fdx connect` that do what a command of curl does.

use std::ffi::{OsStr, OsString};

use clap::{ArgAction, Command};

use super::options::{self, Meaning};
use super::words::os_string;

/// A command of curl on its way to one of `fdx connect`.
pub(super) struct Translation {
    pub(super) words: Vec<OsString>,
    pub(super) url: Option<String>,
    pub(super) host: Option<OsString>,
    pub(super) cookies: Vec<Vec<u8>>,
    pub(super) cert: Option<OsString>,
    pub(super) key: Option<OsString>,
    pub(super) unix_socket: Option<String>,
    pub(super) proxy: ProxyChoice,
    pub(super) max_redirects: Option<OsString>,
    pub(super) follows: bool,
    pub(super) globs: bool,
    pub(super) is_silent: bool,
    /// The names of fields that are left out because the handshake writes them.
    pub(super) left_to_handshake: Vec<String>,
    /// What else is left out.
    pub(super) left_out: Vec<String>,
}

/// The proxy that a command of curl asks for.
pub(super) enum ProxyChoice {
    Unset,
    Url(String),
    /// None, whatever else is asked for.
    Direct,
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
        proxy: ProxyChoice::Unset,
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
            (&["-x", "p:1", "--noproxy", "*", "a"], &["--proxy", "none", "--", "a"]),
            (&["-x", "p:1", "-x", "q:1", "a"], &["--proxy", "q:1", "--", "a"]),
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
