//! The settings of a server or a client, and the code that all servers need.

use std::future::{Future, poll_fn};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fullduplex::DeflateConfig;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

/// The limit on messages: longer than any that is sent here.
pub const MAX_MESSAGE: usize = 16 << 20;

/// The most connections that wait to be accepted.
const BACKLOG: u32 = 4096;

pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The mode of permessage-deflate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deflate {
    #[default]
    Off,
    /// No context takeover, either way.
    Shared,
    /// Context takeover with 15 bits, both ways.
    Dedicated,
    /// Context takeover, with the memory that the library recommends.
    Balanced,
}

impl Deflate {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
            Self::Balanced => "balanced",
        }
    }
}

/// The arguments of a server or a client: `[--deflate MODE] [--level N] [--tls FOLDER] [--room]
/// [--cork] [--reset] [--pieces] [--http VERSION]`.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    pub deflate: Deflate,
    /// The level of compression; `None` for the library's default.
    pub level: Option<u8>,
    /// A folder with `cert.pem` and `key.pem`.
    pub tls: Option<PathBuf>,
    /// Whether each message is sent to all connections, rather than echoed.
    pub room: bool,
    /// Whether writes are gathered while more input is available.
    pub cork: bool,
    /// Whether a connection that the peer has ended is reset, so that no port stays in TIME_WAIT.
    pub reset: bool,
    /// Whether a message is sent on in parts while it arrives, rather than received whole.
    pub pieces: bool,
    /// The HTTP version, of programs that have several: 2 or 3.
    pub http: u8,
}

impl Setup {
    pub fn from_args() -> Self {
        let mut setup = Self::default();
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_default();
            match arg.as_str() {
                "--deflate" => {
                    let name = value();
                    let all = [Deflate::Shared, Deflate::Dedicated, Deflate::Balanced];
                    setup.deflate =
                        all.into_iter().find(|mode| mode.name() == name).unwrap_or_default();
                }
                "--level" => setup.level = value().parse().ok(),
                "--tls" => setup.tls = Some(value().into()),
                "--room" => setup.room = true,
                "--cork" => setup.cork = true,
                "--reset" => setup.reset = true,
                "--pieces" => setup.pieces = true,
                "--http" => setup.http = value().parse().unwrap_or_default(),
                _ => {}
            }
        }
        setup
    }

    /// Returns the settings of compression for this library.
    pub fn deflate_config(&self) -> Option<DeflateConfig> {
        let mut config = match self.deflate {
            Deflate::Off => return None,
            Deflate::Shared => DeflateConfig::small_memory(),
            Deflate::Balanced => DeflateConfig::balanced(),
            Deflate::Dedicated => {
                // At the level that zlib has by default, and so the others here.
                DeflateConfig::balanced().level(6).send_window_bits(15).receive_window_bits(15)
            }
        };
        config.level = self.level.unwrap_or(config.level);
        Some(config)
    }

    pub fn tls_acceptor(&self) -> Result<Option<TlsAcceptor>, Error> {
        self.tls.as_deref().map(acceptor).transpose()
    }
}

fn acceptor(folder: &Path) -> Result<TlsAcceptor, Error> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let cert = CertificateDer::from_pem_file(folder.join("cert.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Listens on a free port and prints it for the load.
pub fn listen() -> io::Result<TcpListener> {
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// Runs a task for each connection, on the one thread of a pinned server.
pub fn run<H, F, T>(mut handle: H) -> Result<(), Error>
where
    H: FnMut(TcpStream) -> F,
    F: Future<Output = Result<T, Error>> + 'static,
    T: 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async move {
        let listener = listen()?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // The end of one connection does not affect the others.
            tokio::task::spawn_local(handle(stream));
        }
    })
}

/// The most messages that are answered together with `cork`.
const MAX_GATHERED: usize = 64;

/// Echoes data messages. With `cork`, messages that have arrived already are received first, then
/// fed and flushed together.
pub async fn echo<W, M, E>(mut ws: W, cork: bool, is_data: impl Fn(&M) -> bool) -> Result<(), Error>
where
    W: Stream<Item = Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: std::error::Error + Send + Sync + 'static,
{
    let mut waiting = Vec::new();
    while let Some(message) = ws.next().await {
        let message = message?;
        if !cork {
            if is_data(&message) {
                ws.send(message).await?;
            }
            continue;
        }
        waiting.push(message);
        while waiting.len() < MAX_GATHERED
            && let Some(Some(more)) = ready(ws.next()).await
        {
            waiting.push(more?);
        }
        for message in waiting.drain(..).filter(&is_data) {
            ws.feed(message).await?;
        }
        ws.flush().await?;
    }
    Ok(())
}

/// Returns the output of a future if it is ready at once.
pub async fn ready<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
