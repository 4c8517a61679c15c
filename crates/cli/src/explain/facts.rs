//! What was seen on the way to a server, in the order in which it happened.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use fullduplex::client::{ConnectEvent, HeadField, RequestHead, ResponseHead};
use http::Version;

use crate::base::redact::{redact_target, shown_value};

/// A step that was taken, with what the report says of it.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Proxy(String),
    Resolved { host: String, addresses: Vec<SocketAddr> },
    Connected { to: String, from: Option<SocketAddr> },
    AddressFailed { to: SocketAddr, error: String, after: Duration },
    Tunnel(String),
    Quic(SocketAddr),
    Tls(Tls),
    CertificateRejected { host: String, certificates: Vec<Vec<u8>> },
    ProxyRequest(Head),
    ProxyResponse(Head),
    Request(Head),
    Response(Head),
}

/// A TLS handshake that is complete.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) host: String,
    pub(super) version: &'static str,
    pub(super) cipher_suite: String,
    pub(super) alpn: Option<String>,
    /// In DER, the server's own first.
    pub(super) certificates: Vec<Vec<u8>>,
}

/// The head of a request or of a response.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) version: Version,
    /// The first line, without secrets.
    pub(super) first_line: String,
    /// Empty in a response.
    pub(super) method: String,
    /// 0 in a request.
    pub(super) status: u16,
    pub(super) fields: Vec<Field>,
}

/// A field of a head.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// The value as it is on the wire, which may be secret.
    pub(super) value: Vec<u8>,
    /// The value to show.
    pub(super) shown: String,
}

/// A fact and the time from the start of the attempt.
pub(super) type TimedFact = (Duration, Fact);

impl Fact {
    /// Returns what an event tells; `None` for events that are not known.
    pub(super) fn of(event: &ConnectEvent<'_>) -> Option<Self> {
        Some(match event {
            ConnectEvent::Proxy(proxy) => Self::Proxy(format!("{proxy:?}")),
            ConnectEvent::Resolved { host, addresses } => {
                Self::Resolved { host: (*host).to_owned(), addresses: addresses.to_vec() }
            }
            ConnectEvent::Tcp { to, from } => Self::Connected { to: to.to_string(), from: *from },
            #[cfg(unix)]
            ConnectEvent::Unix(path) => {
                Self::Connected { to: path.display().to_string(), from: None }
            }
            ConnectEvent::AddressFailed { to, error, after } => {
                Self::AddressFailed { to: *to, error: error.to_string(), after: *after }
            }
            ConnectEvent::Tunnel(host, port) => Self::Tunnel(format!("{host}:{port}")),
            ConnectEvent::Quic { to } => Self::Quic(*to),
            ConnectEvent::Tls { host, version, cipher_suite, alpn, certificates } => {
                Self::Tls(Tls {
                    host: (*host).to_owned(),
                    version,
                    cipher_suite: (*cipher_suite).to_owned(),
                    alpn: alpn.map(|alpn| alpn.escape_ascii().to_string()),
                    certificates: owned(certificates),
                })
            }
            ConnectEvent::CertificateRejected { host, certificates } => {
                let certificates = owned(certificates);
                Self::CertificateRejected { host: (*host).to_owned(), certificates }
            }
            ConnectEvent::ProxyRequest(head) => Self::ProxyRequest(Head::of_request(head)),
            ConnectEvent::ProxyResponse(head) => Self::ProxyResponse(Head::of_response(head)),
            ConnectEvent::Request(head) => Self::Request(Head::of_request(head)),
            ConnectEvent::Response(head) => Self::Response(Head::of_response(head)),
            _ => return None,
        })
    }
}

fn owned(certificates: &[&[u8]]) -> Vec<Vec<u8>> {
    certificates.iter().map(|der| der.to_vec()).collect()
}

impl Head {
    fn of_request(head: &RequestHead<'_>) -> Self {
        let target = redact_target(head.target);
        Self {
            version: head.version,
            first_line: format!("{} {target} {:?}", head.method, head.version),
            method: head.method.to_owned(),
            status: 0,
            fields: head.fields.iter().map(Field::of).collect(),
        }
    }

    fn of_response(head: &ResponseHead<'_>) -> Self {
        Self {
            version: head.version,
            first_line: head.to_string(),
            method: String::new(),
            status: head.status,
            fields: head.fields.iter().map(Field::of).collect(),
        }
    }

    /// Returns the names and values on the wire, as the rules read them.
    pub(super) fn pairs(&self) -> Vec<(&str, &[u8])> {
        self.fields.iter().map(|field| (&*field.name, &*field.value)).collect()
    }

    /// Returns the value of a field on the wire.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.map(|field| &*field.value)
    }
}

impl Field {
    fn of(field: &HeadField<'_>) -> Self {
        Self {
            name: field.name.to_owned(),
            value: field.value.to_vec(),
            shown: shown_value(field.name, field.value, field.is_sensitive),
        }
    }
}

/// The facts of one attempt.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) since: Instant,
    pub(super) all: Vec<TimedFact>,
}

impl Facts {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), all: Vec::new() }
    }

    /// Returns the last request to the server.
    pub(super) fn request(&self) -> Option<&Head> {
        self.all.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Request(head) => Some(head),
            _ => None,
        })
    }

    /// Returns the last response of the server, if one came after the last request.
    pub(super) fn response(&self) -> Option<&Head> {
        self.all.iter().rev().find_map(|(_, fact)| match fact {
            Fact::Request(_) => Some(None),
            Fact::Response(head) => Some(Some(head)),
            _ => None,
        })?
    }

    /// Returns the proxy, if one was chosen.
    pub(super) fn proxy(&self) -> Option<&str> {
        self.all.iter().find_map(|(_, fact)| match fact {
            Fact::Proxy(proxy) => Some(&**proxy),
            _ => None,
        })
    }

    /// Returns what is being waited for, in words.
    pub(super) fn awaited(&self, is_secure: bool) -> &'static str {
        let has_tunnel = self.all.iter().any(|(_, fact)| matches!(fact, Fact::Tunnel(_)));
        let after_transport = if is_secure { "the TLS handshake" } else { "the response" };
        match self.all.last().map(|(_, fact)| fact) {
            None => "the address, or a connection",
            Some(Fact::Proxy(_)) => "a connection to the proxy",
            Some(Fact::Resolved { .. } | Fact::AddressFailed { .. }) => "a connection",
            Some(Fact::Connected { .. } | Fact::ProxyRequest(_) | Fact::ProxyResponse(_))
                if self.proxy().is_some() && !has_tunnel =>
            {
                "the proxy"
            }
            Some(
                Fact::Connected { .. }
                | Fact::Tunnel(_)
                | Fact::Quic(_)
                | Fact::ProxyRequest(_)
                | Fact::ProxyResponse(_),
            ) => after_transport,
            Some(Fact::Tls(_) | Fact::CertificateRejected { .. } | Fact::Request(_)) => {
                "the response"
            }
            Some(Fact::Response(_)) => "the rest of the response",
        }
    }
}
