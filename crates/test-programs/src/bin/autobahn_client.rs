//! The client that Autobahn's fuzzing server tests: it echoes what each case sends.
//!
//! `autobahn_client ws://127.0.0.1:9001`, or, through a proxy server that speaks TLS,
//! `autobahn_client wss://localhost:9002 ca.pem`, and on HTTP/2
//! `autobahn_client wss://localhost:9002 ca.pem h2`.

use fullduplex::client::{ClientTls, HttpVersion, RootCertificates};
use fullduplex::{Client, DeflateConfig, Error};

const AGENT: &str = "fullduplex";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let server = args.next().ok_or("usage: autobahn_client URL [FILE OF AUTHORITIES [h2]]")?;
    let mut builder = Client::builder()
        // The largest message of the suite; everything else has its default.
        .max_message_size(16 << 20)
        .deflate(DeflateConfig::smallest_bytes());
    if let Some(authorities) = args.next() {
        let tls = ClientTls::new().roots(RootCertificates::None).add_authorities_file(authorities);
        builder = builder.tls(tls);
    }
    if args.next().is_some_and(|version| version == "h2") {
        builder = builder.http_version(HttpVersion::Http2);
    }
    let client = builder.build()?;

    let (mut counter, _) = client.connect(format!("{server}/getCaseCount")).await?;
    let count = counter.next().await.ok_or("no case count came")??;
    let count: u32 = count.as_text().ok_or("the case count is not text")?.parse()?;
    counter.close(fullduplex::CloseCode::NORMAL, "").await?;

    for case in 1..=count {
        // The server judges how each case ends.
        let _ = echo(&client, &format!("{server}/runCase?case={case}&agent={AGENT}")).await;
    }
    let (mut update, _) = client.connect(format!("{server}/updateReports?agent={AGENT}")).await?;
    update.close(fullduplex::CloseCode::NORMAL, "").await?;
    Ok(())
}

async fn echo(client: &Client, uri: &str) -> Result<(), Error> {
    let (mut websocket, _) = client.connect(uri).await?;
    while let Some(message) = websocket.next().await {
        websocket.send(message?).await?;
    }
    Ok(())
}
