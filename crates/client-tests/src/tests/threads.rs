//! What may go to another thread, which the compiler checks: on every target the same.

use fullduplex::client::{ReconnectSender, Reconnecting};
use fullduplex::{Client, CloseCode, Error, ReceiveHalf, SendHalf, WebSocket, connect};

const fn is_send<T: Send>() {}
const fn is_sync<T: Sync>() {}

const _: () = {
    is_send::<WebSocket>();
    is_send::<ReceiveHalf>();
    is_send::<SendHalf>();
    is_sync::<SendHalf>();
    is_send::<Client>();
    is_sync::<Client>();
    is_send::<Reconnecting>();
    is_send::<ReconnectSender>();
    is_sync::<ReconnectSender>();
    is_send::<Error>();
    is_sync::<Error>();
};

/// The futures, for functions that are generic over where they run.
#[allow(dead_code, reason = "it is compiled, not called")]
fn futures_are_send(websocket: &mut WebSocket) {
    fn is_send(_: impl Send) {}
    is_send(connect("ws://127.0.0.1/"));
    is_send(websocket.send("hello"));
    is_send(websocket.next());
    is_send(websocket.flush());
    is_send(websocket.close(CloseCode::NORMAL, ""));
}
