//! Cookies, which the application keeps.

use http::HeaderValue;

/// Keeps the cookies of servers.
pub trait CookieJar: Send + Sync + 'static {
    /// The value of the `Cookie` header for this URL, if there are any.
    fn cookies(&self, url: &str) -> Option<HeaderValue>;
    /// Takes note of a `Set-Cookie` header in the response to this URL.
    fn store(&self, url: &str, set_cookie: &HeaderValue);
}
