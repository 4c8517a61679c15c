//! Keys, decoded from the bytes that a terminal sends.

/// Begins and ends what is pasted, in terminals with bracketed paste.
const PASTE_START: &[u8] = b"\x1b[200~";
const PASTE_END: &[u8] = b"\x1b[201~";

/// The longest paste that is taken, in bytes. No message may be longer.
const MAX_PASTE: usize = 64 << 20;

/// The longest sequence of a key, in bytes. What is longer is not one.
const MAX_SEQUENCE: usize = 32;

/// A key, or a text that was pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    /// A pasted text, its lines separated by `\n`.
    Paste(String),
    /// A pasted text that was longer than [`MAX_PASTE`] and is dropped.
    PasteTooLong,
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    Escape,
    /// A letter, small, with Ctrl.
    Control(char),
    /// A character with Alt.
    Alt(char),
    AltEnter,
    AltBackspace,
    WordLeft,
    WordRight,
}

/// A decoder of keys. A sequence may come in pieces.
#[derive(Debug, Default)]
pub(crate) struct KeyDecoder {
    bytes: Vec<u8>,
    paste: Option<Paste>,
}

#[derive(Debug, Default)]
struct Paste {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl KeyDecoder {
    /// Decodes bytes, and returns the keys that are complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.bytes.extend_from_slice(bytes);
        let mut keys = Vec::new();
        loop {
            if self.paste.is_some() {
                match self.take_paste() {
                    Some(key) => keys.push(key),
                    None => return keys,
                }
            } else if self.bytes.starts_with(PASTE_START) {
                self.bytes.drain(..PASTE_START.len());
                self.paste = Some(Paste::default());
            } else {
                match decode(&self.bytes) {
                    Decoded::Incomplete => return keys,
                    Decoded::Key(key, len) => {
                        self.bytes.drain(..len);
                        keys.extend(key);
                    }
                }
            }
        }
    }

    /// Whether an Escape is there that is a key of its own if nothing follows soon.
    pub(crate) fn has_lone_escape(&self) -> bool {
        self.paste.is_none() && self.bytes == b"\x1b"
    }

    /// Takes the lone Escape as a key.
    pub(crate) fn flush(&mut self) -> Option<Key> {
        let is_key = self.has_lone_escape();
        is_key.then(|| {
            self.bytes.clear();
            Key::Escape
        })
    }

    /// Moves bytes to the paste, and returns it if its end is there.
    fn take_paste(&mut self) -> Option<Key> {
        let paste = self.paste.as_mut()?;
        let end = find(&self.bytes, PASTE_END);
        // The end may have come in part.
        let len = end.unwrap_or_else(|| self.bytes.len().saturating_sub(PASTE_END.len() - 1));
        paste.is_too_long |= paste.bytes.len() + len > MAX_PASTE;
        if paste.is_too_long {
            paste.bytes = Vec::new();
        } else {
            paste.bytes.extend_from_slice(&self.bytes[..len]);
        }
        self.bytes.drain(..len + end.map_or(0, |_| PASTE_END.len()));
        end?;
        let paste = self.paste.take()?;
        if paste.is_too_long {
            return Some(Key::PasteTooLong);
        }
        // Terminals send a carriage return for a newline.
        let text = String::from_utf8_lossy(&paste.bytes);
        Some(Key::Paste(text.replace("\r\n", "\n").replace('\r', "\n")))
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|&byte| byte == part[0]) {
        if bytes[from + at..].starts_with(part) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

enum Decoded {
    Incomplete,
    /// A key, if the terminal's sequence means one, and its length in bytes.
    Key(Option<Key>, usize),
}

/// Decodes the first key.
fn decode(bytes: &[u8]) -> Decoded {
    let Some(&first) = bytes.first() else { return Decoded::Incomplete };
    let key = |key| Decoded::Key(Some(key), 1);
    match first {
        b'\r' => key(Key::Enter),
        b'\n' => key(Key::Control('j')),
        b'\t' => key(Key::Tab),
        0x7f | 0x08 => key(Key::Backspace),
        0x1b => escape_sequence(bytes),
        0 | 0x1c..=0x1f => Decoded::Key(None, 1),
        1..=0x1a => key(Key::Control(char::from(first + b'a' - 1))),
        _ => character(bytes),
    }
}

/// Decodes a character of UTF-8. A byte that is not UTF-8 is skipped.
fn character(bytes: &[u8]) -> Decoded {
    let text = match std::str::from_utf8(&bytes[..bytes.len().min(4)]) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) => {
            let incomplete = error.error_len().is_none();
            return if incomplete { Decoded::Incomplete } else { Decoded::Key(None, 1) };
        }
    };
    match text.chars().next() {
        // The controls of C1 are not keys.
        Some(c) if c.is_control() => Decoded::Key(None, c.len_utf8()),
        Some(c) => Decoded::Key(Some(Key::Char(c)), c.len_utf8()),
        None => Decoded::Incomplete,
    }
}

/// Decodes what follows an Escape: a sequence of the terminal, or a key with Alt.
fn escape_sequence(bytes: &[u8]) -> Decoded {
    match bytes.get(1) {
        None => Decoded::Incomplete,
        Some(b'[') => {
            let end = bytes.iter().skip(2).position(|byte| (0x40..=0x7e).contains(byte));
            // The Linux console: ESC [ [ A.
            let skip = usize::from(bytes.get(2) == Some(&b'['));
            match end {
                Some(0) if skip == 1 => match bytes.len() {
                    3 => Decoded::Incomplete,
                    _ => Decoded::Key(None, 4),
                },
                Some(at) => Decoded::Key(control_sequence(&bytes[2..at + 3]), at + 3),
                None if bytes.len() > MAX_SEQUENCE => Decoded::Key(None, bytes.len()),
                None => Decoded::Incomplete,
            }
        }
        Some(b'O') => match bytes.get(2) {
            None => Decoded::Incomplete,
            Some(_) => Decoded::Key(control_sequence(&bytes[2..3]), 3),
        },
        Some(b'\r' | b'\n') => Decoded::Key(Some(Key::AltEnter), 2),
        Some(0x7f | 0x08) => Decoded::Key(Some(Key::AltBackspace), 2),
        Some(0x1b) => Decoded::Key(Some(Key::Escape), 1),
        Some(0..=0x1f) => Decoded::Key(None, 2),
        Some(_) => match character(&bytes[1..]) {
            Decoded::Key(Some(Key::Char(c)), len) => Decoded::Key(Some(alt(c)), len + 1),
            Decoded::Key(_, len) => Decoded::Key(None, len + 1),
            Decoded::Incomplete => Decoded::Incomplete,
        },
    }
}

fn alt(c: char) -> Key {
    match c {
        'b' => Key::WordLeft,
        'f' => Key::WordRight,
        c => Key::Alt(c),
    }
}

/// Returns the key of a sequence, without `ESC [` or `ESC O`.
fn control_sequence(sequence: &[u8]) -> Option<Key> {
    let (&last, numbers) = sequence.split_last()?;
    // With Alt (3) or Ctrl (5) the arrows move by words.
    let by_word = numbers.ends_with(b";3") || numbers.ends_with(b";5") || numbers == b"5";
    match (last, numbers) {
        (b'A', _) => Some(Key::Up),
        (b'B', _) => Some(Key::Down),
        (b'C', _) if by_word => Some(Key::WordRight),
        (b'D', _) if by_word => Some(Key::WordLeft),
        (b'C', _) => Some(Key::Right),
        (b'D', _) => Some(Key::Left),
        (b'H', _) | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', _) | (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"3") => Some(Key::Delete),
        (b'M', b"") => Some(Key::Enter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        KeyDecoder::default().push(bytes)
    }

    #[test]
    fn keys_of_terminals_are_decoded() {
        for (bytes, expected) in [
            (&b"a"[..], vec![Key::Char('a')]),
            ("ü世🎉".as_bytes(), vec![Key::Char('ü'), Key::Char('世'), Key::Char('🎉')]),
            (b"\r\n\t", vec![Key::Enter, Key::Control('j'), Key::Tab]),
            (b"\x7f\x08", vec![Key::Backspace, Key::Backspace]),
            (b"\x01\x1a\x00", vec![Key::Control('a'), Key::Control('z')]),
            (b"\x1b[A\x1bOB\x1b[C\x1bOD", vec![Key::Up, Key::Down, Key::Right, Key::Left]),
            (b"\x1b[H\x1b[1~\x1b[F\x1b[4~", vec![Key::Home, Key::Home, Key::End, Key::End]),
            (b"\x1b[1;5C\x1b[1;3D\x1bb", vec![Key::WordRight, Key::WordLeft, Key::WordLeft]),
            (
                b"\x1b[3~\x1bd\x1b\r\x1b\x7f",
                vec![Key::Delete, Key::Alt('d'), Key::AltEnter, Key::AltBackspace],
            ),
            // Unknown sequences, the console's function keys and invalid bytes are not keys.
            (b"\x1b[15~\x1b[[Ax\x1b[?1;2c\xff\xc2\x9b", vec![Key::Char('x')]),
        ] {
            assert_eq!(keys(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn keys_may_come_byte_by_byte() {
        let bytes = "ü\x1b[1;5D\x1b[200~a\r\nb\x1b[20c\x1b[201~\x1bf🎉".as_bytes();
        let mut decoder = KeyDecoder::default();
        let one_by_one: Vec<_> = bytes.iter().flat_map(|byte| decoder.push(&[*byte])).collect();
        assert_eq!(one_by_one, keys(bytes));
        assert_eq!(one_by_one[2], Key::Paste("a\nb\x1b[20c".into()));
        assert_eq!(one_by_one.len(), 5);
    }

    #[test]
    fn keys_know_an_escape_that_stands_alone() {
        let mut decoder = KeyDecoder::default();
        assert!(decoder.push(b"\x1b").is_empty() && decoder.has_lone_escape());
        assert_eq!(decoder.flush(), Some(Key::Escape));
        assert!(!decoder.has_lone_escape());
        assert_eq!(decoder.flush(), None);
        assert_eq!(decoder.push(b"a"), [Key::Char('a')]);
    }

    #[test]
    fn pastes_are_one_key() {
        let text = "{\n  \"a\": [1, 2]\n}\n".repeat(5_000);
        let mut bytes = b"x\x1b[200~".to_vec();
        bytes.extend_from_slice(text.replace('\n', "\r").as_bytes());
        bytes.extend_from_slice(b"\x1b[201~y");
        let mut decoder = KeyDecoder::default();
        let got: Vec<_> = bytes.chunks(1_000).flat_map(|chunk| decoder.push(chunk)).collect();
        assert_eq!(got, [Key::Char('x'), Key::Paste(text), Key::Char('y')]);
    }

    #[test]
    fn pastes_have_a_bound() {
        let mut decoder = KeyDecoder::default();
        assert!(decoder.push(PASTE_START).is_empty());
        let chunk = vec![b'a'; 1 << 20];
        for _ in 0..=MAX_PASTE >> 20 {
            assert!(decoder.push(&chunk).is_empty());
        }
        assert_eq!(decoder.push(PASTE_END), [Key::PasteTooLong]);
        assert_eq!(decoder.push(b"a"), [Key::Char('a')]);
    }

    #[test]
    fn keys_of_any_bytes_leave_little_behind() {
        let mut seed = 1_u32;
        let mut decoder = KeyDecoder::default();
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = b"\x1b[O;0159~ABa\xc3\xff\x7f"[(seed >> 16) as usize % 15];
            decoder.push(&[byte]);
            if decoder.paste.is_none() {
                assert!(decoder.bytes.len() <= MAX_SEQUENCE + 1, "{:?}", decoder.bytes);
            }
        }
    }
}
