//! WebSockets at several paths, some for users only, with subprotocols by path:
//! `cargo run --example routes -- 127.0.0.1:9002`
//!
//! A user has a session in a cookie, as a browser does, or a token: `fdx connect --header
//! 'Authorization: Bearer secret' --subprotocol clock.seconds ws://127.0.0.1:9002/clock`.
#![allow(clippy::print_stdout)] // an example prints

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fullduplex::server::{Handshake, Server};
use fullduplex::{Error, WebSocket};
use http::header::{AUTHORIZATION, COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(address).await?;
    println!("listening on http://{}/", server.local_addr()?);
    server.serve_handshakes(route).await
}

/// Answers each request, before anything is open. What it returns as an error was answered too.
async fn route(handshake: Handshake) -> Result<(), Error> {
    let path = handshake.request().uri().path().to_owned();
    match (path.as_str(), handshake.is_websocket()) {
        ("/", false) => {
            handshake.respond(Response::new("WebSockets are at /echo and /clock\n")).await
        }
        ("/echo", true) => echo(handshake.accept().await?).await,
        ("/clock", true) => match user(handshake.request().headers()) {
            Some(user) => offer_clock(handshake, user).await,
            None => handshake.respond(unauthorized()).await,
        },
        ("/echo" | "/clock", false) => {
            let text = "this path is for WebSockets\n";
            handshake.respond(response(StatusCode::UPGRADE_REQUIRED, text)).await
        }
        _ => handshake.respond(response(StatusCode::NOT_FOUND, "nothing is here\n")).await,
    }
}

/// Returns the user of the session in a cookie, or of a bearer token.
///
/// The server's `OriginPolicy` has rejected pages of other hosts, so a cookie can be believed.
fn user(headers: &HeaderMap) -> Option<&'static str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';'));
    let session = cookies.find_map(|cookie| cookie.trim().strip_prefix("session="));
    let token = || headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ");
    // Here a real program looks into its sessions, and verifies a token.
    match session.or_else(token)? {
        "cafe" => Some("ann"),
        "secret" => Some("bob"),
        _ => None,
    }
}

async fn offer_clock(mut handshake: Handshake, user: &str) -> Result<(), Error> {
    let mut offered = handshake.subprotocols().iter();
    let Some(subprotocol) =
        offered.find(|name| ["clock.millis", "clock.seconds"].contains(&name.as_str()))
    else {
        let text = "the subprotocols are clock.seconds and clock.millis\n";
        return handshake.respond(response(StatusCode::BAD_REQUEST, text)).await;
    };
    let (in_millis, subprotocol) = (subprotocol == "clock.millis", subprotocol.clone());
    handshake.set_subprotocol(Some(subprotocol));
    handshake.add_header("x-user", user.to_owned());
    clock(handshake.accept().await?, in_millis).await
}

/// Sends the time once a second, and reads nothing.
async fn clock(websocket: WebSocket, in_millis: bool) -> Result<(), Error> {
    let send = websocket.send_only();
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = if in_millis { now.as_millis() } else { now.as_secs().into() };
        send.send(time.to_string()).await?; // fails once the client has closed
    }
}

async fn echo(mut websocket: WebSocket) -> Result<(), Error> {
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}

fn response(status: StatusCode, text: &'static str) -> Response<&'static str> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
}

fn unauthorized() -> Response<&'static str> {
    let mut response = response(StatusCode::UNAUTHORIZED, "log in first\n");
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
