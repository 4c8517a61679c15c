//! A client that leaves before its response cancels the service on every version.

use std::convert::Infallible;
use std::time::Duration;

use fullduplex::server::{Server, ServerConfig};
use http::{Request, Response, Version};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower::service_fn;

use crate::common::tls::localhost;
use crate::requests::Ask;

/// Reports that it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[tokio::test]
async fn service_is_dropped_when_its_client_cancels() {
    for version in [Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        let (tell, mut told) = mpsc::unbounded_channel();
        let config = ServerConfig::default().http2(true);
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        let mut server = server.service(service_fn(move |_: Request<_>| {
            let tell = tell.clone();
            async move {
                tell.send("called").unwrap();
                let _reports = Dropped(tell);
                std::future::pending::<Result<Response<String>, Infallible>>().await
            }
        }));
        if version == Version::HTTP_3 {
            server = server.tls(localhost()).http3();
        }
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve(crate::common::echo));
        let ask = Ask::get("/poll");
        tokio::select! {
            answer = ask.send(version, address) => panic!("{answer:?}"),
            called = told.recv() => assert_eq!(called, Some("called"), "{version:?}"),
        }
        let dropped = timeout(Duration::from_secs(10), told.recv()).await;
        assert_eq!(dropped.expect("the service is dropped"), Some("dropped"), "{version:?}");
    }
}
