//! Any header fields from a trusted proxy: what it appends decides, whatever precedes it.
//!
//! Byte 0 selects the field, and whether the proxy appends to the last line or adds a separate
//! line; lines end in LF.

#![no_main]

use fullduplex::server::policy::{ForwardedHeader, Forwarding, PeerAddr};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [first, rest @ ..] = input else { return };
    let (header, name, added) = if first & 1 == 0 {
        (ForwardedHeader::Forwarded, "forwarded", "for=\"192.0.2.1:5000\";proto=https")
    } else {
        (ForwardedHeader::XForwardedFor, "x-forwarded-for", "192.0.2.1:5000")
    };
    let trusted = "10.0.0.0/8, ::1, unix".parse().unwrap();
    let forwarding = Forwarding::default()
        .header(header)
        .trusted(trusted)
        .x_forwarded_proto(true)
        .x_forwarded_host(true);
    let mut lines: Vec<Vec<u8>> = rest.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let forwarded = forwarding.client(PeerAddr::Unix, &headers(name, &lines));
    if let Err(error) = forwarded {
        assert!(error.to_string().len() < 2048);
    }
    let is_own_line = first & 2 != 0;
    if is_own_line {
        lines.push(added.into());
    } else if let Some(last) = lines.last_mut() {
        last.extend_from_slice(b", ");
        last.extend_from_slice(added.as_bytes());
    }
    let all = headers(name, &lines);
    if all.get_all(name).iter().count() < lines.len() {
        return; // a line is not valid HTTP, so the proxy's may not be either
    }
    match forwarding.client(PeerAddr::Unix, &all) {
        Ok(client) => {
            assert_eq!((client.ip, client.port), (Some([192, 0, 2, 1].into()), Some(5000)));
        }
        // A malformed line is rejected as a whole, but a separate line can still be read.
        Err(_) => assert!(
            !is_own_line && header != ForwardedHeader::XForwardedFor
                || header == ForwardedHeader::XForwardedFor && !is_text(&lines)
        ),
    }
});

fn is_text(lines: &[Vec<u8>]) -> bool {
    lines.iter().all(|line| std::str::from_utf8(line).is_ok())
}

fn headers(name: &'static str, lines: &[Vec<u8>]) -> HeaderMap {
    let name = HeaderName::from_static(name);
    let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (name.clone(), value)).collect()
}
