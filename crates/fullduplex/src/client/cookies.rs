//! Cookies, which the application stores.

use http::HeaderValue;

/// Stores the cookies of servers, for [`ClientBuilder::cookies`](crate::ClientBuilder::cookies).
pub trait CookieJar: Send + Sync + 'static {
    /// Returns the value of the `Cookie` header for this URL, if it has cookies.
    fn cookies(&self, url: &str) -> Option<HeaderValue>;
    /// Stores a `Set-Cookie` header of the response from this URL.
    fn store(&self, url: &str, set_cookie: &HeaderValue);
}
