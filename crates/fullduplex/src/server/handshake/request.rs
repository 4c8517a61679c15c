//! A received request of any HTTP version, and its validation against the rules of the opening
//! handshake and the policies of the server.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use fullduplex_proto::PerMessageDeflate;
use fullduplex_proto::handshake::http1::{HeadError, RequestHead, write_response};
use fullduplex_proto::handshake::server::{
    AcceptResponse, HandshakeRequest, HttpCarrier, Inspection, OwnedOffer, RejectResponse,
};
use http::header::HOST;
use http::{Request, Response, Uri, Version};

use crate::base::compression;
use crate::base::error::{Error, ErrorKind};
use crate::base::protected_headers::check_response_field;
use crate::server::config::ServerConfig;
use crate::server::handshake::lazy::LazyRequest;
use crate::server::handshake::response::{
    SHUTTING_DOWN, internal_error, plain, rejection_response, shutting_down,
};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::host::HostPolicy;
use crate::server::policy::peer::PeerAddr;
use crate::transport::http1;
use crate::transport::http1::HeaderMapSource;

/// A received request and what its validation found. It is always boxed, as it is moved often.
#[derive(Debug)]
pub(crate) struct IncomingRequest {
    request: LazyRequest,
    /// `:protocol` of an extended CONNECT (RFC 8441 §4).
    protocol: Option<Box<str>>,
    /// Whether it asks for a WebSocket, validly or not, rather than being ordinary HTTP.
    pub(crate) is_websocket: bool,
    /// Whether it names exactly one host.
    host: Result<(), RejectResponse>,
    /// `Origin` and host as they were received.
    origin: Option<RequestOrigin>,
    /// What the client offered in the request as it was received, or which rule that breaks.
    offer: Result<OwnedOffer, RejectResponse>,
    /// Whether the application had mutable access, and may have changed the request.
    is_modified: bool,
    /// The subprotocol that will be selected.
    pub(crate) subprotocol: Option<String>,
    /// Whether the application has set the subprotocol.
    has_set_subprotocol: bool,
}

/// The result of checking a request against the rules of the protocol.
struct Validated {
    is_websocket: bool,
    host: Result<(), RejectResponse>,
    origin: Option<RequestOrigin>,
    offer: Result<OwnedOffer, RejectResponse>,
}

/// The origin of a web page, and the host that its request is for.
#[derive(Debug)]
struct RequestOrigin {
    origin: Box<str>,
    host: Box<str>,
}

impl Validated {
    fn new(inspection: Inspection<'_>) -> Self {
        let Inspection { is_websocket, host, offer, .. } = inspection;
        let origin = offer.as_ref().ok().and_then(|offer| {
            let origin = offer.origin()?.into();
            Some(RequestOrigin { origin, host: offer.host().into() })
        });
        // A request that breaks a rule offers nothing. It is rejected when the application
        // accepts it, as the application may answer plain HTTP itself.
        Self { is_websocket, host: host.map(drop), origin, offer: offer.map(OwnedOffer::from) }
    }
}

/// Why a request is rejected.
pub(crate) enum RejectionCause {
    /// The request breaks a rule of the protocol.
    InvalidRequest(RejectResponse),
    /// A policy or limit of the server forbids it: the status of the response, and its text.
    Policy(u16, String),
    /// The server drains.
    ShuttingDown,
    /// The application set an invalid response. The peer gets a 500 that does not say why.
    Misuse(Error),
}

impl RejectionCause {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::InvalidRequest(rejection) => {
                Error::new(ErrorKind::Handshake, rejection.to_string())
            }
            Self::Policy(_, why) => Error::new(ErrorKind::Handshake, why),
            Self::ShuttingDown => Error::new(ErrorKind::Closed, SHUTTING_DOWN),
            Self::Misuse(error) => error,
        }
    }

    /// Returns the response to the peer.
    pub(crate) fn response(&self) -> Response<Bytes> {
        match self {
            Self::InvalidRequest(rejection) => rejection_response(rejection),
            Self::Policy(status, why) => plain(*status, why),
            Self::ShuttingDown => shutting_down(),
            Self::Misuse(_) => internal_error(),
        }
    }
}

impl fmt::Display for RejectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(rejection) => rejection.fmt(f),
            Self::Policy(_, why) => f.write_str(why),
            Self::ShuttingDown => f.write_str(SHUTTING_DOWN),
            Self::Misuse(error) => error.fmt(f),
        }
    }
}

/// The response that opens a WebSocket, and what was negotiated.
pub(crate) struct AcceptedHandshake {
    response: AcceptResponse,
    /// The fields that the application adds.
    headers: Vec<(String, Bytes)>,
    pub(crate) deflate: Option<PerMessageDeflate>,
}

impl IncomingRequest {
    /// Parses and validates a head of HTTP/1.1.
    pub(crate) fn read(head: Bytes, config: &ServerConfig) -> Result<Box<Self>, HeadError> {
        let parsed = RequestHead::parse(&head, &config.handshake_limits.head())?;
        let validated = Validated::new(parsed.as_request().inspect());
        let version = match parsed.minor_version() {
            0 => Version::HTTP_10,
            _ => Version::HTTP_11,
        };
        let uri = uri(&parsed)?;
        http1::check_names(parsed.fields())?;
        Ok(Self::from_validated(
            LazyRequest::from_head(head, version, uri),
            validated,
            None,
            &config.subprotocols,
        ))
    }

    /// Validates a request that an HTTP library read, with its `:protocol`, and selects the
    /// subprotocol among those that the server supports.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn new(
        request: Request<()>,
        protocol: Option<Box<str>>,
        supported: &[String],
    ) -> Box<Self> {
        let validated = Validated::new(handshake_request(&request, protocol.as_deref()).inspect());
        Self::from_validated(request.into(), validated, protocol, supported)
    }

    fn from_validated(
        request: LazyRequest,
        validated: Validated,
        protocol: Option<Box<str>>,
        supported: &[String],
    ) -> Box<Self> {
        let Validated { is_websocket, host, origin, offer } = validated;
        let preferred = |offer| preferred_subprotocol(offer, supported).cloned();
        let subprotocol = offer.as_ref().ok().and_then(preferred);
        Box::new(Self {
            request,
            protocol,
            is_websocket,
            host,
            origin,
            offer,
            is_modified: false,
            subprotocol,
            has_set_subprotocol: false,
        })
    }

    pub(crate) fn request(&self) -> &Request<()> {
        self.request.get()
    }

    pub(crate) fn request_mut(&mut self) -> &mut Request<()> {
        self.is_modified = true;
        self.request.get_mut()
    }

    /// Removes an extension. The protocol's rules do not depend on it.
    #[cfg(feature = "hyper")]
    pub(crate) fn take_extension<T: Clone + Send + Sync + 'static>(&mut self) -> Option<T> {
        self.request.get_mut().extensions_mut().remove()
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn into_request(self) -> Request<()> {
        self.request.into_inner()
    }

    /// Returns the head of HTTP/1.1 that the request was read from.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_head(self) -> Bytes {
        self.request.into_head()
    }

    pub(crate) fn version(&self) -> Version {
        self.request.version()
    }

    /// Returns who sent the request, if a server read it.
    pub(crate) fn connect_info(&self) -> Option<&ConnectInfo> {
        self.request.connect_info()
    }

    /// Returns the subprotocols that the client offers, its favourite first.
    pub(crate) fn subprotocols(&self) -> &[String] {
        self.offer.as_ref().map_or(&[], OwnedOffer::subprotocols)
    }

    /// Returns what the client offers in the request as it is now. The request is validated
    /// again only if the application may have changed it.
    pub(crate) fn offer(&self) -> Result<Cow<'_, OwnedOffer>, RejectResponse> {
        if self.is_modified {
            self.handshake_request().offer().map(|offer| Cow::Owned(offer.into()))
        } else {
            self.offer.as_ref().map(Cow::Borrowed).map_err(Clone::clone)
        }
    }

    fn handshake_request(&self) -> HandshakeRequest<'_, HeaderMapSource<'_>> {
        handshake_request(self.request(), self.protocol.as_deref())
    }

    /// Sets the subprotocol for the application.
    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<String>) {
        self.subprotocol = subprotocol;
        self.has_set_subprotocol = true;
    }

    /// Selects the client's favourite among the subprotocols that the server supports, unless
    /// the application has set it.
    #[cfg(feature = "hyper")]
    pub(crate) fn choose_subprotocol(&mut self, supported: &[String]) {
        if let (false, Ok(offer)) = (self.has_set_subprotocol, &self.offer) {
            self.subprotocol = preferred_subprotocol(offer, supported).cloned();
        }
    }

    /// Returns the response that opens the WebSocket, with the fields of the application, or why
    /// the request is rejected.
    pub(crate) fn accept(
        &self,
        config: &ServerConfig,
        headers: Vec<(String, Bytes)>,
    ) -> Result<AcceptedHandshake, RejectionCause> {
        let offer = self.offer().map_err(RejectionCause::InvalidRequest)?;
        for (name, value) in &headers {
            check_response_field(name, value).map_err(RejectionCause::Misuse)?;
        }
        self.check_host(config)?;
        self.check_origin(&offer, config)?;
        let deflate = compression::settings(&config.websocket);
        let (extension, deflate) =
            deflate.and_then(|deflate| deflate.accept(offer.extensions())).unzip();
        let extensions = extension.into_iter().collect();
        let accepted = offer.accept(self.subprotocol.as_deref(), extensions);
        let response = accepted.map_err(|error| RejectionCause::Misuse(Error::of(error)))?;
        Ok(AcceptedHandshake { response, headers, deflate })
    }

    /// Whether the request is rejected whatever the application does.
    pub(crate) fn breaks_a_rule(&self, config: &ServerConfig) -> bool {
        let Ok(offer) = self.offer() else { return true };
        self.check_host(config).is_err() || self.check_origin(&offer, config).is_err()
    }

    fn check_origin(
        &self,
        offer: &OwnedOffer,
        config: &ServerConfig,
    ) -> Result<(), RejectionCause> {
        if !offer.has_origin() {
            return Ok(());
        }
        let checked = match &self.origin {
            // The common case, in which the `http::Request` need not be built.
            Some(RequestOrigin { origin, host }) if !self.is_modified => {
                let host = self.forwarded_host().unwrap_or(host);
                config.origin_policy.check_one(origin, Some(host))
            }
            _ => config.origin_policy.check(self.request().headers(), self.host()),
        };
        checked.map_err(|error| RejectionCause::Policy(403, error.to_string()))
    }

    /// Returns the host that the client named: as a trusted proxy forwards it, else the authority
    /// of the target, else `Host`.
    pub(crate) fn host(&self) -> Option<&str> {
        let authority = || self.request().uri().authority().map(http::uri::Authority::as_str);
        let field = || {
            let host = self.request().headers().get(HOST)?;
            // A host that is not ASCII must fail the check, not pass as absent.
            Some(host.to_str().unwrap_or("\u{fffd}"))
        };
        self.forwarded_host().or_else(authority).or_else(field)
    }

    /// Returns the host that a trusted proxy forwards.
    fn forwarded_host(&self) -> Option<&str> {
        self.connect_info()?.client.host.as_deref()
    }

    /// Sets who sent the request, from `remote` and what trusted proxies forward, and checks its
    /// host. This is done for each request, before any handler or service gets it.
    pub(crate) fn check_remote(
        &mut self,
        mut remote: ConnectInfo,
        config: &ServerConfig,
    ) -> Result<(), RejectionCause> {
        let forwarded = remote.apply_forwarding(|| self.request().headers(), &config.forwarding);
        let forwarded = forwarded.map_err(|error| RejectionCause::Policy(400, error.to_string()));
        // Also where a check fails, as the rejection is reported with it.
        self.request.set_remote(remote);
        self.host.clone().map_err(RejectionCause::InvalidRequest)?;
        forwarded?;
        self.check_host(config)
    }

    /// Checks `max_fields` for a request of HTTP/2 or HTTP/3. Split cookies must have been joined
    /// before. (On HTTP/1.1, the parser checks it.)
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(crate) fn check_max_fields(&self, config: &ServerConfig) -> Result<(), RejectionCause> {
        let max = config.handshake_limits.max_fields;
        if self.request().headers().len() > max {
            let why = format!("more header fields than max_fields ({max})");
            return Err(RejectionCause::Policy(431, why));
        }
        Ok(())
    }

    fn check_host(&self, config: &ServerConfig) -> Result<(), RejectionCause> {
        let by_unix_socket =
            || self.connect_info().is_some_and(|remote| remote.peer == PeerAddr::Unix);
        match config.host_policy {
            HostPolicy::Any => return Ok(()),
            // Browsers can't connect to a Unix socket, and a proxy there passes on the hosts of
            // its own clients.
            HostPolicy::Local { .. } if by_unix_socket() => return Ok(()),
            _ => {}
        }
        let secure = self.connect_info().is_some_and(|remote| remote.secure);
        let checked = config.host_policy.check(self.host(), secure);
        checked.map_err(|error| RejectionCause::Policy(error.status().as_u16(), error.to_string()))
    }
}

/// Returns the client's favourite among the subprotocols that the server supports.
fn preferred_subprotocol<'a>(offer: &'a OwnedOffer, supported: &[String]) -> Option<&'a String> {
    offer.subprotocols().iter().find(|name| supported.contains(name))
}

/// Returns a request, with its `:protocol`, in the form that the protocol's rules check.
pub(crate) fn handshake_request<'a, B>(
    request: &'a Request<B>,
    protocol: Option<&'a str>,
) -> HandshakeRequest<'a, HeaderMapSource<'a>> {
    let carrier = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => HttpCarrier::Http1 { minor: 0 },
        Version::HTTP_11 => HttpCarrier::Http1 { minor: 1 },
        _ => HttpCarrier::Stream { protocol },
    };
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let headers = HeaderMapSource(request.headers());
    HandshakeRequest::new(request.method().as_str(), carrier, authority, headers)
}

/// Returns the request target. It has an authority only if it was sent in absolute-form
/// (RFC 9112 §3.2.2).
fn uri(head: &RequestHead<'_>) -> Result<Uri, HeadError> {
    let target = head.target();
    let parsed = match target.authority() {
        Some(_) => target.as_str().parse(),
        None => target.path_and_query().parse(),
    };
    parsed.map_err(|_| HeadError::Target)
}

impl AcceptedHandshake {
    /// Returns the fields of the protocol.
    fn protocol_fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.response.headers().map(|(name, value)| (name, value.as_bytes()))
    }

    /// Returns the fields that the application adds.
    fn added_fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), &value[..]))
    }

    /// Returns the head of the HTTP/1.1 response. Names are in title case, as some peers compare
    /// them with case.
    pub(crate) fn head(&self) -> Result<Vec<u8>, Error> {
        let (status, phrase) = (self.response.status(), self.response.reason_phrase());
        let own = self.protocol_fields().map(|(name, value)| (Cow::Borrowed(name), value));
        let added =
            self.added_fields().map(|(name, value)| (http1::title_case(name).into(), value));
        write_response(status, phrase, own.chain(added)).map_err(Error::of)
    }

    /// Returns the response for an HTTP library to send, or for a tap to see.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper", feature = "tap"))]
    pub(crate) fn response(&self) -> Result<Response<()>, Error> {
        let mut response = Response::builder().status(self.response.status());
        for (name, value) in self.protocol_fields().chain(self.added_fields()) {
            response = response.header(name, value);
        }
        let misuse = |error| Error::new(ErrorKind::Misuse, "the response").with_source(error);
        response.body(()).map_err(misuse)
    }
}

#[cfg(test)]
mod tests;
