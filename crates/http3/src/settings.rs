//! The settings of both ends (RFC 9114 §7.2.4), and the limits of this end.

use std::time::Duration;

use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame_header::{self, FrameType};
use crate::receive_error::ReceiveError;
use crate::varint;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
/// RFC 9220 §3.
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;

/// The settings of this end: what it allows its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalSettings {
    /// The maximum size of a head in bytes: names and values, and 32 for each field
    /// (RFC 9114 §4.2.2). It is sent to the peer. Default: 16 KiB.
    pub max_field_section_size: u64,
    /// The maximum number of fields in a head, including pseudo-header fields. Default: 100.
    pub max_fields: usize,
    /// Whether a server accepts the extended CONNECT (RFC 9220 §3). Clients do not send this
    /// setting. Default: `false`.
    pub enable_connect_protocol: bool,
    /// The time within which the head of a request must arrive once its stream is open. Applies to
    /// servers. Default: 10 s.
    pub head_timeout: Duration,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            max_field_section_size: 16 << 10,
            max_fields: 100,
            enable_connect_protocol: false,
            head_timeout: Duration::from_secs(10),
        }
    }
}

impl LocalSettings {
    /// Sets [`max_field_section_size`](Self#structfield.max_field_section_size), in bytes.
    #[must_use]
    pub const fn max_field_section_size(mut self, bytes: u64) -> Self {
        self.max_field_section_size = bytes;
        self
    }

    /// Sets [`max_fields`](Self#structfield.max_fields).
    #[must_use]
    pub const fn max_fields(mut self, count: usize) -> Self {
        self.max_fields = count;
        self
    }

    /// Sets [`enable_connect_protocol`](Self#structfield.enable_connect_protocol).
    #[must_use]
    pub const fn enable_connect_protocol(mut self, enable: bool) -> Self {
        self.enable_connect_protocol = enable;
        self
    }

    /// Sets [`head_timeout`](Self#structfield.head_timeout).
    #[must_use]
    pub const fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    pub(crate) fn check_section_size(&self, size: u64) -> Result<(), ReceiveError> {
        let max = self.max_field_section_size;
        if size > max {
            return Err(ReceiveError::Limit { setting: "max_field_section_size", max });
        }
        Ok(())
    }

    /// Appends the SETTINGS frame.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::new();
        varint::encode(MAX_FIELD_SECTION_SIZE, &mut payload);
        varint::encode(self.max_field_section_size, &mut payload);
        if self.enable_connect_protocol {
            varint::encode(ENABLE_CONNECT_PROTOCOL, &mut payload);
            varint::encode(1, &mut payload);
        }
        frame_header::encode_header(FrameType::SETTINGS, payload.len() as u64, out);
        out.extend(payload);
    }
}

/// The settings of the peer: what it allows this end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerSettings {
    /// The maximum size of a head in bytes. `None` if the peer sets no limit.
    pub max_field_section_size: Option<u64>,
    /// Whether the peer accepts the extended CONNECT (RFC 9220 §3).
    pub enable_connect_protocol: bool,
}

impl PeerSettings {
    /// Parses the payload of a SETTINGS frame. Unknown settings are ignored.
    ///
    /// # Errors
    /// If a setting is invalid, incomplete or repeated.
    pub fn decode(mut payload: &[u8]) -> Result<Self, RuleViolation> {
        let settings_error =
            |reason| Err(RuleViolation::connection_error(ErrorCode::SETTINGS_ERROR, reason));
        let mut settings = Self::default();
        let mut seen = Vec::new();
        while !payload.is_empty() {
            let (Some(identifier), Some(value)) =
                (take_integer(&mut payload), take_integer(&mut payload))
            else {
                let reason = "SETTINGS ends within a setting (RFC 9114 §7.1)";
                return Err(RuleViolation::connection_error(ErrorCode::FRAME_ERROR, reason));
            };
            seen.push(identifier);
            match identifier {
                // These identifiers belong to settings of HTTP/2.
                0x00 | 0x02..=0x05 => {
                    return settings_error("a setting of HTTP/2 (RFC 9114 §7.2.4.1)");
                }
                MAX_FIELD_SECTION_SIZE => settings.max_field_section_size = Some(value),
                ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return settings_error(
                        "SETTINGS_ENABLE_CONNECT_PROTOCOL is not 0 or 1 (RFC 8441 §3)",
                    );
                }
                ENABLE_CONNECT_PROTOCOL => settings.enable_connect_protocol = value == 1,
                _ => {}
            }
        }
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return settings_error("a setting is repeated (RFC 9114 §7.2.4)");
        }
        Ok(settings)
    }
}

/// Decodes an integer and removes it from the input.
fn take_integer(input: &mut &[u8]) -> Option<u64> {
    let (value, length) = varint::decode(input)?;
    *input = &input[length..];
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back() {
        for enable_connect_protocol in [false, true] {
            let ours = LocalSettings::default().enable_connect_protocol(enable_connect_protocol);
            let mut out = Vec::new();
            ours.encode(&mut out);
            assert_eq!((out[0], usize::from(out[1])), (0x04, out.len() - 2));
            let theirs = PeerSettings::decode(&out[2..]).unwrap();
            let max_field_section_size = Some(16 << 10);
            assert_eq!(theirs, PeerSettings { max_field_section_size, enable_connect_protocol });
        }
    }

    #[test]
    fn settings_faults_have_their_code() {
        for (payload, code) in [
            (&[0x08, 2][..], ErrorCode::SETTINGS_ERROR),
            (&[0x02, 0], ErrorCode::SETTINGS_ERROR),
            (&[0x00, 0], ErrorCode::SETTINGS_ERROR),
            (&[0x08, 1, 0x08, 1], ErrorCode::SETTINGS_ERROR),
            (&[0x21, 1, 0x06, 1, 0x21, 1], ErrorCode::SETTINGS_ERROR),
            (&[0x08], ErrorCode::FRAME_ERROR),
            (&[0x40], ErrorCode::FRAME_ERROR),
            (&[0x08, 0x40], ErrorCode::FRAME_ERROR),
        ] {
            let violation = PeerSettings::decode(payload).unwrap_err();
            assert_eq!(
                (violation.code, violation.is_connection_error),
                (code, true),
                "{payload:?}"
            );
        }
        // Unknown and reserved settings, those of QPACK, and no settings.
        let known = PeerSettings::decode(&[0x21, 5, 0x01, 0x40, 0x64, 0x07, 16]).unwrap();
        assert_eq!(known, PeerSettings::default());
        assert_eq!(PeerSettings::decode(&[]).unwrap(), PeerSettings::default());
    }
}
