//! The opening handshake (RFC 6455 §4), both roles, over any version of HTTP.
//!
//! The rules in [`server`] and [`client`] know methods, status codes and header fields, but no
//! bytes: they serve HTTP/1.1 (RFC 6455) and the extended CONNECT of HTTP/2 (RFC 8441) and HTTP/3
//! (RFC 9220) alike, and read fields from anything that is a [`HeaderSource`]. For HTTP/1.1,
//! [`http1`] turns bytes into heads and back.
//!
//! Nothing here reads or writes, tells the time or draws random numbers. Deadlines are the
//! caller's, and so are the bytes behind a head: they are the first frames.
//!
//! # Driving a server
//!
//! 1. Read into a buffer; after each read give all of it to [`http1::HeadFinder::find`].
//! 2. Once that tells the length, read the head by [`http1::RequestHead::parse`].
//! 3. [`server::HandshakeRequest::is_websocket`] parts WebSocket requests from plain HTTP.
//! 4. [`server::HandshakeRequest::offer`] checks every rule. Look at the offer's origin, host, target.
//!    [`server::HandshakeRequest::judge`] does both by one look, and [`server::OwnedOffer`] keep what is needed
//!    to answer later.
//! 5. [`server::ClientOffer::accept`] or [`refuse`](server::ClientOffer::refuse), and write the answer.
//! 6. After an acceptance the connection is open; what follows the head is frames.
//!
//! # Driving a client
//!
//! 1. Make a [`client::ClientHandshake`], and write its request with the user's header fields, but none
//!    that [is protected](is_protected).
//! 2. Read into a buffer until [`http1::HeadFinder::find`] tells the length of the head.
//! 3. Read it by [`http1::ResponseHead::parse`]; drop it and look for the next one while its
//!    status [is interim](client::is_interim).
//! 4. [`client::ClientHandshake::check`] gives what was agreed on. What follows the head is frames.
//!
//! On HTTP/2 and HTTP/3 the same steps go without [`http1`]: the server makes a
//! [`server::HandshakeRequest`] with [`server::HttpCarrier::Stream`], the client [`client::ClientHandshake::extended`].
//!
//! # Example
//!
//! Both sides, with the network left out:
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
//! // The client asks. In earnest the 16 bytes are random.
//! let opening = ClientHandshake::http1("example.com", *b"the sample nonce")?.with_subprotocol("chat")?;
//! let sent = write_request(opening.method(), "/room", opening.headers())?;
//!
//! // The server answers.
//! let length = HeadFinder::request(limits).find(&sent)?.expect("all of it has come");
//! let head = RequestHead::parse(&sent[..length], &limits)?;
//! let request = head.as_request();
//! let answer = match request.offer() {
//!     Ok(offer) => {
//!         let subprotocol = offer.client_choice(&["superchat", "chat"]);
//!         let acceptance = offer.accept(subprotocol, Vec::new())?;
//!         write_response(acceptance.status(), acceptance.phrase(), acceptance.headers())?
//!     }
//!     Err(refusal) => write_response(refusal.status(), refusal.phrase(), refusal.headers())?,
//! };
//!
//! // The client judges the answer.
//! let length = HeadFinder::response(limits).find(&answer)?.expect("all of it has come");
//! let head = ResponseHead::parse(&answer[..length], &limits)?;
//! let agreement = opening.check(head.status(), head.fields())?;
//! assert_eq!(agreement.subprotocol.as_deref(), Some("chat"));
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
pub mod server;

pub use extension::{
    Extension, ExtensionError, ExtensionFault, MAX_EXTENSIONS, MAX_PARAMS, NotToken, Param,
    parse_extensions,
};
pub use grammar::{is_token, list, list_contains};
pub use headers::{HeaderSource, is_protected};
pub use key::{AcceptValue, InvalidKey, SecKey};
