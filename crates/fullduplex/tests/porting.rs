//! What programs written for other WebSocket libraries do with the types, subject by subject: each
//! line compiles here, too, and does what is expected there.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![allow(
    clippy::cmp_owned,
    clippy::nonminimal_bool,
    clippy::op_ref,
    clippy::useless_format,
    reason = "what compiles is tested, not only what is advised"
)]

use std::borrow::{Borrow, Cow};
use std::collections::{HashMap, HashSet};
use std::error::Error as StdError;
use std::fmt::Display;
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use bytes::{Bytes, BytesMut};
use fullduplex::{
    ByteStream, Client, CloseCode, CloseFrame, CloseInfo, Error, ErrorKind, FromUtf8Error, Message,
    MessageKind, ReadyState, ReceiveHalf, SendHalf, Utf8Bytes, WebSocket,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn text() -> Utf8Bytes {
    Utf8Bytes::from_static("12 x")
}

/// An error of a client that meets nobody.
async fn error() -> Error {
    let client = Client::builder().proxies(fullduplex::client::Proxies::none()).build().unwrap();
    // The discard port of this host: nothing listens.
    client.connect("ws://127.0.0.1:9/").await.unwrap_err()
}

#[test]
fn text_is_a_str() {
    let text = text();
    let as_str: &str = &text;
    let as_ref: &str = text.as_ref();
    let borrowed: &str = text.borrow();
    assert_eq!((as_str, as_ref, borrowed), ("12 x", "12 x", "12 x"));
    assert_eq!(
        (text.len(), text.is_empty(), text.trim().split(' ').next()),
        (4, false, Some("12"))
    );
    assert_eq!(Utf8Bytes::from("7").parse::<u32>(), Ok(7));
    assert!(matches!(text.as_str(), "12 x"));
    assert_eq!(format!("{text}|{text:?}"), "12 x|\"12 x\"");
    let into: String = text.clone().into();
    assert_eq!(
        (into, text.to_string(), text.into_string()),
        ("12 x".into(), "12 x".into(), "12 x".into())
    );
}

#[test]
fn text_compares_as_a_str() {
    let text = text();
    assert!(text == "12 x" && "12 x" == text && text == *"12 x");
    assert!(
        text == "12 x".to_string() && "12 x".to_string() == text && text == &"12 x".to_string()
    );
    assert!(text == Cow::Borrowed("12 x") && text < "13" && "11" < text);
    let map = HashMap::from([(text, 1)]);
    assert_eq!(map.get("12 x"), Some(&1));
}

#[test]
fn text_has_the_traits_of_a_str() {
    fn is<T: Ord + Hash + AsRef<str> + Deref<Target = str> + Borrow<str> + Display + Default>() {}
    is::<Utf8Bytes>();
    assert!(Utf8Bytes::try_from(b"\xff".to_vec()).is_err());
    assert!(Utf8Bytes::try_from(Bytes::from_static(b"x")).is_ok());
}

#[test]
fn messages_of_all_strings_are_text() {
    let string = String::from("a");
    for message in [
        Message::from("a"),
        Message::from(&string),
        Message::from(string.clone()),
        Message::from(Utf8Bytes::from("a")),
        Message::from(Cow::Borrowed("a")),
        Message::from(Box::<str>::from("a")),
        Message::from('a'),
        Message::text("a"),
        Message::text(&string),
        Message::text(Cow::Borrowed("a")),
        Message::text(format!("{string}")),
        "a".into(),
    ] {
        assert!(message.is_text() && message == "a");
    }
}

#[test]
fn messages_of_all_bytes_are_binary() {
    for message in [
        Message::from(&b"abc"[..]),
        Message::from(b"abc"),
        Message::from([b'a', b'b', b'c']),
        Message::from(vec![b'a', b'b', b'c']),
        Message::from(Bytes::from_static(b"abc")),
        Message::from(BytesMut::from("abc")),
        Message::from(Box::<[u8]>::from(&b"abc"[..])),
        Message::binary(&b"abc"[..]),
        Message::binary(vec![b'a', b'b', b'c']),
    ] {
        assert!(message.is_binary() && message.as_bytes() == b"abc");
    }
}

#[test]
fn messages_convert_to_what_they_have() {
    let message = Message::from("a");
    assert_eq!(message.to_text(), Ok("a"));
    assert_eq!(message.clone().into_text().unwrap(), "a");
    let string: Result<String, FromUtf8Error> = message.clone().try_into();
    assert_eq!(string.unwrap(), "a");
    let of_bytes: Vec<u8> = message.clone().into_bytes().into();
    let vec: Vec<u8> = message.clone().into();
    let bytes: Bytes = message.clone().into();
    assert_eq!((of_bytes, vec, bytes), (b"a".to_vec(), b"a".to_vec(), Bytes::from_static(b"a")));
    assert_eq!(format!("{message}"), "a");
    assert!(message != Message::default());
    assert!(HashSet::from([message]).contains(&Message::from("a")));
}

#[test]
fn close_codes_convert_and_match() {
    const MINE: CloseCode = CloseCode::new(4001);
    fn has<T: Hash + Eq>() {}
    has::<CloseFrame>();
    has::<CloseInfo>();
    let code: u16 = CloseCode::NORMAL.into();
    assert!(CloseCode::from(4001) == MINE && code == 1000);
    assert!(CloseCode::NORMAL == 1000 && 1000 == CloseCode::NORMAL);
    assert!(matches!(CloseCode::from(4001), MINE));
    let frame = CloseFrame { code: CloseCode::NORMAL, reason: "x".into() };
    assert_eq!(CloseFrame::new(CloseCode::NORMAL, "x"), Ok(frame));
}

#[tokio::test]
async fn errors_convert_to_those_of_std() {
    fn io_result(error: Error) -> io::Result<()> {
        Err(error)?;
        Ok(())
    }
    // As with `anyhow`, which asks for the same traits.
    fn any_result(error: Error) -> Result<(), Box<dyn StdError + Send + Sync>> {
        Err(error)?;
        Ok(())
    }
    fn own_result(error: io::Error) -> Result<(), Error> {
        Err(error)?;
        Ok(())
    }
    let refused = io_result(error().await).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(refused.get_ref().unwrap().is::<Error>());
    assert!(io::Error::other(error().await).get_ref().unwrap().is::<Error>());
    let any = any_result(error().await).unwrap_err();
    assert_eq!(any.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Io);
    let own = own_result(io::ErrorKind::BrokenPipe.into()).unwrap_err();
    assert_eq!((own.kind(), own.io_kind()), (ErrorKind::Io, io::ErrorKind::BrokenPipe));
}

#[tokio::test]
async fn errors_have_a_kind_and_a_cause() {
    let error = error().await;
    match error.kind() {
        ErrorKind::Io => {}
        ErrorKind::Closed => panic!("it was never open"),
        other => panic!("{other}"),
    }
    let cause = error.source().and_then(|source| source.downcast_ref::<io::Error>()).unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.io_kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.close_info().is_none());
}

/// A function that reads a message as text, or as JSON, and passes every error on with `?`.
#[test]
fn errors_of_conversions_are_errors_of_the_library() {
    fn read(message: Message) -> Result<Utf8Bytes, Error> {
        message.to_text()?;
        Ok(message.into_text()?)
    }
    assert_eq!(read(Message::from("a")).unwrap(), "a");
    let error = read(Message::from(b"\xff")).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidData, false));
    assert_eq!(error.io_kind(), io::ErrorKind::InvalidData);
}

#[cfg(feature = "json")]
#[test]
fn json_errors_are_errors_of_the_library() {
    fn double(message: &Message) -> Result<Message, Error> {
        let number: u32 = message.parse_json()?;
        Ok(Message::json(&(2 * number))?)
    }
    assert_eq!(double(&Message::from("21")).unwrap(), "42");
    let error = double(&Message::from("a")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("JSON of u32"), "{error}");
}

/// `serde_json` takes a text as it takes a `str`.
#[test]
fn json_is_read_from_a_text() {
    let value: serde_json::Value = serde_json::from_str(&Utf8Bytes::from("[1]")).unwrap();
    assert_eq!(value, serde_json::json!([1]));
}

#[cfg(feature = "serde")]
#[test]
fn types_that_are_data_have_serde() {
    use serde_json::{from_value, json, to_value};
    assert_eq!(to_value(text()).unwrap(), json!("12 x"));
    assert_eq!(from_value::<Utf8Bytes>(json!("12 x")).unwrap(), text());
    let info = json!({
        "sent": null,
        "received": {"code": 1001, "reason": "restart"},
        "close_sent": true,
        "close_received": true,
        "initiator": "peer",
        "cause": "handshake",
    });
    let parsed: CloseInfo = from_value(info.clone()).unwrap();
    assert_eq!(parsed.code(), CloseCode::GOING_AWAY);
    assert_eq!(to_value(parsed).unwrap(), info);
}

#[test]
fn websocket_is_a_boxed_stream() {
    use futures_util::Stream;
    fn boxed(websocket: WebSocket) -> Box<dyn Stream<Item = Result<Message, Error>>> {
        Box::new(websocket)
    }
    fn feeds(websocket: &mut WebSocket) {
        use futures_util::SinkExt;
        drop(websocket.feed(Message::from("a")));
    }
    let _ = (boxed, feeds);
}

#[tokio::test]
async fn websocket_tells_its_addresses_and_ends_by_abort() {
    fn addresses(websocket: &mut WebSocket) -> io::Result<(SocketAddr, SocketAddr)> {
        let addresses = (websocket.peer_addr()?, websocket.local_addr()?);
        websocket.abort();
        Ok(addresses)
    }
    let (mut near, far) = fullduplex::pair();
    // In memory there are none.
    assert_eq!(addresses(&mut near).unwrap_err().kind(), io::ErrorKind::Unsupported);
    near.abort();
    assert_eq!(near.state(), ReadyState::Closed);
    drop(far);
}

#[test]
fn websocket_and_halves_have_the_traits_that_tasks_need() {
    use futures_util::stream::FusedStream;
    fn is_unwind_safe<T: UnwindSafe + RefUnwindSafe + Send + Sync + Unpin>() {}
    fn is_fused<T: FusedStream>() {}
    // Their parameter has a default, so that none has to be written.
    is_unwind_safe::<WebSocket>();
    is_unwind_safe::<SendHalf>();
    is_unwind_safe::<ReceiveHalf>();
    is_fused::<WebSocket>();
    is_fused::<ReceiveHalf>();
}

#[tokio::test]
async fn halves_read_and_write_parts_and_join_again() {
    let (near, far) = fullduplex::pair();
    let (send, receive): (SendHalf, ReceiveHalf) = near.split();
    let mut writer = send.writer(MessageKind::Text);
    writer.write_all(b"in parts").await.unwrap();
    writer.shutdown().await.unwrap();
    drop(writer);
    let (_far_send, mut far_receive) = far.split();
    let mut text = String::new();
    let reader = far_receive.next_reader().await.unwrap();
    reader.unwrap().read_to_string(&mut text).await.unwrap();
    assert_eq!((text.as_str(), receive.state()), ("in parts", ReadyState::Open));
    let joined: WebSocket = send.reunite(receive).unwrap();
    let bytes: ByteStream = joined.into_byte_stream();
    assert_eq!(bytes.into_inner().state(), ReadyState::Open);
}

#[test]
fn broadcast_leaves_out_the_sender_and_takes_halves() {
    use fullduplex::broadcast::{Group, LagPolicy, Membership, Topics};
    use fullduplex::{NetStream, PreparedMessage, SendHalf};
    fn others(group: &Group, message: &PreparedMessage, me: &Membership) {
        group.publish_except(message, me);
    }
    fn half(topics: &Topics, send: &SendHalf<NetStream>) {
        drop(topics.subscribe_half("a", send, LagPolicy::DropNewest));
    }
    let _ = (others, half);
}

#[cfg(feature = "server")]
#[test]
fn handler_may_return_any_error() {
    use fullduplex::server::HandlerOutput;
    type Boxed = Box<dyn StdError + Send + Sync>;
    fn f<T: HandlerOutput>() {}
    f::<()>();
    f::<Result<(), Error>>();
    f::<Result<(), Boxed>>();
    f::<Result<(), String>>();
    f::<Option<Result<(), Error>>>();
}

#[allow(dead_code, reason = "what compiles is tested")]
async fn client_takes_every_kind_of_address(client: &Client, uri: http::Uri) -> Result<(), Error> {
    let text = uri.to_string();
    client.connect(&text).await?;
    client.connect(text).await?;
    client.connect(&uri).await?;
    client.connect(uri).await?;
    let request = http::Request::get("ws://a/").body(()).unwrap();
    client.connect(request).await?;
    Ok(())
}

#[allow(dead_code, reason = "what compiles is tested")]
fn reconnecting_client_has_what_a_connection_has(client: &fullduplex::client::Reconnecting) {
    let _ = client.try_send("x");
    let _ = (client.stats(), client.connection_stats(), client.round_trip(), client.state());
    client.reconnect();
    let _ = client.sender().start_close(CloseCode::NORMAL, "");
    let _: Box<dyn futures_util::Sink<Message, Error = Error>> = Box::new(client.sender());
}
