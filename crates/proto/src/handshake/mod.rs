//! The opening handshake (RFC 6455 §4), for HTTP/1.1 and, by the same rules, for
//! extended CONNECT over HTTP/2 (RFC 8441) and HTTP/3 (RFC 9220).
//!
//! * A **server** finds the end of the request's head with [`http1::HeadFinder`], parses
//!   it with [`http1::parse_request`], asks [`server::is_websocket`] whether it is meant
//!   for it, and holds it against the rules with [`server::check`]. The [`server::Offer`]
//!   makes the answer; a [`server::Refusal`] knows its status and headers.
//! * A **client** makes a [`client::Request`], sends its headers, and holds the response
//!   against it with [`client::Request::check`].
//!
//! Header fields come through [`HeaderSource`], so that the rules serve any HTTP library.
//!
//! ```
//! use fullduplex_proto::handshake::{client, http1, server, SecKey};
//!
//! let request = client::Request::new(SecKey::from_nonce([7; 16])).protocols(["chat"]);
//! let mut fields = vec![("Host".to_string(), "example.com".to_string())];
//! fields.extend(request.headers());
//! let head = http1::write_request("GET", "/", &fields)?;
//!
//! let parsed = http1::parse_request(&head, 100)?;
//! let offer = server::check(&parsed.line(), parsed.fields.as_slice())?;
//! assert_eq!(offer.protocols, ["chat"]);
//! let answer = offer.accept(Some("chat"), &[])?;
//! let head = http1::write_response(answer.status, &answer.headers)?;
//!
//! let parsed = http1::parse_response(&head, 100)?;
//! let agreed = request.check(parsed.status, parsed.fields.as_slice())?;
//! assert_eq!(agreed.protocol.as_deref(), Some("chat"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod client;
pub mod grammar;
mod headers;
pub mod http1;
mod key;
pub mod server;

pub use grammar::{Extension, Param};
pub use headers::HeaderSource;
pub use key::{InvalidKey, SecKey};

/// The one version of the protocol that this library speaks (§4.1, item 9).
pub const VERSION: &str = "13";
