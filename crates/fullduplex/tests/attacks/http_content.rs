//! Ordinary pages: short ones, endless ones, and one that takes what it is sent. Attacks on them.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;

use bytes::Bytes;
use fullduplex::server::Body;
use http::{Request, Response};

use crate::attacked_server::{AttackedServer, short_deadlines};
use crate::common::server::Pieces;
use crate::sockets::{connect_many, count_gone, read_some};

/// `/endless` has no end, `/upload` answers when the content has ended, or failed.
pub(crate) async fn page(request: Request<Body>) -> Result<Response<Pieces>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/endless" => Pieces::endless(),
        "/upload" => Pieces::once(match length(request.into_body()).await {
            Ok(length) => format!("{length} bytes"),
            Err(error) => error.to_string(),
        }),
        _ => Pieces::once(format!("page {path}")),
    })
}

async fn length(mut body: Body) -> Result<usize, fullduplex::Error> {
    use http_body::Body as _;
    let mut length = 0;
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(length)
}

#[test]
fn attack_by_missing_content_and_unread_responses() {
    let figures = AttackedServer::new(short_deadlines()).under_attack(
        "HTTP/1.1 content and answers that stall",
        |server| {
            let mut all = connect_many(server.address, 200);
            let (uploads, readers) = all.split_at_mut(100);
            for socket in uploads {
                let head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc";
                socket.write_all(head).unwrap();
            }
            for socket in readers {
                socket.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            }
            // The server ends all of them, though nobody reads.
            server.wait_for_the_end_of(200);
            let said = read_some(&mut all[0]);
            assert!(said.contains("stall_timeout") || said.is_empty(), "{said}");
            (200, count_gone(&mut all))
        },
    );
    assert!(figures.grown < 200, "{figures:?}");
}

#[test]
fn attack_by_idle_http_connections() {
    AttackedServer::new(short_deadlines()).under_attack(
        "HTTP/1.1 idle after a page, and half a second head",
        |server| {
            let mut all = connect_many(server.address, 200);
            for (i, socket) in all.iter_mut().enumerate() {
                socket.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                if i % 2 == 0 {
                    socket.write_all(b"GET /page HTTP/1.1\r\nHo").unwrap();
                }
            }
            server.wait_for_the_end_of(200);
            (200, count_gone(&mut all))
        },
    );
}
