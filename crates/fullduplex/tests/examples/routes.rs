//! `routes`.

use fullduplex::{ClientBuilder, CloseCode, Error};
use http::StatusCode;

use crate::common::example::Serving;
use crate::common::{direct, say};
use crate::{get, open, text};

/// The error of a client that the server rejects.
async fn rejected(client: ClientBuilder, server: &Serving, path: &str) -> Error {
    let url = format!("ws://{}{path}", server.address);
    client.build().unwrap().connect(url).await.unwrap_err()
}

#[tokio::test]
async fn example_routes_serves_paths() {
    let server = Serving::start("routes");
    say(&mut open(&server, "/echo").await, "hello").await;
    let error = rejected(direct(), &server, "/nowhere").await;
    assert_eq!(error.response().unwrap().status(), StatusCode::NOT_FOUND);
    for (path, status) in [("/", 200), ("/echo", 426), ("/clock", 426), ("/nowhere", 404)] {
        let response = get(&server, path).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {response}");
    }
}

#[tokio::test]
async fn example_routes_lets_users_in() {
    let server = Serving::start("routes");
    for stranger in
        [direct(), direct().bearer_auth("guess"), direct().header("cookie", "session=x")]
    {
        let error = rejected(stranger.subprotocols(["clock.seconds"]), &server, "/clock").await;
        let response = error.response().unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    let error =
        rejected(direct().bearer_auth("secret").subprotocols(["x"]), &server, "/clock").await;
    assert_eq!(error.response().unwrap().status(), StatusCode::BAD_REQUEST);

    let by_cookie = direct().header("cookie", "a=b; session=cafe").subprotocols(["clock.seconds"]);
    let by_token = direct().bearer_auth("secret").subprotocols(["x", "clock.millis"]);
    for (client, user, subprotocol) in
        [(by_cookie, "ann", "clock.seconds"), (by_token, "bob", "clock.millis")]
    {
        let url = format!("ws://{}/clock", server.address);
        let (mut websocket, response) = client.build().unwrap().connect(url).await.unwrap();
        assert_eq!(response.headers()["x-user"], user);
        assert_eq!(websocket.subprotocol(), Some(subprotocol));
        let time: u64 = text(&mut websocket).await.parse().unwrap();
        assert_eq!(time > 1_000_000_000_000, subprotocol == "clock.millis", "{time}");
        assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());
    }
}
