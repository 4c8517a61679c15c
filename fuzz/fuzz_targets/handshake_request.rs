//! Any bytes as a request: accepted or rejected, never a panic, and with the same result however
//! they are split.

#![no_main]

use fullduplex_proto::handshake::http1::{HeadFinder, HeadLimits, RequestHead, write_response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits::default().max_head_bytes(2048).max_fields(20);
    let whole = HeadFinder::request(limits).find(bytes);
    let mut finder = HeadFinder::request(limits);
    let dripped = (0..=bytes.len()).map(|n| finder.find(&bytes[..n])).find(|r| *r != Ok(None));
    assert_eq!(dripped.unwrap_or(Ok(None)), whole);
    let Ok(Some(end)) = whole else { return };
    let Ok(head) = RequestHead::parse(&bytes[..end], &limits) else { return };
    match head.as_request().offer() {
        Ok(offer) => {
            let favourite = offer.subprotocols().first().copied();
            let accepted = offer.accept(favourite, Vec::new()).expect("it was offered");
            write_response(accepted.status(), accepted.reason_phrase(), accepted.headers())
                .unwrap();
        }
        Err(rejection) => {
            assert!((400..=599).contains(&rejection.status()));
            write_response(rejection.status(), rejection.reason_phrase(), rejection.headers())
                .unwrap();
        }
    }
});
