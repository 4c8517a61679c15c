//! Masking (RFC 6455 §5.3): XOR of the payload with a repeated four-byte key.

use alloc::vec::Vec;
use core::fmt::Debug;

/// The number of bytes that the inner loop handles at once. The compiler turns each step into a
/// few vector operations.
const LANE: usize = 32;

/// The length of a payload from which on it is masked in lanes.
const MIN_LANES: usize = 128;

/// The length of a payload from which on masking it from an aligned address on is faster.
const MIN_ALIGNED: usize = 4 << 10;

/// The number of bytes that the loop for long payloads handles at once.
const BLOCK: usize = 256;

/// A source of masking keys for a client.
///
/// The core has no source of entropy, so the caller supplies one. RFC 6455 §5.3 and §10.3
/// require a fresh key for every frame that a page or proxy can't predict: use a
/// cryptographically secure generator. It is called once per frame.
///
/// ```
/// use fullduplex_proto::mask::MaskSource;
///
/// /// Keys of the generator that the program has.
/// struct Keys<F>(F);
///
/// impl<F> core::fmt::Debug for Keys<F> {
///     fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
///         f.write_str("Keys")
///     }
/// }
///
/// impl<F: FnMut() -> u32 + Send> MaskSource for Keys<F> {
///     fn next_key(&mut self) -> [u8; 4] {
///         (self.0)().to_ne_bytes()
///     }
/// }
/// ```
pub trait MaskSource: Debug + Send {
    /// Returns the key for the next frame.
    fn next_key(&mut self) -> [u8; 4];

    /// Returns a buffer for the frames of a long message, of which `len` bytes are needed. It is
    /// asked for when the payload is referred to elsewhere, too, and so can't be masked in place.
    /// Its content is dropped, and its capacity may be larger or smaller than that. Default: a new
    /// one.
    fn frame_buffer(&mut self, len: usize) -> Vec<u8> {
        Vec::with_capacity(len)
    }
}

/// The number of bytes that are copied and masked at a time, so that they are masked while they are
/// in the processor's first cache. Copies of more are made in another way, which is slower for
/// bytes that are in no cache.
const COPIED: usize = 1 << 10;

/// Appends `payload` to `out`, masked.
pub(crate) fn append(out: &mut Vec<u8>, payload: &[u8], key: [u8; 4]) {
    out.reserve(payload.len());
    let unaligned = out.spare_capacity_mut().as_ptr().align_offset(LANE).min(payload.len());
    let (head, rest) = payload.split_at(unaligned);
    let mut key = append_piece(out, head, key);
    for piece in rest.chunks(COPIED) {
        key = append_piece(out, piece, key);
    }
}

#[inline]
fn append_piece(out: &mut Vec<u8>, piece: &[u8], key: [u8; 4]) -> [u8; 4] {
    let start = out.len();
    out.extend_from_slice(piece);
    apply(&mut out[start..], key)
}

/// Returns the key rotated so that it fits the byte `by` bytes further on.
#[inline]
pub(crate) fn rotate_key(key: [u8; 4], by: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (by % 4) as u32).to_le_bytes()
}

/// XORs `data` with `key`, whose first byte belongs to the first byte of `data` (RFC 6455 §5.3).
///
/// Masking and unmasking are the same operation. Returns the key rotated so that it fits the
/// byte after `data`.
///
/// ```
/// # use fullduplex_proto::mask::apply;
/// let key = [0x37, 0xfa, 0x21, 0x3d];
/// let mut data = *b"Hello"; // §5.7
/// apply(&mut data, key);
/// assert_eq!(data, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
// Within some callers the compiler does not unroll the loop over lanes, which then takes a third
// more instructions.
#[inline(never)]
pub fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    if data.len() < MIN_LANES {
        return apply_short(data, key);
    }
    if data.len() >= MIN_ALIGNED {
        return apply_aligned(data, key);
    }
    let wide = widen(key);
    let next_key = rotate_key(key, data.len());
    let (lanes, rest) = data.as_chunks_mut::<LANE>();
    for lane in lanes {
        apply_lane(lane, &wide);
    }
    apply_rest(rest, key);
    next_key
}

/// Masks a short payload in steps that halve, as loops would cost more to begin than to run.
#[inline]
fn apply_short(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let next_key = rotate_key(key, data.len());
    let word = u64::from(u32::from_ne_bytes(key));
    let wide = word << 32 | word;
    let rest = apply_first::<64>(data, wide);
    let rest = apply_first::<32>(rest, wide);
    let rest = apply_first::<16>(rest, wide);
    let rest = apply_first::<8>(rest, wide);
    apply_rest(rest, key);
    next_key
}

/// Masks the first `N` bytes, if there are as many, and returns the others.
#[inline]
fn apply_first<const N: usize>(data: &mut [u8], wide: u64) -> &mut [u8] {
    if data.len() < N {
        return data;
    }
    let (first, rest) = data.split_at_mut(N);
    for word in first.as_chunks_mut::<8>().0 {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest
}

/// Masks what is left of a payload after larger steps.
#[inline]
fn apply_rest(rest: &mut [u8], key: [u8; 4]) {
    let (words, rest) = rest.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, k) in rest.iter_mut().zip(key) {
        *byte ^= k;
    }
}

/// Masks a long payload from an aligned address on: a payload follows its header, and every other
/// store to an odd address would touch two lines of the cache, which takes twice the time.
#[cold]
#[inline(never)]
fn apply_aligned(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let start = data.as_ptr().align_offset(LANE).min(data.len());
    let (head, aligned) = data.split_at_mut(start);
    let key = apply(head, key);
    let wide = widen(key);
    let (blocks, rest) = aligned.as_chunks_mut::<BLOCK>();
    for block in blocks {
        for lane in block.as_chunks_mut::<LANE>().0 {
            apply_lane(lane, &wide);
        }
    }
    // Each block is a multiple of the key.
    apply(rest, key)
}

#[inline]
fn widen(key: [u8; 4]) -> [u8; LANE] {
    let mut wide = [0; LANE];
    for (i, byte) in wide.iter_mut().enumerate() {
        *byte = key[i % 4];
    }
    wide
}

#[inline]
fn apply_lane(lane: &mut [u8; LANE], wide: &[u8; LANE]) {
    for (byte, k) in lane.iter_mut().zip(wide) {
        *byte ^= k;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn mask_equals_the_formula_of_section_5_3(
            data in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(any::<u8>(), MIN_ALIGNED - 50..MIN_ALIGNED + 400),
            ],
            key: [u8; 4],
            at in 0usize..300,
        ) {
            let expected: Vec<u8> =
                data.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            let mut ours = data;
            let at = at.min(ours.len());
            let (a, b) = ours.split_at_mut(at);
            let next_key = apply(a, key);
            apply(b, next_key);
            prop_assert_eq!(ours, expected);
        }

        #[test]
        fn mask_of_a_copy_equals_the_formula_of_section_5_3(
            len in 0..3 * COPIED, before in 0usize..40, key: [u8; 4],
        ) {
            let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut out = alloc::vec![7; before];
            append(&mut out, &data, key);
            prop_assert!(out[..before].iter().all(|byte| *byte == 7));
            prop_assert_eq!(out.len(), before + len);
            for (i, (masked, byte)) in out[before..].iter().zip(&data).enumerate() {
                prop_assert_eq!(*masked, byte ^ key[i % 4]);
            }
        }
    }
}
