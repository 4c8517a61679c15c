//! A harness for split input: the result must not depend on how the input is split.

use std::fmt::Debug;

use crate::Rng;

/// Runs `run` on the pieces of `input`, split at every position, byte by byte, and in 50 random
/// ways, and compares each result with that of the whole, which it returns.
///
/// # Panics
/// If a result differs; the message has the lengths of the pieces.
///
/// ```
/// fullduplex_testkit::chop::check(b"hello", |pieces| pieces.concat());
/// ```
pub fn check<T: PartialEq + Debug>(input: &[u8], mut run: impl FnMut(&[&[u8]]) -> T) -> T {
    let whole = run(&[input]);
    let mut compare = |pieces: &[&[u8]]| {
        let result = run(pieces);
        let lengths: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
        assert_eq!(result, whole, "cut into pieces of {lengths:?}");
    };
    for at in 0..=input.len() {
        let (a, b) = input.split_at(at);
        compare(&[a, b]);
    }
    compare(&input.chunks(1).collect::<Vec<_>>());
    let mut rng = Rng::new(1);
    for _ in 0..50 {
        compare(&random_pieces(input, &mut rng));
    }
    whole
}

fn random_pieces<'a>(mut rest: &'a [u8], rng: &mut Rng) -> Vec<&'a [u8]> {
    let longest = 1 + rng.below(rest.len().max(1));
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((1 + rng.below(longest)).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

#[cfg(test)]
mod tests {
    #[test]
    fn chop_passes_what_does_not_depend_on_the_cuts() {
        super::check(b"abcdefgh", |pieces| pieces.iter().map(|p| p.len()).sum::<usize>());
    }

    #[test]
    #[should_panic(expected = "cut into pieces of [0, 8]")]
    fn chop_finds_what_depends_on_the_cuts() {
        super::check(b"abcdefgh", |pieces| pieces.len());
    }
}
