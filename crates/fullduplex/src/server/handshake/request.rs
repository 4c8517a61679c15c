//! What a request asks for, held against the rules of the opening handshake, whatever
//! version of HTTP carries it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use fullduplex_proto::PerMessageDeflate;
use fullduplex_proto::handshake::http1::{HeadError, RequestHead, write_response};
use fullduplex_proto::handshake::server::{
    AcceptResponse, HandshakeRequest as Rules, HttpCarrier, Inspection, OwnedOffer, RejectResponse,
};
use http::header::HOST;
use http::{Request, Response, Uri, Version};

use crate::base::error::{Error, ErrorKind};
use crate::base::protected::check_response_field;
use crate::server::config::ServerConfig;
use crate::server::handshake::lazy::LazyRequest;
use crate::server::handshake::response::{LEAVING, failed, leaving, plain, refusal_response};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::host::HostPolicy;
use crate::server::policy::peer::PeerAddr;
use crate::transport::http1;
use crate::transport::http1::HeaderMapSource;

/// A request, and what it means. It comes in a box, as it goes through many hands.
#[derive(Debug)]
pub(crate) struct IncomingRequest {
    request: LazyRequest,
    /// `:protocol` of an extended CONNECT (RFC 8441 §4).
    protocol: Option<Box<str>>,
    pub(crate) is_websocket: bool,
    /// Whether there is one host that it is for.
    host: Result<(), RejectResponse>,
    /// Whose page asks, and of which host, as it was received.
    page: Option<OriginInfo>,
    /// What the rules say of a request for a WebSocket, as it was received.
    terms: Result<OwnedOffer, RejectResponse>,
    /// Somebody may have changed the request since.
    is_changed: bool,
    /// The subprotocol that the server chooses by itself.
    pub(crate) chosen: Option<String>,
}

/// What the rules say of a request.
struct Validated {
    is_websocket: bool,
    host: Result<(), RejectResponse>,
    page: Option<OriginInfo>,
    terms: Result<OwnedOffer, RejectResponse>,
}

/// Of a request with an `Origin`.
#[derive(Debug)]
struct OriginInfo {
    origin: Box<str>,
    host: Box<str>,
}

impl Validated {
    fn of(verdict: Inspection<'_>) -> Self {
        let Inspection { is_websocket, host, offer } = verdict;
        let page = offer.as_ref().ok().and_then(|offer| {
            let origin = offer.origin()?.into();
            Some(OriginInfo { origin, host: offer.host().into() })
        });
        // A request that breaks a rule offers nothing; it is refused when it is to be accepted.
        Self { is_websocket, host: host.map(drop), page, terms: offer.map(OwnedOffer::from) }
    }
}

/// Why a handshake is not accepted.
pub(crate) enum RejectionCause {
    /// For what the peer asked.
    Peer(RejectResponse),
    /// For a policy of the server's: the status, and why.
    Policy(u16, String),
    /// Because the server goes away.
    Leaving,
    /// For what the application wanted to answer. The peer is told no more than that: 500.
    Misuse(Error),
}

impl RejectionCause {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Peer(refusal) => Error::new(ErrorKind::Handshake, refusal.to_string()),
            Self::Policy(_, why) => Error::new(ErrorKind::Handshake, why),
            Self::Leaving => Error::new(ErrorKind::Closed, LEAVING),
            Self::Misuse(error) => error,
        }
    }

    /// The answer to the peer.
    pub(crate) fn response(&self) -> Response<Bytes> {
        match self {
            Self::Peer(refusal) => refusal_response(refusal),
            Self::Policy(status, why) => plain(*status, why),
            Self::Leaving => leaving(),
            Self::Misuse(_) => failed(),
        }
    }
}

impl fmt::Display for RejectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(refusal) => refusal.fmt(f),
            Self::Policy(_, why) => f.write_str(why),
            Self::Leaving => f.write_str(LEAVING),
            Self::Misuse(error) => error.fmt(f),
        }
    }
}

/// The answer that opens a WebSocket.
pub(crate) struct AcceptedHandshake {
    acceptance: AcceptResponse,
    /// What the application adds.
    headers: Vec<(String, Bytes)>,
    pub(crate) deflate: Option<PerMessageDeflate>,
}

impl IncomingRequest {
    /// Reads a head of HTTP/1.1.
    pub(crate) fn read(head: Bytes, config: &ServerConfig) -> Result<Box<Self>, HeadError> {
        let parsed = RequestHead::parse(&head, &config.handshake.head())?;
        let judged = Validated::of(parsed.as_request().judge());
        let version = match parsed.minor_version() {
            0 => Version::HTTP_10,
            _ => Version::HTTP_11,
        };
        let uri = uri(&parsed)?;
        http1::check_names(parsed.fields())?;
        Ok(Self::judged(
            LazyRequest::of_head(head, version, uri),
            judged,
            None,
            &config.subprotocols,
        ))
    }

    /// Takes a request that an HTTP library read, with its `:protocol`, and chooses among the
    /// subprotocols that the server speaks.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn new(
        request: Request<()>,
        protocol: Option<Box<str>>,
        supported: &[String],
    ) -> Box<Self> {
        let judged = Validated::of(rules(&request, protocol.as_deref()).judge());
        Self::judged(request.into(), judged, protocol, supported)
    }

    fn judged(
        request: LazyRequest,
        judged: Validated,
        protocol: Option<Box<str>>,
        supported: &[String],
    ) -> Box<Self> {
        let Validated { is_websocket, host, page, terms } = judged;
        let chosen = terms.as_ref().ok().and_then(|terms| choice(terms, supported).cloned());
        let is_changed = false;
        Box::new(Self { request, protocol, is_websocket, host, page, terms, is_changed, chosen })
    }

    pub(crate) fn request(&self) -> &Request<()> {
        self.request.get()
    }

    pub(crate) fn request_mut(&mut self) -> &mut Request<()> {
        self.is_changed = true;
        self.request.get_mut()
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn into_request(self) -> Request<()> {
        self.request.into_inner()
    }

    /// The head of HTTP/1.1 that it was read from.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_head(self) -> Bytes {
        self.request.into_head()
    }

    pub(crate) fn version(&self) -> Version {
        self.request.version()
    }

    /// Who asks, if a server read the request.
    pub(crate) fn remote(&self) -> Option<&ConnectInfo> {
        self.request.remote()
    }

    /// The subprotocols that the client offers.
    pub(crate) fn offered(&self) -> &[String] {
        self.terms.as_ref().map_or(&[], OwnedOffer::subprotocols)
    }

    /// What the rules say of the request as it is now: a request that nobody could change is not
    /// looked at twice.
    pub(crate) fn terms(&self) -> Result<Cow<'_, OwnedOffer>, RejectResponse> {
        if self.is_changed {
            self.rules().offer().map(|offer| Cow::Owned(offer.into()))
        } else {
            self.terms.as_ref().map(Cow::Borrowed).map_err(Clone::clone)
        }
    }

    fn rules(&self) -> Rules<'_, HeaderMapSource<'_>> {
        rules(self.request(), self.protocol.as_deref())
    }

    /// Chooses the client's favourite among the subprotocols that the server speaks, unless one
    /// was chosen already.
    #[cfg(feature = "hyper")]
    pub(crate) fn choose(&mut self, supported: &[String]) {
        if let (None, Ok(terms)) = (&self.chosen, &self.terms) {
            self.chosen = choice(terms, supported).cloned();
        }
    }

    /// What to answer to open the WebSocket, or why there is none.
    pub(crate) fn acceptance(
        &self,
        config: &ServerConfig,
        chosen: Option<&str>,
        headers: Vec<(String, Bytes)>,
    ) -> Result<AcceptedHandshake, RejectionCause> {
        let offer = self.terms().map_err(RejectionCause::Peer)?;
        for (name, value) in &headers {
            check_response_field(name, value).map_err(RejectionCause::Misuse)?;
        }
        self.check_host(config)?;
        self.check_origin(&offer, config)?;
        let deflate = config.websocket.deflate;
        let (extension, deflate) =
            deflate.and_then(|deflate| deflate.accept(offer.extensions())).unzip();
        let extensions = extension.into_iter().collect();
        let accepted = offer.accept(chosen, extensions);
        let acceptance = accepted.map_err(|error| RejectionCause::Misuse(error.into()))?;
        Ok(AcceptedHandshake { acceptance, headers, deflate })
    }

    /// Whether the request is refused, whatever the application says.
    pub(crate) fn breaks_a_rule(&self, config: &ServerConfig) -> bool {
        let Ok(terms) = self.terms() else { return true };
        self.check_host(config).is_err() || self.check_origin(&terms, config).is_err()
    }

    fn check_origin(
        &self,
        terms: &OwnedOffer,
        config: &ServerConfig,
    ) -> Result<(), RejectionCause> {
        if !terms.has_origin() {
            return Ok(());
        }
        let checked = match &self.page {
            // Pages are most of those who ask: for them no request need be made.
            Some(OriginInfo { origin, host }) if !self.is_changed => {
                let host = self.told_host().unwrap_or(host);
                config.origin.check_one(origin, Some(host))
            }
            _ => config.origin.check(self.request().headers(), self.host()),
        };
        checked.map_err(|refused| RejectionCause::Policy(403, refused.to_string()))
    }

    /// What the request is for, as the client named it.
    pub(crate) fn host(&self) -> Option<&str> {
        let asked = || self.request().uri().authority().map(http::uri::Authority::as_str);
        // One that is not ASCII is a wrong host, which is not the same as none.
        let field = || {
            let host = self.request().headers().get(HOST)?;
            Some(host.to_str().unwrap_or("\u{fffd}"))
        };
        self.told_host().or_else(asked).or_else(field)
    }

    /// The same, if a trusted proxy says it.
    fn told_host(&self) -> Option<&str> {
        self.remote()?.client.host.as_deref()
    }

    /// Finds out who asks, and whether there is one host that it is for, which is one of ours:
    /// of any request, before anybody sees it.
    pub(crate) fn check_remote(
        &mut self,
        mut remote: ConnectInfo,
        config: &ServerConfig,
    ) -> Result<(), RejectionCause> {
        let learnt = remote.learn(|| self.request().headers(), &config.forwarding);
        let denied = learnt.err().map(|bad| RejectionCause::Policy(400, bad.to_string()));
        self.request.set_remote(remote);
        self.host.clone().map_err(RejectionCause::Peer)?;
        denied.map_or(Ok(()), Err)?;
        self.check_host(config)
    }

    /// Whether it has no more header fields than `max_fields`, where HTTP/2 or HTTP/3 carried it.
    /// Cookies that were split are joined by now.
    #[cfg(any(feature = "http2", feature = "http3"))]
    pub(crate) fn check_number_of_fields(
        &self,
        config: &ServerConfig,
    ) -> Result<(), RejectionCause> {
        let most = config.handshake.max_fields;
        if self.request().headers().len() > most {
            let why = format!("more header fields than max_fields ({most})");
            return Err(RejectionCause::Policy(431, why));
        }
        Ok(())
    }

    fn check_host(&self, config: &ServerConfig) -> Result<(), RejectionCause> {
        let by_unix_socket = || self.remote().is_some_and(|remote| remote.peer == PeerAddr::Unix);
        match config.hosts {
            HostPolicy::Any => return Ok(()),
            // No web page reaches a Unix socket, and a proxy passes its own hosts on.
            HostPolicy::Local { .. } if by_unix_socket() => return Ok(()),
            _ => {}
        }
        let secure = self.remote().is_some_and(|remote| remote.secure);
        let checked = config.hosts.check(self.host(), secure);
        checked.map_err(|refused| RejectionCause::Policy(refused.status(), refused.to_string()))
    }
}

/// The client's favourite among the subprotocols that the server speaks.
fn choice<'a>(terms: &'a OwnedOffer, supported: &[String]) -> Option<&'a String> {
    terms.subprotocols().iter().find(|name| supported.contains(name))
}

/// A request as the rules see it, with its `:protocol`.
pub(crate) fn rules<'a, B>(
    request: &'a Request<B>,
    protocol: Option<&'a str>,
) -> Rules<'a, HeaderMapSource<'a>> {
    let carrier = match request.version() {
        Version::HTTP_09 | Version::HTTP_10 => HttpCarrier::Http1 { minor: 0 },
        Version::HTTP_11 => HttpCarrier::Http1 { minor: 1 },
        _ => HttpCarrier::Stream { protocol },
    };
    Rules {
        method: request.method().as_str(),
        carrier,
        authority: request.uri().authority().map(http::uri::Authority::as_str),
        headers: HeaderMapSource(request.headers()),
    }
}

/// The target: with its authority only if it was sent in absolute-form (RFC 9112 §3.2.2).
fn uri(head: &RequestHead<'_>) -> Result<Uri, HeadError> {
    let target = head.target();
    let parsed = match target.authority() {
        Some(_) => target.as_str().parse(),
        None => target.path_and_query().parse(),
    };
    parsed.map_err(|_| HeadError::Target)
}

impl AcceptedHandshake {
    /// The fields that the protocol asks for.
    fn own(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.acceptance.headers().map(|(name, value)| (name, value.as_bytes()))
    }

    /// The fields that the application adds.
    fn added(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), &value[..]))
    }

    /// As the head of an HTTP/1.1 response. Names are in title case, on which some peers insist.
    pub(crate) fn head(&self) -> Result<Vec<u8>, Error> {
        let (status, phrase) = (self.acceptance.status(), self.acceptance.phrase());
        let own = self.own().map(|(name, value)| (Cow::Borrowed(name), value));
        let added = self.added().map(|(name, value)| (http1::title_case(name).into(), value));
        Ok(write_response(status, phrase, own.chain(added))?)
    }

    /// For an HTTP library.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn response(&self) -> Result<Response<()>, Error> {
        let mut response = Response::builder().status(self.acceptance.status());
        for (name, value) in self.own().chain(self.added()) {
            response = response.header(name, value);
        }
        let bad = |error| Error::new(ErrorKind::Misuse, "the response").with_source(error);
        response.body(()).map_err(bad)
    }
}

#[cfg(test)]
mod tests;
