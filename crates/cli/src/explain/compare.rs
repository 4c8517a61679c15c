//! Further attempts, which differ from the first one in one thing each.

use std::time::Duration;

use fullduplex::client::{HttpVersion, Proxies};
use fullduplex::{Client, CloseCode, DeflateConfig, Error, ErrorKind, HandshakeLimits};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::attempt::{Attempt, attempt, is_secure};
use crate::base::escape::printable;
use crate::causes::observation::{Difference, Observation, Step, Variation, redact_error};
use crate::client::option_names;

/// The time for a further attempt to connect, and for its response.
const TIMEOUT: Duration = Duration::from_secs(3);

/// An origin that no server is likely to know.
const FOREIGN_ORIGIN: &str = "https://fdx-explain.invalid";

/// The first attempt, as far as others differ from it.
pub(super) struct Original<'a> {
    pub(super) client: &'a Client,
    pub(super) url: &'a str,
    pub(super) fields: &'a HeaderMap,
    pub(super) version: HttpVersion,
    /// Whether the request had an `Origin`.
    pub(super) has_origin: bool,
    pub(super) has_deflate: bool,
    pub(super) has_proxy: bool,
}

impl Original<'_> {
    /// Returns the differences that may matter, for an attempt that failed in this way; for one
    /// that opened a WebSocket, all that can be tried.
    pub(super) fn differences(&self, seen: &Observation) -> Vec<Difference> {
        use Difference as D;
        let is_unix = self.url.contains("+unix:");
        let is_secure = is_secure(self.url);
        let mut all = Vec::new();
        if self.has_proxy && seen.step != Some(Step::Resolve) {
            all.push(D::WithoutProxy);
        }
        if !is_secure && may_expect_tls(seen) {
            all.push(D::WithTls);
        }
        if seen.step == Some(Step::Tls) {
            all.push(D::WithoutTls);
        }
        let has_answered = seen.status.is_some();
        // An alert may be about the protocol (ALPN).
        let is_rejected_by_tls = seen.step == Some(Step::Tls) && seen.kind == Some(ErrorKind::Tls);
        // A server of HTTP/2 may say by its SETTINGS that it has no WebSockets.
        let has_version_failed =
            self.version != HttpVersion::Http1 && seen.step == Some(Step::Response);
        let is_of_quic = seen.step == Some(Step::Quic);
        if has_answered || is_rejected_by_tls || has_version_failed || is_of_quic {
            all.extend(self.other_versions(is_secure, is_unix));
        }
        if has_answered {
            if !self.has_origin {
                all.extend([D::SameOrigin, D::ForeignOrigin]);
            } else if self.fields.contains_key(ORIGIN) {
                all.extend([D::NoOrigin, D::SameOrigin]);
            }
            all.push(if self.has_deflate { D::WithoutDeflate } else { D::WithDeflate });
        }
        if seen.step.is_none() {
            all.push(D::BigHead);
        }
        all
    }

    /// Returns the other HTTP versions that can be tried.
    fn other_versions(&self, is_secure: bool, is_unix: bool) -> Vec<Difference> {
        let versions = [
            (Difference::Http1, HttpVersion::Http1),
            (Difference::Http2, HttpVersion::Http2),
            (Difference::Http3, HttpVersion::Http3),
        ];
        let can_be_tried = |version| match version {
            // It is always over UDP, with TLS.
            HttpVersion::Http3 => is_secure && !is_unix && !self.has_proxy,
            _ => true,
        };
        let others = versions.into_iter().filter(|(_, version)| *version != self.version);
        others.filter(|(_, version)| can_be_tried(*version)).map(|(name, _)| name).collect()
    }

    /// Makes an attempt with this difference.
    pub(super) async fn vary(&self, difference: Difference) -> Result<Variation, Error> {
        use Difference as D;
        let limits = HandshakeLimits::client().handshake_timeout(TIMEOUT);
        let mut builder = self.client.to_builder();
        let mut url = self.url.to_owned();
        let mut fields = self.fields.clone();
        match difference {
            D::WithTls => url = with_tls(self.url),
            D::WithoutTls => {
                // Credentials must not be sent in clear text.
                url =
                    without_user(&self.url.replacen("wss:", "ws:", 1).replacen("https:", "ws:", 1));
                builder = Client::builder();
                fields.clear();
            }
            D::WithoutProxy => builder = builder.proxies(Proxies::none()),
            D::Http1 => builder = builder.http_version(HttpVersion::Http1),
            D::Http2 => builder = builder.http_version(HttpVersion::Http2),
            D::Http3 => builder = builder.http_version(HttpVersion::Http3),
            D::NoOrigin => drop(fields.remove(ORIGIN)),
            D::SameOrigin => drop(fields.insert(ORIGIN, own_origin(self.url))),
            D::ForeignOrigin => {
                fields.insert(ORIGIN, HeaderValue::from_static(FOREIGN_ORIGIN));
            }
            D::WithDeflate => builder = builder.deflate(DeflateConfig::balanced()),
            D::WithoutDeflate => builder = builder.deflate(None),
            D::BigHead => {
                let padding = HeaderValue::try_from("x".repeat(8 << 10)).ok();
                let name = HeaderName::from_static("x-fdx-padding");
                fields.extend(padding.map(|padding| (Some(name), padding)));
            }
        }
        let client = builder.connect_timeout(TIMEOUT).handshake_limits(limits).build()?;
        let Attempt { result, .. } = attempt(&client, &url, fields, None).await?;
        Ok(match result {
            Ok((mut websocket, response)) => {
                // The closing goes on in the background.
                let _ = websocket.start_close(CloseCode::NORMAL, "");
                let status = Some(response.status().as_u16());
                Variation { difference, is_open: true, status, error: String::new() }
            }
            Err(error) => Variation {
                difference,
                is_open: false,
                status: error.response().map(|response| response.status().as_u16()),
                error: printable(&option_names(&redact_error(&error))),
            },
        })
    }
}

/// Whether a server that was asked without TLS may want it: it ended the connection, answered with
/// an alert or a TLS record, or with a status that such servers have for it.
fn may_expect_tls(seen: &Observation) -> bool {
    if seen.step != Some(Step::Response) || seen.timed_out.is_some() {
        return false;
    }
    match (seen.status, &*seen.first_bytes) {
        (Some(status), _) => matches!(status, 301 | 302 | 307 | 308 | 400 | 426 | 497),
        (None, []) => true,
        (None, [first, ..]) => matches!(first, 0x15 | 0x16),
    }
}

/// Returns what differs, in words.
pub(super) fn describe(difference: Difference) -> &'static str {
    use Difference as D;
    match difference {
        D::WithTls => "with TLS (wss:)",
        D::WithoutTls => "without TLS (ws:, without credentials)",
        D::WithoutProxy => "without the proxy",
        D::Http1 => "HTTP/1.1",
        D::Http2 => "HTTP/2 (RFC 8441)",
        D::Http3 => "HTTP/3 (RFC 9220)",
        D::NoOrigin => "without Origin",
        D::SameOrigin => "Origin of this server",
        D::ForeignOrigin => "Origin of another site",
        D::WithDeflate => "offering compression",
        D::WithoutDeflate => "not offering compression",
        D::BigHead => "a request head of 8 KiB",
    }
}

fn with_tls(url: &str) -> String {
    url.replacen("ws:", "wss:", 1).replacen("http:", "wss:", 1)
}

fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{target}")
}

/// Returns the origin of a page of the same server.
fn own_origin(url: &str) -> HeaderValue {
    let url = without_user(url);
    let scheme = if is_secure(&url) { "https" } else { "http" };
    let host = url.split_once("://").map_or("localhost", |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    HeaderValue::try_from(format!("{scheme}://{host}"))
        .unwrap_or_else(|_| HeaderValue::from_static("null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_urls_have_no_user() {
        assert_eq!(without_user("ws://me:secret@a:1/b@c"), "ws://a:1/b@c");
        assert_eq!(own_origin("wss://me:secret@a:1/b?c"), "https://a:1");
        assert_eq!(with_tls("ws://a/"), "wss://a/");
    }
}
