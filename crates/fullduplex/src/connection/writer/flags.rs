//! What is true or false of a connection, in one byte, as each connection has it.

/// Something that is true or false of a connection.
#[derive(Clone, Copy)]
pub(super) enum Flag {
    /// The connection has ended and its resources were released.
    Released,
    /// The receiving half was dropped, and a background task reads.
    ReaderDetached,
    /// The transport was written to and not flushed since.
    NeedsFlush,
    /// The writing side of the transport was shut down.
    ShutDown,
    /// The writer of the fragmented message was dropped before its end.
    MessageAbandoned,
}

/// The set of what is true of a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Flags(u8);

impl Flags {
    #[inline]
    pub(super) fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    #[inline]
    pub(super) fn set(&mut self, flag: Flag, value: bool) {
        let bit = 1 << flag as u8;
        self.0 = if value { self.0 | bit } else { self.0 & !bit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_change_one_by_one() {
        let all = [
            Flag::Released,
            Flag::ReaderDetached,
            Flag::NeedsFlush,
            Flag::ShutDown,
            Flag::MessageAbandoned,
        ];
        let mut flags = Flags::default();
        for (index, flag) in all.into_iter().enumerate() {
            assert!(!flags.has(flag));
            flags.set(flag, true);
            flags.set(flag, true);
            assert_eq!(flags.0.count_ones() as usize, index + 1);
        }
        flags.set(Flag::NeedsFlush, false);
        assert_eq!(all.map(|flag| flags.has(flag)), [true, true, false, true, true]);
    }
}
