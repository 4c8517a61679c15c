//! The negotiation of permessage-deflate (RFC 7692 §5, §7.1).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{DeflateConfig, MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use crate::frame::Role;
use crate::handshake::Extension;

const EXTENSION_NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// permessage-deflate as negotiated for one connection, and the settings of this end.
///
/// ```
/// use fullduplex_proto::DeflateConfig;
///
/// let config = DeflateConfig::default();
/// // What a client offers, a server accepts.
/// let (_answer, negotiated) = config.accept(&config.offers()).unwrap();
/// println!("{:?}", negotiated.params());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    pub(crate) params: DeflateParams,
    pub(crate) config: DeflateConfig,
}

impl PerMessageDeflate {
    /// Returns the negotiated parameters.
    pub fn params(&self) -> DeflateParams {
        self.params
    }
}

/// The negotiated parameters (RFC 7692 §7.1).
///
/// ```
/// use fullduplex_proto::DeflateParams;
///
/// /// The history that a server keeps of what it has sent, in bytes.
/// fn history(params: DeflateParams) -> usize {
///     if params.server_no_context_takeover { 0 } else { 1 << params.server_max_window_bits }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeflateParams {
    /// Whether messages of the server do not refer to earlier ones.
    pub server_no_context_takeover: bool,
    /// Whether messages of the client do not refer to earlier ones.
    pub client_no_context_takeover: bool,
    /// The maximum window of the server, as a power of two, from 8 to 15. The server may use a
    /// smaller one: see [`send_window_bits`](DeflateConfig::send_window_bits).
    pub server_max_window_bits: u8,
    /// The maximum window of the client, as a power of two, from 8 to 15.
    pub client_max_window_bits: u8,
}

impl DeflateParams {
    /// Returns whether the end with this role may refer to earlier messages, and its window.
    #[cfg_attr(not(feature = "deflate"), expect(dead_code))]
    pub(crate) fn for_sender(self, role: Role) -> (bool, u8) {
        match role {
            Role::Server => (!self.server_no_context_takeover, self.server_max_window_bits),
            Role::Client => (!self.client_no_context_takeover, self.client_max_window_bits),
        }
    }
}

/// Writes the parameters as in a response.
impl fmt::Display for DeflateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXTENSION_NAME)?;
        for (flag, name) in [
            (self.server_no_context_takeover, SERVER_NO_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_TAKEOVER),
        ] {
            if flag {
                write!(f, "; {name}")?;
            }
        }
        for (bits, name) in
            [(self.server_max_window_bits, SERVER_BITS), (self.client_max_window_bits, CLIENT_BITS)]
        {
            if bits < MAX_WINDOW_BITS {
                write!(f, "; {name}={bits}")?;
            }
        }
        Ok(())
    }
}

impl DeflateConfig {
    /// Returns the offers of a client, in its order of preference.
    pub fn offers(&self) -> Vec<Extension> {
        let config = self.checked();
        let mut offer = ParsedParams {
            server_no_takeover: !config.receive_context_takeover,
            client_no_takeover: !config.send_context_takeover,
            server_bits: below_max(config.receive_window_bits),
            // Without a value it says that this end supports a limit (§7.1.2.2).
            client_bits: Some(below_max(config.send_window_bits)),
        };
        let mut offers = Vec::from([offer.to_extension()]);
        if offer.server_bits.take().is_some() {
            // For a server that can't limit its window. This end can then decompress any window.
            offers.push(offer.to_extension());
        }
        offers
    }

    /// Accepts the first of the client's offers that a server can accept. Returns the extension
    /// for the response, and the negotiated parameters; `None` if there is no such offer.
    ///
    /// The response has `server_max_window_bits` only if the offer has it. RFC 7692 §7.1.2.1 allows
    /// it in any response, but some clients fail on it. It is not needed: a server may use a
    /// smaller window than negotiated, as a larger one can decompress it.
    pub fn accept(&self, offers: &[Extension]) -> Option<(Extension, PerMessageDeflate)> {
        let config = self.checked();
        let mut offers = offers.iter().filter(|offer| offer.name() == EXTENSION_NAME);
        // §7: an offer with an error is declined, and the next one is tried. All others can be
        // accepted, whatever the window.
        let offer = offers.find_map(|offer| ParsedParams::parse(offer).ok())?;
        let client_bits = offer
            .client_bits
            .map(|hint| hint.unwrap_or(MAX_WINDOW_BITS).min(config.receive_window_bits));
        let response = ParsedParams {
            server_no_takeover: offer.server_no_takeover || !config.send_context_takeover,
            client_no_takeover: offer.client_no_takeover || !config.receive_context_takeover,
            server_bits: offer.server_bits.map(|bits| bits.min(config.send_window_bits)),
            // §7.1.2.2: only a client that offers the parameter can be limited.
            client_bits: client_bits.and_then(below_max).map(Some),
        };
        let deflate = PerMessageDeflate { params: response.negotiated(), config };
        Some((response.to_extension(), deflate))
    }

    /// Checks the response to a client's [`offers`](Self::offers). Returns the negotiated
    /// parameters; `None` if the server declined.
    ///
    /// # Errors
    /// If the response is not valid. The client must fail the connection.
    pub fn check(&self, response: &[Extension]) -> Result<Option<PerMessageDeflate>, DeflateError> {
        let config = self.checked();
        let mut responses = response.iter().filter(|extension| extension.name() == EXTENSION_NAME);
        let Some(response) = responses.next() else { return Ok(None) };
        if responses.next().is_some() {
            return Err(DeflateError::MultipleResponses);
        }
        let response = ParsedParams::parse(response)?;
        if response.client_bits == Some(None) {
            let name = CLIENT_BITS.into();
            return Err(DeflateError::InvalidValue { name, value: None });
        }
        // §7.1.1.1: a server that accepts the offer repeats this parameter. The other parameters
        // are hints, or are in only one of the offers.
        if !config.receive_context_takeover && !response.server_no_takeover {
            return Err(DeflateError::MissingParam(SERVER_NO_TAKEOVER));
        }
        Ok(Some(PerMessageDeflate { params: response.negotiated(), config }))
    }
}

/// Returns a window that is smaller than the default, so that the parameter is needed.
fn below_max(bits: u8) -> Option<u8> {
    (bits < MAX_WINDOW_BITS).then_some(bits)
}

/// The parameters of an offer or a response.
#[derive(Default)]
#[allow(clippy::option_option, reason = "absent, without a value and with one are three cases")]
struct ParsedParams {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// An offer may have the parameter without a value.
    client_bits: Option<Option<u8>>,
}

impl ParsedParams {
    fn parse(extension: &Extension) -> Result<Self, DeflateError> {
        let mut params = Self::default();
        for param in extension.params() {
            let (name, value) = (param.name(), param.value());
            let invalid = || DeflateError::InvalidValue {
                name: name.to_string(),
                value: value.map(ToString::to_string),
            };
            let is_repeated = match (name, value) {
                (SERVER_NO_TAKEOVER, None) => {
                    core::mem::replace(&mut params.server_no_takeover, true)
                }
                (CLIENT_NO_TAKEOVER, None) => {
                    core::mem::replace(&mut params.client_no_takeover, true)
                }
                (SERVER_BITS, Some(bits)) => {
                    params.server_bits.replace(window_bits(bits).ok_or_else(invalid)?).is_some()
                }
                (CLIENT_BITS, bits) => {
                    let bits =
                        bits.map(|bits| window_bits(bits).ok_or_else(invalid)).transpose()?;
                    params.client_bits.replace(bits).is_some()
                }
                (SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER | SERVER_BITS, _) => return Err(invalid()),
                _ => return Err(DeflateError::UnknownParam(name.to_string())),
            };
            if is_repeated {
                return Err(DeflateError::DuplicateParam(name.to_string()));
            }
        }
        Ok(params)
    }

    fn to_extension(&self) -> Extension {
        let mut extension = Extension::new(EXTENSION_NAME).expect("a token");
        let mut add = |name, value: Option<u8>| {
            let value = value.map(|bits| bits.to_string());
            let with = extension.clone().with_param(name, value.as_deref());
            extension = with.expect("tokens");
        };
        if self.server_no_takeover {
            add(SERVER_NO_TAKEOVER, None);
        }
        if self.client_no_takeover {
            add(CLIENT_NO_TAKEOVER, None);
        }
        if self.server_bits.is_some() {
            add(SERVER_BITS, self.server_bits);
        }
        if let Some(bits) = self.client_bits {
            add(CLIENT_BITS, bits);
        }
        extension
    }

    /// Returns the parameters that a response with these values negotiates.
    fn negotiated(&self) -> DeflateParams {
        DeflateParams {
            server_no_context_takeover: self.server_no_takeover,
            client_no_context_takeover: self.client_no_takeover,
            server_max_window_bits: self.server_bits.unwrap_or(MAX_WINDOW_BITS),
            client_max_window_bits: self.client_bits.flatten().unwrap_or(MAX_WINDOW_BITS),
        }
    }
}

/// Parses a decimal integer between 8 and 15 without leading zeros (§7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    let is_decimal = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| is_decimal)?;
    (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

/// The error of a server's response to an offer of permessage-deflate (RFC 7692 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeflateError {
    /// The response has a parameter that RFC 7692 does not define.
    UnknownParam(String),
    /// The response has a parameter twice.
    DuplicateParam(String),
    /// A parameter has an invalid value, or none although it needs one.
    InvalidValue {
        /// The name of the parameter.
        name: String,
        /// The value, if the parameter has one.
        value: Option<String>,
    },
    /// A parameter of the accepted offer is not in the response.
    MissingParam(&'static str),
    /// The server accepted more than one offer.
    MultipleResponses,
}

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's response to permessage-deflate ")?;
        match self {
            Self::UnknownParam(name) => write!(f, "has an unknown parameter {name} (RFC 7692 §7)"),
            Self::DuplicateParam(name) => write!(f, "has {name} twice (RFC 7692 §7)"),
            Self::InvalidValue { name, value: Some(value) } => {
                write!(f, "has an invalid value {name}={value} (RFC 7692 §7.1)")
            }
            Self::InvalidValue { name, value: None } => {
                write!(f, "has {name} without a value (RFC 7692 §7.1)")
            }
            Self::MissingParam(name) => {
                write!(
                    f,
                    "accepts an offer with {name}, but does not repeat it (RFC 7692 §7.1.1.1)"
                )
            }
            Self::MultipleResponses => f.write_str("accepts several offers (RFC 7692 §5.2)"),
        }
    }
}

impl core::error::Error for DeflateError {}
