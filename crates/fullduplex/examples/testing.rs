//! A handler, and tests of it without sockets and without waiting: `cargo test --example testing`
//!
//! The server is an auction: `cargo run --example testing -- 127.0.0.1:9002`, and then `fdx connect
//! ws://127.0.0.1:9002/auction`. A bid is a number. When a minute passes without a higher one, the
//! last one wins.
#![allow(clippy::print_stdout)] // an example prints

use std::time::Duration;

use fullduplex::server::{Handshake, Server};
use fullduplex::{CloseCode, Error, WebSocket};
use http::{Response, StatusCode};
use tokio::time::{Instant, timeout_at};

const MINUTE: Duration = Duration::from_secs(60);
const SOLD: CloseCode = CloseCode::new(4000);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:9002".into());
    let server = Server::bind(address).await?;
    println!("listening on ws://{}/", server.local_addr()?);
    server.serve_handshakes(route).await
}

async fn route(handshake: Handshake) -> Result<(), Error> {
    if handshake.is_websocket() && handshake.request().uri().path() == "/auction" {
        return auction(handshake.accept().await?).await;
    }
    let mut response = Response::new("the auction is at /auction\n");
    *response.status_mut() = StatusCode::NOT_FOUND;
    handshake.respond(response).await
}

/// An auction with one bidder, which ends a minute after the last bid that was the highest.
async fn auction(mut websocket: WebSocket) -> Result<(), Error> {
    let (mut highest, mut end) = (0, Instant::now() + MINUTE);
    while let Ok(message) = timeout_at(end, websocket.next()).await {
        let Some(message) = message else { return Ok(()) };
        let answer = match message?.as_text().map(str::parse::<u32>) {
            Some(Ok(bid)) if bid > highest => {
                (highest, end) = (bid, Instant::now() + MINUTE);
                format!("{bid} is the highest bid")
            }
            Some(Ok(_)) => format!("bid more than {highest}"),
            _ => "a bid is a number".into(),
        };
        websocket.send(answer).await?;
    }
    websocket.close(SOLD, &format!("sold for {highest}")).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use fullduplex::client::{Client, Proxies};
    use fullduplex::server::{DrainOptions, listen};
    use tokio::time::timeout;

    use super::*;

    type Result = std::result::Result<(), Box<dyn std::error::Error>>;

    /// Sends a bid, and returns the answer. As every wait here, it has an end.
    async fn bid(websocket: &mut WebSocket, bid: &str) -> std::result::Result<String, Error> {
        websocket.send(bid).await?;
        let answer =
            timeout(MINUTE, websocket.next()).await.expect("in time").expect("an answer")?;
        Ok(answer.as_text().unwrap_or_default().to_owned())
    }

    /// Waits by reading. In a `sleep` no Ping would be answered, and the server's keepalive would
    /// end the connection.
    async fn nothing_comes(websocket: &mut WebSocket, time: Duration) {
        let next = timeout(time, websocket.next()).await;
        assert!(next.is_err(), "{next:?}");
    }

    /// A pair of WebSockets that are connected in memory is all that a handler needs.
    #[tokio::test]
    async fn auction_compares_bids() -> Result {
        let (mut bidder, server) = fullduplex::pair();
        let auction = tokio::spawn(auction(server));

        assert_eq!(bid(&mut bidder, "10").await?, "10 is the highest bid");
        assert_eq!(bid(&mut bidder, "9").await?, "bid more than 10");
        assert_eq!(bid(&mut bidder, "much").await?, "a bid is a number");
        assert!(bidder.close(CloseCode::NORMAL, "").await?.is_clean());

        auction.await??;
        Ok(())
    }

    /// With paused time, the clock goes on when all tasks wait: this takes milliseconds.
    #[tokio::test(start_paused = true)]
    async fn auction_ends_a_minute_after_the_last_bid() -> Result {
        let (mut bidder, server) = fullduplex::pair();
        tokio::spawn(auction(server));

        let start = Instant::now();
        bid(&mut bidder, "10").await?;
        nothing_comes(&mut bidder, MINUTE * 2 / 3).await;
        bid(&mut bidder, "20").await?;
        nothing_comes(&mut bidder, MINUTE * 2 / 3).await;
        bid(&mut bidder, "19").await?;
        assert!(bidder.next().await.is_none());

        let info = bidder.close_info().expect("the auction has ended");
        assert_eq!((info.code(), info.reason()), (SOLD, "sold for 20"));
        assert_eq!(start.elapsed().as_secs(), 100);
        Ok(())
    }

    /// A whole server, with its routes and limits, listens in memory.
    #[tokio::test(start_paused = true)]
    async fn server_has_one_path_and_a_limit() -> Result {
        let (listener, connector) = listen::memory();
        let server = Server::from_listener(listener).max_message_size(10);
        let handle = server.handle();
        let serving = tokio::spawn(server.serve_handshakes(route));
        let client = Client::builder().connector(connector).proxies(Proxies::none()).build()?;

        let error = client.connect("ws://test/shop").await.expect_err("nothing is at this path");
        assert_eq!(error.response().map(Response::status), Some(StatusCode::NOT_FOUND));

        let (mut bidder, _) = client.connect("ws://test/auction").await?;
        assert_eq!(bid(&mut bidder, "10").await?, "10 is the highest bid");
        bidder.send("1".repeat(11)).await?;
        assert!(bidder.next().await.is_none());
        assert_eq!(bidder.close_info().map(|info| info.code()), Some(CloseCode::MESSAGE_TOO_BIG));

        handle.drain(DrainOptions::default()).await;
        serving.await??;
        Ok(())
    }
}
