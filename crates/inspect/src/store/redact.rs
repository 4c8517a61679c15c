//! Rows without secrets.

use super::row::{Row, RowKind};
use crate::redaction::Redaction;

impl Row {
    /// Hides the secrets of the payload of a frame, also of a control frame. A store does it if its
    /// [`StoreConfig`](super::StoreConfig) says so.
    pub fn redact(&mut self, redaction: &Redaction) {
        let RowKind::Frame { shown, retention, .. } = &mut self.kind else { return };
        *retention = redaction.apply_to_frame(&mut shown.frame);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fullduplex_proto::Role;

    use super::super::{Handling, Retention};
    use super::*;
    use crate::{Conversation, Decoder};

    fn rows(bytes: &[u8]) -> Vec<Row> {
        let mut rows = Vec::new();
        Conversation::new().push(Role::Server, bytes, Duration::ZERO, |frame| {
            let mut row = Row::frame(1, frame, Handling::Passed);
            row.redact(&Redaction::default());
            rows.push(row);
        });
        rows
    }

    #[test]
    fn redaction_leaves_no_other_copy_of_a_payload() {
        let payload = br#"{"token":"SECRET"}"#;
        let mut whole = vec![0x81, 18];
        whole.extend(payload);
        let mut parts = vec![0x01, 10];
        parts.extend(&payload[..10]);
        parts.extend([0x80, 8]);
        parts.extend(&payload[10..]);
        for (bytes, frames) in [(whole, 1), (parts, 2)] {
            let rows = rows(&bytes);
            assert_eq!(rows.len(), frames);
            assert_eq!(rows.last().unwrap().payload(), br#"{"token":"***"}"#);
            assert!(!format!("{rows:?}").contains("SECRET"), "{rows:?}");
        }
        let rows = rows(b"\x82\x02\xff\xfe\x88\x04\x03\xe8ok");
        assert!(rows[0].payload().is_empty() && rows[0].payload_len() == 2);
        let RowKind::Frame { retention, .. } = rows[0].kind else { panic!("{rows:?}") };
        assert_eq!(retention, Retention::Withheld);
        assert_eq!(rows[1].payload(), b"\x03\xe8ok");
        let closed = self::rows(b"\x88\x13\x03\xe8{\"token\":\"SECRET\"");
        assert_eq!(closed[0].payload(), b"\x03\xe8{\"token\":\"***\"");
        let mut cut = Decoder::new(Role::Server);
        cut.push(b"\x81\x7e\x01\x00{\"token\":\"SEC", Duration::ZERO, |_| {});
        assert!(cut.finish().is_some());
    }
}
