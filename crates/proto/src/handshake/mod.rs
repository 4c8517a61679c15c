//! The opening handshake (RFC 6455 §4), both roles, over any version of HTTP.
//!
//! The rules in [`server`] and [`client`] deal with methods, status codes and header fields, not
//! with bytes. They serve HTTP/1.1 (RFC 6455) and the extended CONNECT of HTTP/2 (RFC 8441) and
//! HTTP/3 (RFC 9220), and read fields from any [`HeaderSource`]. For HTTP/1.1, [`http1`] parses
//! and writes heads.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. The caller enforces deadlines,
//! and keeps the bytes after a head: they are the first frames.
//!
//! # Driving a server
//!
//! 1. Read into a buffer. After each read, pass the whole buffer to [`http1::HeadFinder::find`].
//! 2. Once that returns the length of the head, parse it with [`http1::RequestHead::parse`].
//! 3. Separate WebSocket requests from ordinary HTTP with
//!    [`server::HandshakeRequest::is_websocket`].
//! 4. Check every rule with [`server::HandshakeRequest::offer`]. Decide about the origin, host and
//!    target of the offer. [`server::HandshakeRequest::inspect`] does steps 3 and 4 in one pass
//!    over the fields, and [`server::OwnedOffer`] keeps what a later response needs.
//! 5. Call [`server::ClientOffer::accept`] or [`reject`](server::ClientOffer::reject), and write
//!    the response.
//! 6. After an [`server::AcceptResponse`] the connection is open. What follows the head is frames.
//!
//! # Driving a client
//!
//! 1. Make a [`client::ClientHandshake`], and write its request. Header fields of the user may be
//!    added, except those that [are protected](is_protected).
//! 2. Read into a buffer until [`http1::HeadFinder::find`] returns the length of the head.
//! 3. Parse it with [`http1::ResponseHead::parse`]. While its status
//!    [is interim](client::is_interim), drop it and find the next one.
//! 4. Call [`client::ClientHandshake::check`], which returns what was negotiated. What follows the
//!    head is frames.
//!
//! On HTTP/2 and HTTP/3 the steps are the same, but without [`http1`]. The server makes a
//! [`server::HandshakeRequest`] with [`server::HttpCarrier::Stream`], the client a
//! [`client::ClientHandshake::extended`].
//!
//! # Example
//!
//! Both sides, without the network:
//!
//! ```
//! use fullduplex_proto::handshake::client::ClientHandshake;
//! use fullduplex_proto::handshake::http1::{
//!     HeadFinder, HeadLimits, RequestHead, ResponseHead, write_request, write_response,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = HeadLimits::default();
//!
//! // The client sends a request. In a real client the 16 bytes are random.
//! let handshake = ClientHandshake::http1("example.com", *b"the sample nonce")?;
//! let handshake = handshake.with_subprotocol("chat")?;
//! let sent = write_request(handshake.method(), "/room", handshake.headers())?;
//!
//! // The server responds.
//! let length = HeadFinder::request(limits).find(&sent)?.expect("the head is complete");
//! let head = RequestHead::parse(&sent[..length], &limits)?;
//! let request = head.as_request();
//! let sent = match request.offer() {
//!     Ok(offer) => {
//!         let subprotocol = offer.client_choice(&["superchat", "chat"]);
//!         let response = offer.accept(subprotocol, Vec::new())?;
//!         write_response(response.status(), response.reason_phrase(), response.headers())?
//!     }
//!     Err(rejection) => {
//!         write_response(rejection.status(), rejection.reason_phrase(), rejection.headers())?
//!     }
//! };
//!
//! // The client checks the response.
//! let length = HeadFinder::response(limits).find(&sent)?.expect("the head is complete");
//! let head = ResponseHead::parse(&sent[..length], &limits)?;
//! let negotiated = handshake.check(head.status(), head.fields())?;
//! assert_eq!(negotiated.subprotocol.as_deref(), Some("chat"));
//! # Ok(())
//! # }
//! ```

mod authority;
pub mod client;
mod extension;
mod grammar;
mod headers;
pub mod http1;
mod key;
pub mod rules;
pub mod server;

pub use extension::{
    Extension, ExtensionError, ExtensionFault, MAX_EXTENSIONS, MAX_PARAMS, NotToken, Param,
    parse_extensions,
};
pub use grammar::{is_token, list, list_contains};
pub use headers::{HeaderSource, is_protected};
pub use key::{AcceptValue, InvalidKey, SecKey};
