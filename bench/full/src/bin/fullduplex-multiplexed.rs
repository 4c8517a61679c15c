//! fullduplex on HTTP/2 or HTTP/3 over TLS, through its ordinary API.

use fullduplex::server::{Server, tls::ServerTls};
use fullduplex_bench::setup::{self, Error, MAX_MESSAGE, Setup};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let setup = Setup::from_args();
    let folder = setup.tls.ok_or("--tls FOLDER is needed")?;
    let tls = ServerTls::files(folder.join("cert.pem"), folder.join("key.pem"))?;
    let server = Server::from_listener(setup::listen()?).tls(tls);
    let server = server.max_message_size(MAX_MESSAGE as u64);
    let server = if setup.http == 3 { server.http3() } else { server.http2(true) };
    server
        .serve(|mut websocket| async move {
            while let Some(Ok(message)) = websocket.next().await {
                if websocket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .await?;
    Ok(())
}
