//! Comparing secrets.

use subtle::ConstantTimeEq;

/// Whether two secrets are the same, in a time that tells nothing about where they differ.
///
/// An ordinary `==` stops at the first byte that differs, so that the time of the answer lets
/// a token be guessed byte by byte. Here the time depends on the lengths of the two alone:
/// that they differ in length can be seen. Of tokens that is no secret; where it is one,
/// compare digests of both.
///
/// ```
/// use fullduplex::server::constant_time_eq;
///
/// let expected = "Bearer 2f8c1d";
/// assert!(constant_time_eq("Bearer 2f8c1d", expected));
/// assert!(!constant_time_eq("Bearer 2f8c1e", expected));
/// ```
#[must_use]
pub fn constant_time_eq(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    a.as_ref().ct_eq(b.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn secret_comparison_equals_ordinary_comparison(a: Vec<u8>, b: Vec<u8>, at: prop::sample::Index) {
            prop_assert_eq!(constant_time_eq(&a, &b), a == b);
            prop_assert!(constant_time_eq(&a, &a));
            if !a.is_empty() {
                let mut changed = a.clone();
                changed[at.index(a.len())] ^= 1;
                prop_assert!(!constant_time_eq(&a, changed));
                prop_assert!(!constant_time_eq(&a, &a[1..]));
            }
        }
    }
}
