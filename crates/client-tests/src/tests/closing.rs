use fullduplex::{CloseCause, CloseCode, ErrorKind, Initiator, ReadyState};

use crate::peers::{DENO_REFUSES_1014, Peers, WEB, differs, open};

const CODES: &str = "a page can send 1000 and 3000 to 4999 only, or no code";

pub(crate) async fn closing_sends_code_and_reason(peers: &Peers) {
    let longest = "é".repeat(61) + "x";
    let mut cases = vec![(1000, ""), (1000, "done"), (3000, "registered"), (4999, &longest)];
    if !WEB {
        // See CODES.
        cases.extend([(1001, "going"), (1008, ""), (1011, "failed")]);
    }
    for (code, reason) in cases {
        let (url, id) = peers.recorded("echo");
        let mut websocket = open(&url).await;
        let info = websocket.close(CloseCode::new(code), reason).await.unwrap();
        assert_eq!((info.code().get(), info.reason()), (code, reason));
        assert_eq!((info.initiator, info.cause), (Initiator::Local, CloseCause::Handshake));
        assert!(info.is_clean(), "{info}");
        assert_eq!(websocket.state(), ReadyState::Closed);
        assert_eq!(websocket.close_info().unwrap(), info);
        assert_eq!(peers.end(&id).await, format!("{code} {reason}"));
    }
}

pub(crate) async fn closing_refuses_what_cannot_be_sent(peers: &Peers) {
    let (url, id) = peers.recorded("echo");
    let mut websocket = open(&url).await;
    let too_long = "é".repeat(62);
    let mut cases = vec![(1000, &*too_long), (1006, ""), (1015, ""), (2999, ""), (5000, "")];
    if WEB {
        // See CODES.
        cases.extend([(1001, ""), (1009, ""), (1011, "")]);
    }
    for (code, reason) in cases {
        let error = websocket.close(CloseCode::new(code), reason).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{code} {reason}: {error}");
        assert_eq!(websocket.state(), ReadyState::Open);
    }
    let _ = websocket.close(CloseCode::NORMAL, "after all").await.unwrap();
    assert_eq!(peers.end(&id).await, "1000 after all");
}

pub(crate) async fn closing_by_the_peer_is_reported(peers: &Peers) {
    for code in [1000, 1001, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 4000, 4999] {
        if code == 1014 && peers.is_deno(DENO_REFUSES_1014) {
            continue;
        }
        for reason in ["", "grüße"] {
            let mut websocket =
                open(&format!("{}/close?code={code}&reason={reason}", peers.node)).await;
            assert!(websocket.next().await.is_none());
            let info = websocket.close_info().unwrap();
            assert_eq!((info.code().get(), info.reason()), (code, reason));
            assert_eq!((info.initiator, info.cause), (Initiator::Peer, CloseCause::Handshake));
            assert!(info.is_clean(), "{info}");
            assert_eq!(websocket.state(), ReadyState::Closed);
        }
    }
    let mut websocket = open(&format!("{}/close", peers.node)).await;
    assert!(websocket.next().await.is_none());
    let info = websocket.close_info().unwrap();
    assert_eq!((info.code(), info.is_clean()), (CloseCode::NO_STATUS, true));
}

pub(crate) async fn closing_by_the_peer_keeps_its_messages(peers: &Peers) {
    let url = format!("{}/send?kind=text&sizes=1,2,3,4&close=4000", peers.node);
    let mut websocket = open(&url).await;
    for length in 1..=4 {
        assert_eq!(websocket.next().await.unwrap().unwrap().len(), length);
    }
    assert!(websocket.next().await.is_none());
    assert_eq!(websocket.close_info().unwrap().code(), CloseCode::new(4000));
}

pub(crate) async fn closing_without_a_close_is_an_error(peers: &Peers) {
    let mut websocket = open(&format!("{}/cut", peers.node)).await;
    assert_eq!(websocket.next().await.unwrap().unwrap().as_text(), Some("cut"));
    let error = websocket.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(websocket.next().await.is_none());
    let info = websocket.close_info().unwrap();
    assert_eq!((info.code(), info.is_clean()), (CloseCode::ABNORMAL, false));
    let why = "a page learns no more than 1006";
    let hidden = info.cause == CloseCause::Undisclosed;
    assert_eq!(hidden, differs(why, false, true), "{info}");
}

pub(crate) async fn closing_follows_a_drop(peers: &Peers) {
    let (url, id) = peers.recorded("echo");
    drop(open(&url).await);
    assert_eq!(peers.end(&id).await, differs(CODES, "1001 ", "1005 "));
}

pub(crate) async fn closing_ends_sending(peers: &Peers) {
    let mut websocket = open(&peers.echoes()[1]).await;
    websocket.close(CloseCode::NORMAL, "").await.unwrap();
    let error = websocket.send("late").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert!(websocket.next().await.is_none());
}
