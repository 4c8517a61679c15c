use fullduplex::{Client, CloseCode, ErrorKind, Message, ReceiveHalf, SendHalf, WebSocket};

use crate::peers::{Peers, differs, open, open_by};

pub(crate) async fn messages_are_echoed(peers: &Peers) {
    for url in peers.echoes() {
        let mut websocket = open(&url).await;
        let all: Vec<u8> = (0..=255).collect();
        for message in [
            Message::from(""),
            Message::from("grüße 🌍"),
            Message::from(Vec::new()),
            Message::from(all.repeat(300)),
            Message::from("x".repeat(70_000)),
        ] {
            websocket.send(message.clone()).await.unwrap();
            assert_eq!(websocket.next().await.unwrap().unwrap(), message, "{url}");
        }
        let stats = websocket.stats();
        for direction in [&stats.sent, &stats.received] {
            assert_eq!((direction.text, direction.binary), (3, 2));
            assert_eq!(direction.payload, 12 + 76_800 + 70_000);
        }
        let info = websocket.close(CloseCode::NORMAL, "").await.unwrap();
        assert!(info.is_clean(), "{url}: {info}");
    }
}

pub(crate) async fn messages_of_16_mib_are_echoed(peers: &Peers) {
    let client = Client::builder().max_message_size(16 << 20).build().unwrap();
    let bytes: Vec<u8> = (0..16u32 << 20).map(|i| (i % 251) as u8).collect();
    for url in peers.echoes() {
        let mut websocket = open_by(&client, &url).await;
        websocket.send(bytes.clone()).await.unwrap();
        let echo = websocket.next().await.unwrap().unwrap();
        assert!(echo.as_bytes() == bytes, "{url}: {} bytes", echo.len());
        websocket.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

pub(crate) async fn messages_keep_their_order_between_halves(peers: &Peers) {
    const COUNT: usize = 1000;
    for url in peers.echoes() {
        let (sender, mut receiver): (SendHalf, ReceiveHalf) = open(&url).await.split();
        let send = async {
            for number in 0..COUNT {
                sender.send(number.to_string()).await.unwrap();
            }
        };
        let receive = async {
            for number in 0..COUNT {
                let message = receiver.next().await.unwrap().unwrap();
                assert_eq!(message.as_text(), Some(&*number.to_string()), "{url}");
            }
        };
        tokio::join!(send, receive);
        let mut whole: WebSocket = sender.reunite(receiver).unwrap();
        whole.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

pub(crate) async fn messages_over_the_limit_are_refused(peers: &Peers) {
    let client = Client::builder().max_message_size(1000).build().unwrap();
    for kind in ["text", "binary"] {
        let (url, id) = peers.recorded(&format!("send?kind={kind}&sizes=1000,1001"));
        let mut websocket = open_by(&client, &url).await;
        assert_eq!(websocket.next().await.unwrap().unwrap().len(), 1000);
        let error = websocket.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        let why = "a page loads the texts of its errors, so they are short";
        let named = differs(why, "1000", "max_message_size");
        assert!(error.to_string().contains(named), "{error}");
        assert!(websocket.next().await.is_none());
        let told = peers.end(&id).await;
        let why = "a page can't send 1009";
        assert!(told.starts_with(differs(why, "1009", "1005")), "{told}");
    }
}
