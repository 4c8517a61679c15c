//! Cookies, which the application stores.

use std::sync::Arc;

use http::HeaderValue;

/// Stores the cookies of servers, for [`ClientBuilder::cookies`](crate::ClientBuilder::cookies).
///
/// A jar for one server, which sends back what it was last sent:
///
/// ```
/// use std::sync::Mutex;
///
/// use fullduplex::client::CookieJar;
/// use http::HeaderValue;
///
/// #[derive(Default)]
/// struct LastCookie(Mutex<Option<HeaderValue>>);
///
/// impl CookieJar for LastCookie {
///     fn cookies(&self, _url: &str) -> Option<HeaderValue> {
///         self.0.lock().unwrap().clone()
///     }
///
///     fn store(&self, _url: &str, set_cookie: &HeaderValue) {
///         // Without the attributes, such as `Path` and `Secure`.
///         let cookie = set_cookie.as_bytes().split(|byte| *byte == b';').next();
///         *self.0.lock().unwrap() = cookie.and_then(|it| HeaderValue::from_bytes(it).ok());
///     }
/// }
/// ```
pub trait CookieJar: Send + Sync + 'static {
    /// Returns the value of the `Cookie` header for this URL, if it has cookies.
    fn cookies(&self, url: &str) -> Option<HeaderValue>;
    /// Stores a `Set-Cookie` header of the response from this URL.
    fn store(&self, url: &str, set_cookie: &HeaderValue);
}

impl<T: CookieJar + ?Sized> CookieJar for Arc<T> {
    fn cookies(&self, url: &str) -> Option<HeaderValue> {
        T::cookies(self, url)
    }

    fn store(&self, url: &str, set_cookie: &HeaderValue) {
        T::store(self, url, set_cookie);
    }
}
