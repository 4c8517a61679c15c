//! `fdx serve --forward`: the bytes of a WebSocket are those of a TCP connection or a Unix socket.

use std::time::Duration;

use clap::Args as ClapArgs;

use super::paths::has_own_handler;
use crate::base::values;
use crate::relay::{HALF_CLOSE_TIMEOUT, Target};

/// The options about targets.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Forwarding")]
pub(in crate::serve) struct ForwardArgs {
    /// Connect each WebSocket to a TCP port or a Unix socket, and carry the bytes both ways
    /// (repeatable)
    ///
    /// TARGET is tcp:HOST:PORT or unix:PATH. With a path, as in /db=tcp:127.0.0.1:5432, it is that
    /// of WebSockets at this path; without one, at every path but /echo, /broadcast and /whoami.
    /// The bytes come as binary messages. Only requests for IP addresses, localhost and the names
    /// of --host are answered.
    #[arg(long, value_name = "[PATH=]TARGET", value_parser = Forward::parse)]
    pub(in crate::serve) forward: Vec<Forward>,
    /// Seconds that one direction may have ended while the other is silent, 10 by default
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout, requires = "forward")]
    half_close_timeout: Option<Duration>,
}

impl ForwardArgs {
    /// Returns how long one direction may have ended while the other is silent.
    pub(in crate::serve) fn half_close_timeout(&self) -> Duration {
        self.half_close_timeout.unwrap_or(HALF_CLOSE_TIMEOUT)
    }
}

/// A target, and the path of its WebSockets.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::serve) struct Forward {
    /// `None` for every path that has no handler of its own.
    path: Option<String>,
    pub(in crate::serve) target: Target,
}

impl Forward {
    fn parse(text: &str) -> Result<Self, String> {
        let (path, target) = match text.split_once('=') {
            Some((path, target)) if path.starts_with('/') => (Some(path), target),
            _ => (None, text),
        };
        if let Some(path) = path.filter(|path| path.contains(['?', '#'])) {
            return Err(format!("{path} has a query; a path has none"));
        }
        Ok(Self { path: path.map(str::to_owned), target: Target::parse(target)? })
    }

    /// Returns the target for a path; `None` if its handler is another one.
    pub(in crate::serve) fn at<'a>(all: &'a [Self], path: &str) -> Option<&'a Target> {
        let exact = all.iter().find(|forward| forward.path.as_deref() == Some(path));
        let any = || all.iter().find(|forward| forward.path.is_none() && !has_own_handler(path));
        exact.or_else(any).map(|forward| &forward.target)
    }
}

/// Formats the path and the target in words, such as `/db to tcp:127.0.0.1:5432`.
impl std::fmt::Display for Forward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.path.as_deref().unwrap_or("any other path"), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_is_found_by_its_path() {
        let all = ["/db=tcp:a:1", "/echo=unix:/x=y", "tcp:b:2"];
        let all: Vec<_> = all.iter().map(|text| Forward::parse(text).unwrap()).collect();
        let at = |path| Forward::at(&all, path).map(ToString::to_string);
        assert_eq!(at("/db").as_deref(), Some("tcp:a:1"));
        assert_eq!(at("/echo").as_deref(), Some("unix:/x=y"));
        assert_eq!(at("/db/").as_deref(), Some("tcp:b:2"));
        assert_eq!(at("/whoami"), None);
        assert_eq!(Forward::at(&all[..2], "/other"), None);
        for text in ["/db", "/db=", "/db?x=tcp:a:1", "db=tcp:a:1"] {
            assert!(Forward::parse(text).is_err(), "{text}");
        }
    }
}
