//! Masking (RFC 6455 §5.3): XOR of the payload with a repeated four-byte key.

use core::fmt::Debug;

/// Where a client's masking keys come from.
///
/// The core owns no source of entropy, so the caller gives one. §5.3 and §10.3 ask
/// for a fresh key for every frame, which a page or proxy can't foresee: back this
/// with a cryptographically secure generator. It is asked once a frame.
pub trait MaskSource: Debug + Send {
    /// The key of the next frame.
    fn next_key(&mut self) -> [u8; 4];
}

/// How many bytes the inner loop handles at once; the compiler turns it into a few
/// vector operations.
const LANE: usize = 32;

/// The key as it fits the byte that many bytes further on.
#[inline]
pub(crate) fn turned(key: [u8; 4], by: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (by % 4) as u32).to_le_bytes()
}

/// XORs `data` with `key`, whose first byte is the one that falls on the first of `data`.
///
/// Masking and unmasking are the same operation. Returns the key turned so that it
/// fits the byte which follows `data`.
///
/// ```
/// # use fullduplex_proto::mask::apply;
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut data = *b"Hello"; // §5.7
/// apply(&mut data, key);
/// assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[inline]
pub fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let mut wide = [0; LANE];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = key[i % 4];
    }
    let turned = turned(key, data.len());
    let (lanes, rest) = data.as_chunks_mut::<LANE>();
    for lane in lanes {
        for (byte, k) in lane.iter_mut().zip(wide) {
            *byte ^= k;
        }
    }
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, k) in rest.iter_mut().zip(key) {
        *byte ^= k;
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn mask_equals_the_formula_of_section_5_3(
            data in proptest::collection::vec(any::<u8>(), 0..300), key: [u8; 4], at in 0usize..300,
        ) {
            let expected: alloc::vec::Vec<u8> =
                data.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            let mut ours = data;
            let at = at.min(ours.len());
            let (a, b) = ours.split_at_mut(at);
            let turned = apply(a, key);
            apply(b, turned);
            prop_assert_eq!(ours, expected);
        }
    }
}
