//! Incremental UTF-8 validation (RFC 6455 §8.1). Text is checked as it arrives, and rejected at
//! the first byte that can't be part of it, not at the end of the message.

/// A validator of UTF-8 text that arrives in pieces.
///
/// It keeps at most three bytes: the start of a character that continues in the next piece.
///
/// ```
/// use fullduplex_proto::utf8::Utf8Validator;
///
/// let mut text = Utf8Validator::default();
/// let (start, end) = "é".as_bytes().split_at(1);
/// assert!(text.push(start).is_ok() && !text.is_complete());
/// assert!(text.push(end).is_ok() && text.is_complete());
/// assert!(text.push(b"\xff").is_err());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Validator {
    partial: [u8; 4],
    len: u8,
}

/// The error of text that is not UTF-8, whatever may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl Utf8Validator {
    /// Checks the next piece of the text.
    ///
    /// # Errors
    /// [`InvalidUtf8`] if the pieces so far can't be the beginning of a valid text. The validator
    /// is then of no further use.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.len == 0 { piece } else { self.finish_partial(piece)? };
        // The basic flavour is faster, but does not report where it fails; the other one does.
        if simdutf8::basic::from_utf8(rest).is_ok() { Ok(()) } else { self.keep_partial(rest) }
    }

    /// Returns whether the text may end here, which is so unless its last character is incomplete.
    #[inline]
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Completes the incomplete character from `piece`, and returns what follows it.
    fn finish_partial<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        for (i, &byte) in piece.iter().enumerate() {
            self.partial[usize::from(self.len)] = byte;
            self.len += 1;
            match core::str::from_utf8(&self.partial[..usize::from(self.len)]) {
                Ok(_) => {
                    self.len = 0;
                    return Ok(&piece[i + 1..]);
                }
                Err(e) if e.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => {}
            }
        }
        Ok(&[])
    }

    /// Handles `bytes` that are not complete text: they are invalid, or the last character is
    /// incomplete and its bytes are kept.
    #[cold]
    fn keep_partial(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        match simdutf8::compat::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(e) if e.error_len().is_some() => Err(InvalidUtf8),
            Err(e) => {
                let partial = &bytes[e.valid_up_to()..];
                self.partial[..partial.len()].copy_from_slice(partial);
                self.len = partial.len() as u8;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Returns how many bytes could be pushed one by one, and whether the text was complete.
    fn by_bytes(bytes: &[u8]) -> (usize, bool) {
        let mut v = Utf8Validator::default();
        let good = bytes.iter().take_while(|b| v.push(&[**b]).is_ok()).count();
        (good, good == bytes.len() && v.is_complete())
    }

    /// Returns the position of the first byte that no valid text could have, found by trying
    /// every prefix.
    fn oracle(bytes: &[u8]) -> (usize, bool) {
        match core::str::from_utf8(bytes) {
            Ok(_) => (bytes.len(), true),
            Err(e) if e.error_len().is_none() => (bytes.len(), false),
            Err(_) => {
                let viable = |n: usize| match core::str::from_utf8(&bytes[..n]) {
                    Ok(_) => true,
                    Err(e) => e.error_len().is_none(),
                };
                ((0..bytes.len()).take_while(|n| viable(n + 1)).count(), false)
            }
        }
    }

    fn mostly_text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => any::<char>().prop_map(|c| Vec::from(alloc::format!("{c}"))),
            1 => proptest::collection::vec(any::<u8>(), 1..3),
            1 => prop_oneof![Just(0xED), Just(0xF4), Just(0xE0), Just(0xF0)]
                .prop_flat_map(|b: u8| (Just(b), any::<u8>()).prop_map(|(b, c)| Vec::from([b, c]))),
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|p| p.concat())
    }

    proptest! {
        #[test]
        fn utf8_fails_at_the_first_impossible_byte(bytes in mostly_text()) {
            prop_assert_eq!(by_bytes(&bytes), oracle(&bytes));
        }

        #[test]
        fn utf8_does_not_depend_on_the_pieces(
            bytes in mostly_text(),
            cut in any::<prop::sample::Index>(),
        ) {
            let (a, b) = bytes.split_at(cut.index(bytes.len() + 1));
            let mut v = Utf8Validator::default();
            let valid = v.push(a).and_then(|()| v.push(b)).is_ok() && v.is_complete();
            prop_assert_eq!(valid, core::str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn utf8_is_rejected_early() {
        for (text, good) in [(&b"\xF4\x90"[..], 1), (b"\xED\xA0", 1), (b"\xC0", 0), (b"a\x80", 1)] {
            assert_eq!(by_bytes(text), (good, false), "{text:x?}");
        }
    }
}
