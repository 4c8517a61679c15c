//! `chat`.

use fullduplex::CloseCode;
use fullduplex_testkit::eventually;

use crate::common::example::Serving;
use crate::{end, get, open, text};

#[tokio::test]
async fn example_chat_keeps_rooms_apart_and_drains() {
    let mut server = Serving::start("chat");
    let mut ann = open(&server, "/tea?ann").await;
    assert_eq!(server.line(), "ann enters tea");
    let mut cy = open(&server, "/coffee?cy").await;
    assert_eq!(server.line(), "cy enters coffee");
    let mut bob = open(&server, "/tea?bob").await;
    assert_eq!(text(&mut ann).await, "* bob has come");

    ann.send("hello").await.unwrap();
    assert_eq!(text(&mut bob).await, "ann: hello");
    bob.send("good bye").await.unwrap();
    assert!(bob.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    // Neither her own message, nor one of another room.
    assert_eq!(text(&mut ann).await, "bob: good bye");
    assert_eq!(text(&mut ann).await, "* bob has left");

    let rooms = get(&server, "/").await;
    assert!(rooms.contains("tea\n") && rooms.contains("coffee\n"), "{rooms}");
    assert!(get(&server, "/tea").await.starts_with("HTTP/1.1 404"));

    let left = tokio::spawn(async move {
        assert_eq!(end(&mut ann).await.code(), CloseCode::GOING_AWAY);
        assert_eq!(end(&mut cy).await.code(), CloseCode::GOING_AWAY);
        assert_eq!(cy.stats().received.text, 0);
    });
    // The server may not have forgotten Bob yet, so the number is not looked at.
    let said = tokio::task::spawn_blocking(|| server.interrupt()).await.unwrap();
    assert!(said.contains(" WebSockets notified, 0 cut off"), "{said}");
    eventually("both have ended", || left.is_finished()).await;
    left.await.unwrap();
}
