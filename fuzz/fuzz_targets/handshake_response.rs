//! Any bytes as a response: accepted or rejected, never a panic. An accepted one has the value that
//! only the key can produce.

#![no_main]

use fullduplex_proto::handshake::client::ClientHandshake;
use fullduplex_proto::handshake::http1::{HeadFinder, HeadLimits, ResponseHead};
use libfuzzer_sys::fuzz_target;

const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fuzz_target!(|bytes: &[u8]| {
    let limits = HeadLimits::default().max_head_bytes(2048).max_fields(20);
    let Ok(Some(end)) = HeadFinder::response(limits).find(bytes) else { return };
    let Ok(head) = ResponseHead::parse(&bytes[..end], &limits) else { return };
    let opening = ClientHandshake::http1("example.com", *b"the sample nonce").unwrap();
    let opening = opening.with_subprotocol("chat").unwrap();
    if let Ok(agreement) = opening.check(head.status(), head.fields()) {
        assert!(agreement.subprotocol.is_none_or(|p| p == "chat"));
        assert!(bytes.windows(ACCEPT.len()).any(|w| w == ACCEPT));
        assert_eq!(head.status(), 101);
    }
});
