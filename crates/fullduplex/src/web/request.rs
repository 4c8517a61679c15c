//! What a client is asked to connect to.

use http::Uri;

use crate::base::error::Error;

/// A URL that a [`Client`](crate::Client) can connect to.
///
/// Implemented for `&str`, `String`, `&String`, [`http::Uri`] and `&http::Uri`. A page can't set
/// the header fields of the opening handshake, so a request with some is not one.
pub trait IntoClientRequest: private::Convert {}

mod private {
    /// The conversion, which other crates can neither call nor implement.
    pub trait Convert {
        fn convert(self) -> String;
    }
}

/// A URL that the browser will parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WsUri(pub(crate) String);

impl WsUri {
    /// Returns the URL. What is wrong with it is found when it is connected to.
    #[allow(clippy::unnecessary_wraps, reason = "natively, it is parsed here")]
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        Ok(Self(url.to_owned()))
    }
}

pub(crate) fn convert(request: impl IntoClientRequest) -> WsUri {
    WsUri(private::Convert::convert(request))
}

impl IntoClientRequest for &str {}
impl private::Convert for &str {
    fn convert(self) -> String {
        self.to_owned()
    }
}

impl IntoClientRequest for String {}
impl private::Convert for String {
    fn convert(self) -> String {
        self
    }
}

impl IntoClientRequest for &String {}
impl private::Convert for &String {
    fn convert(self) -> String {
        self.clone()
    }
}

impl IntoClientRequest for Uri {}
impl private::Convert for Uri {
    fn convert(self) -> String {
        self.to_string()
    }
}

impl IntoClientRequest for &Uri {}
impl private::Convert for &Uri {
    fn convert(self) -> String {
        self.to_string()
    }
}
