use std::time::Duration;

use fullduplex::{Client, CloseCode, ErrorKind, ReadyState, connect};

use crate::peers::{Peers, WEB, differs, open, within};

const NOT_TOLD: &str = "a page is not told why, so that it can't explore a network";

pub(crate) async fn opening_agrees_on_a_subprotocol(peers: &Peers) {
    let offer = Client::builder().subprotocols(["chat.v1", "chat"]).build().unwrap();
    for url in peers.echoes() {
        let (mut websocket, response) = offer.connect(&url).await.unwrap();
        assert_eq!(websocket.subprotocol(), Some("chat"), "{url}");
        assert_eq!(websocket.state(), ReadyState::Open);
        assert_eq!(response.status(), 101);
        let why = "a page has no fields of the response";
        let selected = response.headers().get("sec-websocket-protocol");
        assert_eq!(selected.is_some(), differs(why, true, false), "{url}");
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(open(&url).await.subprotocol(), None);
    }
}

pub(crate) async fn opening_refuses_a_subprotocol_that_was_not_offered(peers: &Peers) {
    let client = Client::builder().subprotocols(["chat.v1"]).build().unwrap();
    let error = client.connect(peers.recorded("unoffered").0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
}

pub(crate) async fn opening_takes_urls_of_pages(peers: &Peers) {
    let [url, ..] = peers.echoes();
    let mut websocket = open(&url.replacen("ws:", "http:", 1)).await;
    websocket.send("over http:").await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("over http:"));
}

pub(crate) async fn opening_refuses_wrong_urls(peers: &Peers) {
    let fragment = format!("{}/echo#there", peers.node);
    for url in ["ftp://127.0.0.1/", "ws://", "ws://[::1/", &fragment] {
        let error = connect(url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{url}: {error}");
    }
    let twice = Client::builder().subprotocols(["chat", "chat"]).build();
    assert_eq!(twice.unwrap_err().kind(), ErrorKind::Misuse);
    let no_token = Client::builder().subprotocols(["a b"]).build();
    assert_eq!(no_token.unwrap_err().kind(), ErrorKind::Misuse);
}

pub(crate) async fn opening_reports_a_rejection(peers: &Peers) {
    for status in [200, 302, 401, 403, 404, 503] {
        // Firefox waits before it tries again where it has failed.
        let (url, _) = peers.recorded(&format!("status?code={status}"));
        let error = connect(&url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handshake, "{status}: {error}");
        let told = error.response().map(|response| response.status().as_u16());
        assert_eq!(told, differs(NOT_TOLD, Some(status), None));
    }
    let missing = connect(format!("{}/{}", peers.fdx, peers.unique())).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Handshake, "{missing}");
}

pub(crate) async fn opening_reports_that_nobody_listens(peers: &Peers) {
    let error = connect(format!("{}/{}", peers.refusing, peers.unique())).await.unwrap_err();
    let expected = differs(NOT_TOLD, ErrorKind::Io, ErrorKind::Handshake);
    assert_eq!(error.kind(), expected, "{error}");
    assert!(error.is_retryable());
}

pub(crate) async fn opening_has_a_timeout(peers: &Peers) {
    let limit = Duration::from_millis(300);
    let client = Client::builder().connect_timeout(limit).build().unwrap();
    let opening = client.connect(format!("{}/{}", peers.silent, peers.unique()));
    // Natively, the response has a limit of its own: handshake_timeout, which is 10 s.
    let error = within(Duration::from_secs(20), opening).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(!WEB || error.to_string().contains("connect_timeout"), "{error}");
}
