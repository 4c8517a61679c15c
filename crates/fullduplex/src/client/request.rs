//! What a client is asked to connect to: a URL, with or without header fields.

use http::{HeaderMap, Method, Request, Uri};

use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;

/// A URL, or a request with header fields, that a [`Client`](crate::Client) can connect to.
///
/// Implemented for `&str`, `String`, `&String`, [`http::Uri`], `&http::Uri` and
/// [`http::Request<()>`](http::Request). Values of other types, such as those of the crate `url`,
/// can be passed as text: `connect(url.as_str())`.
///
/// Of a request the URI and the header fields are used. The fields replace those of the client
/// with the same names. The fields of the opening handshake, such as `Sec-WebSocket-Key`, are the
/// library's and can't be among them; `Host` can.
///
/// ```
/// # async fn example(client: fullduplex::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let request = http::Request::get("ws://127.0.0.1:9001/echo").header("x-user", "joe").body(())?;
/// let (websocket, response) = client.connect(request).await?;
/// # Ok(())
/// # }
/// ```
pub trait IntoClientRequest: private::Convert {}

/// A URL with the header fields of one request.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    pub(crate) target: WsUri,
    /// Header fields in place of the client's of the same names.
    pub(crate) headers: HeaderMap,
}

mod private {
    use crate::base::error::Error;

    /// The conversion, which other crates can neither call nor implement.
    pub trait Convert {
        fn convert(self) -> Result<super::ClientRequest, Error>;
    }
}

pub(super) fn convert(request: impl IntoClientRequest) -> Result<ClientRequest, Error> {
    private::Convert::convert(request)
}

impl IntoClientRequest for &str {}
impl private::Convert for &str {
    fn convert(self) -> Result<ClientRequest, Error> {
        Ok(ClientRequest { target: WsUri::parse(self)?, headers: HeaderMap::new() })
    }
}

impl IntoClientRequest for String {}
impl private::Convert for String {
    fn convert(self) -> Result<ClientRequest, Error> {
        self.as_str().convert()
    }
}

impl IntoClientRequest for &String {}
impl private::Convert for &String {
    fn convert(self) -> Result<ClientRequest, Error> {
        self.as_str().convert()
    }
}

impl IntoClientRequest for Uri {}
impl private::Convert for Uri {
    fn convert(self) -> Result<ClientRequest, Error> {
        (&self).convert()
    }
}

impl IntoClientRequest for &Uri {}
impl private::Convert for &Uri {
    fn convert(self) -> Result<ClientRequest, Error> {
        self.to_string().convert()
    }
}

impl IntoClientRequest for Request<()> {}
impl private::Convert for Request<()> {
    fn convert(self) -> Result<ClientRequest, Error> {
        let (parts, ()) = self.into_parts();
        if parts.method != Method::GET {
            let message = format!("the method {} opens no WebSocket; use GET", parts.method);
            return Err(Error::new(ErrorKind::Misuse, message));
        }
        Ok(ClientRequest { headers: parts.headers, ..parts.uri.convert()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_request_is_made_of_each_kind_of_url() {
        let uri: Uri = "ws://h:81/x?y".parse().unwrap();
        let text = uri.to_string();
        for request in [
            convert("ws://h:81/x?y"),
            convert(&text),
            convert(text.clone()),
            convert(&uri),
            convert(uri.clone()),
            convert(Request::get(uri.clone()).body(()).unwrap()),
        ] {
            let ClientRequest { target, headers } = request.unwrap();
            assert_eq!(target.url(), "ws://h:81/x?y");
            assert!(headers.is_empty());
        }
        let request = Request::get(uri).header("x-user", "joe").body(()).unwrap();
        assert_eq!(convert(request).unwrap().headers["x-user"], "joe");
    }

    #[test]
    fn client_request_faults_are_named() {
        let uri: Uri = "localhost:9001".parse().unwrap();
        let path = Request::get("/x").body(()).unwrap();
        let post = Request::post("ws://h/").body(()).unwrap();
        for (request, words) in [
            (convert("127.0.0.1:80"), "begin it with ws://"),
            (convert(uri), "begin it with ws://"),
            (convert(path), "begin it with ws://"),
            (convert(post), "POST"),
        ] {
            let error = request.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
