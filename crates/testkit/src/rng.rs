//! A small random number generator, so that a test can be repeated by its seed.

/// A generator of xorshift64*: not secure, and the same on all platforms.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Creates a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Returns the next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Returns a number below `bound`, which is not 0.
    #[allow(clippy::cast_possible_truncation)] // the remainder is below a usize
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() >> 11) as usize % bound
    }
}
