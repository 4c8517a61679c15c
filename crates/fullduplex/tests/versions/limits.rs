//! The limits on a head mean one thing on every version.

use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::{Server, ServerConfig};
use http::Version;
use tokio::sync::mpsc;

use crate::common::tls::localhost;
use crate::handler;
use crate::requests::Ask;

/// Fields of which only those behind a cookie's are many.
const MANY: [(&str, &str); 21] = [("x-many", "1"); 21];

/// Neither pseudo-header fields nor the pieces of a cookie count (RFC 9113 §8.2.3, RFC 9114
/// §4.2.1), and who sends too many is told so, as is the application.
#[tokio::test]
async fn limits_on_fields_count_alike_on_every_version() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut all = Vec::new();
    for is_secure in [false, true] {
        let mut config = ServerConfig::default().http2(true);
        config.handshake_limits.max_fields = 20;
        let tell = tell.clone();
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        let mut server = server.on_rejected(move |refused| {
            tell.send(refused.status().map(|status| status.as_u16())).unwrap();
        });
        if is_secure {
            server = server.tls(localhost()).http3();
        }
        let (address, handle) = (server.local_addr().unwrap(), server.handle());
        tokio::spawn(server.serve_handshakes(handler));
        let versions: &[_] =
            if is_secure { &[Version::HTTP_3] } else { &[Version::HTTP_11, Version::HTTP_2] };
        all.extend(versions.iter().map(|version| (*version, address, handle.clone())));
    }
    let pieces: Vec<String> = (0..30).map(|i| format!("name{i}=value")).collect();
    let cookie: &'static str = pieces.join("; ").leak();
    // With those of each version, of which there are up to seven.
    let fitting = [&[("cookie", cookie)], &MANY[..12]].concat();
    let refused = HandshakeOutcome::Rejected(http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    for (version, address, handle) in all {
        for ask in [Ask::get("/seen"), Ask::websocket("/open")] {
            let fits = Ask { fields: fitting.clone(), ..ask.clone() };
            assert_eq!(fits.send(version, address).await.status, 200, "{version:?}");
            let before = handle.stats().handshakes.get(&refused).copied().unwrap_or_default();
            let too_many = Ask { fields: MANY.to_vec(), ..ask };
            assert_eq!(too_many.send(version, address).await.status, 431, "{version:?}");
            assert_eq!(told.recv().await, Some(Some(431)), "{version:?}");
            assert_eq!(handle.stats().handshakes[&refused], before + 1, "{version:?}");
        }
    }
}
