//! The opening handshake that a tap sees, as recordings have it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fullduplex::tap::Opening;
use http::header::HOST;
use http::{HeaderMap, Version};

use crate::recording::RecordedOpening;

/// Converts an opening handshake that a tap sees now. With the feature `attach`.
impl From<&Opening<'_>> for RecordedOpening {
    fn from(opening: &Opening<'_>) -> Self {
        let (request, response) = (opening.request, opening.response);
        let uri = request.uri();
        let scheme = if opening.is_secure { "wss" } else { "ws" };
        let host = uri.authority().map(|authority| authority.as_str().to_owned());
        let host = host.or_else(|| Some(text(request.headers().get(HOST)?.as_bytes())));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            url: format!("{scheme}://{}{path}", host.as_deref().unwrap_or("localhost")),
            // Whole microseconds, as a recording has them.
            time: Duration::from_micros(since_1970.as_micros().try_into().unwrap_or(u64::MAX)),
            version: match request.version() {
                Version::HTTP_2 => "HTTP/2.0",
                Version::HTTP_3 => "HTTP/3.0",
                _ => "HTTP/1.1",
            }
            .into(),
            method: request.method().to_string(),
            request: fields(request.headers()),
            status: response.status().as_u16(),
            response: fields(response.headers()),
        }
    }
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
