//! The end of a translation: what depends on several options of curl.

use std::ffi::OsString;

use clap::Command;

use super::translate::{ProxyChoice, Translated, Translation};
use super::values::REDIRECTIONS;
use super::words::os_string;

impl Translation {
    /// Completes what depends on several options.
    pub(super) fn finish(mut self, connect: &Command) -> Result<Translated, String> {
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
        match &self.proxy {
            ProxyChoice::Unset => {}
            ProxyChoice::Url(url) => self.words.extend(["--proxy".into(), url.into()]),
            ProxyChoice::Direct => self.words.extend(["--proxy".into(), "none".into()]),
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
