//! What the two ends agree on (RFC 7692 §5, §7.1).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::{DeflateConfig, MAX_WINDOW_BITS, MIN_WINDOW_BITS};
use crate::frame::Role;
use crate::handshake::Extension;

const NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

/// permessage-deflate as it was agreed on for one connection, and the settings of this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMessageDeflate {
    pub(crate) params: DeflateParams,
    pub(crate) config: DeflateConfig,
}

impl PerMessageDeflate {
    /// What both ends hold to.
    pub fn params(&self) -> DeflateParams {
        self.params
    }
}

/// The parameters that were agreed on (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeflateParams {
    /// The server compresses each message by itself.
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself.
    pub client_no_context_takeover: bool,
    /// How far back the server may refer, as a power of two, 8 to 15. It may use less than
    /// this: see [`send_window_bits`](DeflateConfig::send_window_bits).
    pub server_max_window_bits: u8,
    /// How far back the client may refer, as a power of two, 8 to 15.
    pub client_max_window_bits: u8,
}

impl DeflateParams {
    /// Whether the end with this role may refer to earlier messages, and how far back.
    #[cfg_attr(not(feature = "deflate"), expect(dead_code))]
    pub(crate) fn of_sender(self, role: Role) -> (bool, u8) {
        match role {
            Role::Server => (!self.server_no_context_takeover, self.server_max_window_bits),
            Role::Client => (!self.client_no_context_takeover, self.client_max_window_bits),
        }
    }
}

/// As it would stand in a response.
impl fmt::Display for DeflateParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
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
    /// A client's offers, the one it likes best first.
    pub fn offers(&self) -> Vec<Extension> {
        let config = self.clamped();
        let mut offer = ParsedParams {
            server_no_takeover: !config.receive_context_takeover,
            client_no_takeover: !config.send_context_takeover,
            server_bits: small(config.receive_window_bits),
            // Also bare it says that a limit is understood (§7.1.2.2).
            client_bits: Some(small(config.send_window_bits)),
        };
        let mut offers = Vec::from([offer.to_extension()]);
        if offer.server_bits.take().is_some() {
            // For a server that can't limit its window; ours is as large as it takes.
            offers.push(offer.to_extension());
        }
        offers
    }

    /// A server's choice among the client's offers, the first that can be accepted, with
    /// the response; `None` if there is none.
    ///
    /// A window smaller than the client asks for needs no word: what is compressed with it can
    /// be read with a larger one. So `server_max_window_bits` answers an offer of it, and is
    /// else left out, as some clients fail on it (RFC 7692 §7.1.2.1 would allow it).
    pub fn accept(&self, offers: &[Extension]) -> Option<(Extension, PerMessageDeflate)> {
        let config = self.clamped();
        let mut offers = offers.iter().filter(|offer| offer.name() == NAME);
        // §7: an offer with anything wrong in it is declined, and the next one looked at.
        // All others can be served, whatever the window.
        let offer = offers.find_map(|offer| ParsedParams::parse(offer).ok())?;
        let client_bits = offer
            .client_bits
            .map(|hint| hint.unwrap_or(MAX_WINDOW_BITS).min(config.receive_window_bits));
        let answer = ParsedParams {
            server_no_takeover: offer.server_no_takeover || !config.send_context_takeover,
            client_no_takeover: offer.client_no_takeover || !config.receive_context_takeover,
            server_bits: offer.server_bits.map(|bits| bits.min(config.send_window_bits)),
            // §7.1.2.2: only a client that says so can be limited.
            client_bits: client_bits.and_then(small).map(Some),
        };
        let deflate = PerMessageDeflate { params: answer.agreed(), config };
        Some((answer.to_extension(), deflate))
    }

    /// A client's check of the response to its [`offers`](Self::offers); `None` if the
    /// server declined. The connection is to be failed on an error.
    pub fn check(&self, response: &[Extension]) -> Result<Option<PerMessageDeflate>, DeflateError> {
        let config = self.clamped();
        let mut answers = response.iter().filter(|extension| extension.name() == NAME);
        let Some(answer) = answers.next() else { return Ok(None) };
        if answers.next().is_some() {
            return Err(DeflateError::Twice);
        }
        let answer = ParsedParams::parse(answer)?;
        if answer.client_bits == Some(None) {
            let name = CLIENT_BITS.into();
            return Err(DeflateError::BadValue { name, value: None });
        }
        // §7.1.1.1: to accept the offer is to repeat this. The rest of what was offered is
        // a hint, or stands in only one of the offers.
        if !config.receive_context_takeover && !answer.server_no_takeover {
            return Err(DeflateError::Missing(SERVER_NO_TAKEOVER));
        }
        Ok(Some(PerMessageDeflate { params: answer.agreed(), config }))
    }
}

/// A window that is worth a parameter.
fn small(bits: u8) -> Option<u8> {
    (bits < MAX_WINDOW_BITS).then_some(bits)
}

/// The parameters of an offer or a response.
#[derive(Default)]
#[allow(clippy::option_option, reason = "absent, bare and with a value are three things")]
struct ParsedParams {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// An offer may have it without a value.
    client_bits: Option<Option<u8>>,
}

impl ParsedParams {
    fn parse(extension: &Extension) -> Result<Self, DeflateError> {
        let mut params = Self::default();
        for param in extension.params() {
            let (name, value) = (param.name(), param.value());
            let bad = || DeflateError::BadValue {
                name: name.to_string(),
                value: value.map(ToString::to_string),
            };
            let seen = match (name, value) {
                (SERVER_NO_TAKEOVER, None) => {
                    core::mem::replace(&mut params.server_no_takeover, true)
                }
                (CLIENT_NO_TAKEOVER, None) => {
                    core::mem::replace(&mut params.client_no_takeover, true)
                }
                (SERVER_BITS, Some(bits)) => {
                    params.server_bits.replace(window_bits(bits).ok_or_else(bad)?).is_some()
                }
                (CLIENT_BITS, bits) => {
                    let bits = bits.map(|bits| window_bits(bits).ok_or_else(bad)).transpose()?;
                    params.client_bits.replace(bits).is_some()
                }
                (SERVER_NO_TAKEOVER | CLIENT_NO_TAKEOVER | SERVER_BITS, _) => return Err(bad()),
                _ => return Err(DeflateError::Unknown(name.to_string())),
            };
            if seen {
                return Err(DeflateError::Duplicate(name.to_string()));
            }
        }
        Ok(params)
    }

    fn to_extension(&self) -> Extension {
        let mut extension = Extension::new(NAME).expect("a token");
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

    /// What a response with these parameters means.
    fn agreed(&self) -> DeflateParams {
        DeflateParams {
            server_no_context_takeover: self.server_no_takeover,
            client_no_context_takeover: self.client_no_takeover,
            server_max_window_bits: self.server_bits.unwrap_or(MAX_WINDOW_BITS),
            client_max_window_bits: self.client_bits.flatten().unwrap_or(MAX_WINDOW_BITS),
        }
    }
}

/// A decimal integer without leading zeroes between 8 and 15 (§7.1.2.1).
fn window_bits(value: &str) -> Option<u8> {
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    let bits = value.parse().ok().filter(|_| plain)?;
    (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).contains(&bits).then_some(bits)
}

/// What is wrong with a server's response to an offer of permessage-deflate.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeflateError {
    /// A parameter that RFC 7692 does not define.
    Unknown(String),
    /// A parameter that stands twice.
    Duplicate(String),
    /// A parameter with a value that it can't have.
    BadValue {
        /// The parameter.
        name: String,
        /// The value, if it has one.
        value: Option<String>,
    },
    /// A parameter of the offer that is not in the response.
    Missing(&'static str),
    /// Two responses.
    Twice,
}

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's answer to permessage-deflate ")?;
        match self {
            Self::Unknown(name) => write!(f, "has an unknown parameter {name} (RFC 7692 §7)"),
            Self::Duplicate(name) => write!(f, "has {name} twice (RFC 7692 §7)"),
            Self::BadValue { name, value: Some(value) } => {
                write!(f, "has a bad value {name}={value} (RFC 7692 §7.1)")
            }
            Self::BadValue { name, value: None } => {
                write!(f, "has {name} without its value (RFC 7692 §7.1)")
            }
            Self::Missing(name) => {
                write!(
                    f,
                    "accepts an offer with {name}, and does not repeat it (RFC 7692 §7.1.1.1)"
                )
            }
            Self::Twice => f.write_str("stands there twice (RFC 7692 §5.2)"),
        }
    }
}

impl core::error::Error for DeflateError {}
