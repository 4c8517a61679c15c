//! A WebSocket proxy: `cargo run --example bridge -- 127.0.0.1:9002 ws://127.0.0.1:9003`
//!
//! It connects onwards before it accepts, so that a client sees what the server behind has
//! answered. Messages of any length, Pings, Pongs and the Close pass both ways.
#![allow(clippy::print_stdout)] // an example prints

use std::io;

use fullduplex::server::{Handshake, Server};
use fullduplex::{
    Client, ControlFrame, ControlFrames, Error, ErrorKind, ReadyState, ReceiveHalf, SendHalf,
    WebSocket,
};
use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::{Request, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or("127.0.0.1:9002".into());
    let target = arguments.next().unwrap_or("ws://127.0.0.1:9003".into());
    // No message is held as a whole, so their length has no limit here.
    let server = Server::bind(address).await?.max_message_size(None);
    println!("listening on ws://{}/", server.local_addr()?);
    server.serve_handshakes(move |handshake| bridge(handshake, target.clone())).await?;
    Ok(())
}

async fn bridge(mut handshake: Handshake, target: String) -> Result<(), Error> {
    if !handshake.is_websocket() {
        return handshake.respond(status(StatusCode::UPGRADE_REQUIRED)).await;
    }
    let server = match connect(&handshake, &target).await {
        Ok(websocket) => websocket,
        Err(error) => {
            println!("{error}");
            // A response of another kind is that of a proxy on the way.
            let response = error.response().filter(|_| error.kind() == ErrorKind::Handshake);
            let answered = response.map_or(StatusCode::BAD_GATEWAY, Response::status);
            return handshake.respond(status(answered)).await;
        }
    };
    handshake.set_subprotocol(server.subprotocol().map(str::to_owned));
    join(handshake.accept().await?, server).await;
    Ok(())
}

/// Connects onwards, with the client's path, query, subprotocols and credentials.
async fn connect(handshake: &Handshake, target: &str) -> Result<WebSocket, Error> {
    let builder = Client::builder().max_message_size(None).subprotocols(handshake.subprotocols());
    let path = handshake.request().uri().path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::get(format!("{}{path}", target.trim_end_matches('/')));
    for name in [AUTHORIZATION, COOKIE, ORIGIN] {
        for value in handshake.request().headers().get_all(&name) {
            request = request.header(&name, value);
        }
    }
    let request = request.body(()).map_err(io::Error::other)?;
    Ok(builder.build()?.connect(request).await?.0)
}

async fn join(mut client: WebSocket, mut server: WebSocket) {
    let (client_frames, server_frames) = (client.control_frames(), server.control_frames());
    let (to_client, from_client) = client.split();
    let (to_server, from_server) = server.split();
    tokio::join!(
        pass_messages(from_client, &to_server),
        pass_messages(from_server, &to_client),
        pass_control_frames(client_frames, &to_server),
        pass_control_frames(server_frames, &to_client),
    );
    for (name, half) in [("client", to_client), ("server", to_server)] {
        if let Some(info) = half.close_info() {
            println!("{name}: {info}");
        }
    }
}

/// Passes messages on, and then the end: a Close as a Close, a failure as a failure.
async fn pass_messages(mut from: ReceiveHalf, to: &SendHalf) {
    if let Err(error) = copy_messages(&mut from, to).await {
        println!("{error}");
    }
    match from.close_info() {
        // Without a code this is `CloseCode::NO_STATUS`, for an empty Close.
        Some(info) if info.close_received => {
            let _ = to.start_close(info.code(), info.reason());
        }
        Some(_) if from.state() == ReadyState::Closed => to.abort(),
        // `to` has ended, and its receiving half passes that on. Here `from` is dropped, so that
        // the rest of its messages is read in the background, and its Close.
        _ => {}
    }
}

async fn copy_messages(from: &mut ReceiveHalf, to: &SendHalf) -> io::Result<()> {
    while let Some(mut message) = from.next_reader().await? {
        let mut writer = to.writer(message.kind());
        tokio::io::copy(&mut message, &mut writer).await?;
        writer.shutdown().await?; // ends the message
    }
    Ok(())
}

/// Passes Pings and Pongs on. The library has answered the Ping already; the answer from behind
/// follows as a second Pong.
async fn pass_control_frames(mut from: ControlFrames, to: &SendHalf) {
    while let Some(frame) = from.next().await {
        let passed = match frame {
            ControlFrame::Ping(payload) => to.ping(&payload).await.map(drop),
            ControlFrame::Pong(payload) => to.pong(&payload).await,
            _ => Ok(()),
        };
        if passed.is_err() {
            return; // its receiving half passes the end on
        }
    }
}

fn status(status: StatusCode) -> Response<String> {
    let mut response = Response::new(format!("{status}\n"));
    *response.status_mut() = status;
    response
}
