//! What the values of curl's options mean for the command line of `fdx connect`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use super::options::{SwitchEffect, ValueEffect};
use super::translate::{ProxyChoice, Translation};
use super::words::os_string;

/// The redirections that curl follows with `--location`.
pub(super) const REDIRECTIONS: &str = "50";

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

impl Translation {
    pub(super) fn switch(&mut self, effect: SwitchEffect) {
        match effect {
            SwitchEffect::Globoff => self.globoff(),
            SwitchEffect::Location => self.location(),
            SwitchEffect::Silent => self.silent(),
        }
    }

    pub(super) fn value(&mut self, effect: ValueEffect, value: &OsStr) -> Result<(), String> {
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

    pub(super) fn push_header(&mut self, field: OsString) {
        self.words.extend(["--header".into(), field]);
    }

    pub(super) fn url(&mut self, url: &OsStr) -> Result<(), String> {
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
        // The last one counts.
        if !matches!(self.proxy, ProxyChoice::Direct) {
            self.proxy = ProxyChoice::Url(proxy.into());
        }
        Ok(())
    }

    fn no_proxy(&mut self, list: &OsStr) -> Result<(), String> {
        if list != "*" {
            return Err("use the variable NO_PROXY, or --proxy none".into());
        }
        self.proxy = ProxyChoice::Direct;
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
        // What follows the last colon may be a password, which curl takes there.
        let file = cert.to_str().and_then(|cert| cert.rsplit_once(':')).map(|(file, _)| file);
        if let Some(file) = file.filter(|_| !Path::new(cert).exists()) {
            return Err(if Path::new(file).exists() {
                format!(
                    "{file}: a password can't be used; decrypt the key, by openssl pkey -in, and \
                     give the file by --key"
                )
            } else {
                format!("there is no file {file}")
            });
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
}
