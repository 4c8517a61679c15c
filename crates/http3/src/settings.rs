//! SETTINGS (RFC 9114 §7.2.4), and the limits of this end.

use std::time::Duration;

use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame_header::{self, FrameType};
use crate::receive_error::ReceiveError;
use crate::varint;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
/// RFC 9220 §3.
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;

/// What this end allows its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    /// The most bytes of a head: names and values, and 32 for each field (RFC 9114 §4.2.2).
    /// The peer is told. Default: 16 KiB.
    pub max_field_section_size: u64,
    /// The most fields of a head, the pseudo-header fields among them. Default: 100.
    pub max_fields: usize,
    /// Whether a server takes the extended CONNECT (RFC 9220 §3). Clients don't send it.
    /// Default: no.
    pub enable_connect_protocol: bool,
    /// How long the head of a request may take to come, once its stream is open. For
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
    pub(crate) fn check_section_size(&self, size: u64) -> Result<(), ReceiveError> {
        let most = self.max_field_section_size;
        if size > most {
            return Err(ReceiveError::Limit { setting: "max_field_section_size", most });
        }
        Ok(())
    }

    /// The frame.
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

/// What the peer allows this end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerSettings {
    /// The largest head that it takes; `None` if it does not say.
    pub max_field_section_size: Option<u64>,
    /// Whether it takes the extended CONNECT (RFC 9220 §3).
    pub enable_connect_protocol: bool,
}

impl PeerSettings {
    /// Takes the payload of the frame apart. What is unknown is of no matter.
    pub fn decode(mut payload: &[u8]) -> Result<Self, RuleViolation> {
        let wrong = |why| Err(RuleViolation::connection(ErrorCode::SETTINGS_ERROR, why));
        let mut settings = Self::default();
        let mut seen = Vec::new();
        while !payload.is_empty() {
            let (Some(identifier), Some(value)) = (take(&mut payload), take(&mut payload)) else {
                let why = "SETTINGS end within a setting (RFC 9114 §7.1)";
                return Err(RuleViolation::connection(ErrorCode::FRAME_ERROR, why));
            };
            seen.push(identifier);
            match identifier {
                // What these were in HTTP/2.
                0x00 | 0x02..=0x05 => return wrong("a setting of HTTP/2 (RFC 9114 §7.2.4.1)"),
                MAX_FIELD_SECTION_SIZE => settings.max_field_section_size = Some(value),
                ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return wrong("SETTINGS_ENABLE_CONNECT_PROTOCOL is 0 or 1 (RFC 8441 §3)");
                }
                ENABLE_CONNECT_PROTOCOL => settings.enable_connect_protocol = value == 1,
                _ => {}
            }
        }
        seen.sort_unstable();
        if seen.windows(2).any(|pair| pair[0] == pair[1]) {
            return wrong("a setting stands twice (RFC 9114 §7.2.4)");
        }
        Ok(settings)
    }
}

fn take(input: &mut &[u8]) -> Option<u64> {
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
            let ours = LocalSettings { enable_connect_protocol, ..LocalSettings::default() };
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
            let fault = PeerSettings::decode(payload).unwrap_err();
            assert_eq!((fault.code, fault.is_of_connection), (code, true), "{payload:?}");
        }
        // Unknown and reserved ones, QPACK's, and none at all.
        let known = PeerSettings::decode(&[0x21, 5, 0x01, 0x40, 0x64, 0x07, 16]).unwrap();
        assert_eq!(known, PeerSettings::default());
        assert_eq!(PeerSettings::decode(&[]).unwrap(), PeerSettings::default());
    }
}
