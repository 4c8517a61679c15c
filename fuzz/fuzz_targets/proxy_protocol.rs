//! Any bytes as the start of a proxied connection: a header or none, never a panic, bounded, and
//! with the same result however they are split.

#![no_main]

use fullduplex::server::policy::{ProxyHeaderStatus, parse_proxy_header};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 600;

fuzz_target!(|bytes: &[u8]| {
    let whole = parse_proxy_header(bytes, LIMIT);
    if let Ok(ProxyHeaderStatus::Complete { length, .. }) = whole {
        assert!(length <= bytes.len() && length <= LIMIT);
        assert_eq!(parse_proxy_header(&bytes[..length], LIMIT), whole);
    }
    // Reads as from a socket: as much as is needed, and no more.
    let mut have = 0;
    let dripped = loop {
        match parse_proxy_header(&bytes[..have], LIMIT) {
            Ok(ProxyHeaderStatus::Incomplete { needed }) => {
                assert!(needed > 0 && have + needed <= LIMIT);
                if have + needed > bytes.len() {
                    break None;
                }
                have += needed;
            }
            Ok(ProxyHeaderStatus::Complete { length, .. }) => {
                assert_eq!(length, have, "a byte was taken that is not the header's");
                break Some(whole);
            }
            error => break Some(error),
        }
    };
    match dripped {
        Some(Err(_)) => assert!(whole.is_err()),
        Some(ok) => assert_eq!(ok, whole),
        None => assert!(!matches!(whole, Ok(ProxyHeaderStatus::Complete { .. }))),
    }
});
