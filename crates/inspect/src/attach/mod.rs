//! A tap through which `fdx inspect --attach` looks into a program while it runs.
//!
//! With the feature `attach`, on Unix.

mod connection;
mod frames;
mod reader;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fullduplex::server::listen::{UnixSocketFile, bind_unix};
use fullduplex::tap::{ConnectionTap, Opening, Tap};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use self::connection::ObservedConnection;
use self::reader::{Line, Reader};

/// The permissions of the socket: its user's only.
const MODE: u32 = 0o600;

/// The connections that may wait to be accepted.
const BACKLOG: u32 = 16;

/// The pause after an error of `accept` that persists, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a program lets others look into it; see [`AttachTap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttachConfig {
    /// The bytes of lines that wait for a reader before it loses some. Default: 4 MiB.
    ///
    /// Each reader has such a queue. What opens and ends WebSockets may take as much again.
    pub max_waiting: usize,
    /// The readers at the same time; more are let go at once. Default: 8.
    pub max_readers: usize,
    /// Whether WebSockets are followed also while there is no reader. Default: `false`.
    ///
    /// If so, a reader also sees those that were opened before it came, from their next messages
    /// on. This costs for each of them the memory of its handshake and some 400 bytes, and a copy
    /// of what is read and written.
    pub always: bool,
}

impl Default for AttachConfig {
    fn default() -> Self {
        Self { max_waiting: 4 << 20, max_readers: 8, always: false }
    }
}

impl AttachConfig {
    /// Sets [`max_waiting`](Self::max_waiting), in bytes.
    #[must_use]
    pub const fn max_waiting(mut self, bytes: usize) -> Self {
        self.max_waiting = bytes;
        self
    }

    /// Sets [`max_readers`](Self::max_readers).
    #[must_use]
    pub const fn max_readers(mut self, readers: usize) -> Self {
        self.max_readers = readers;
        self
    }

    /// Sets [`always`](Self::always).
    #[must_use]
    pub const fn always(mut self, is_on: bool) -> Self {
        self.always = is_on;
        self
    }
}

/// A tap for `fdx inspect --attach unix:PATH`: it listens on a Unix socket, and sends each reader
/// what the program's WebSockets receive and send, as lines of a
/// [recording](crate::recording).
///
/// Only the user of the program, and root, can connect. What readers see has secrets: header fields
/// and messages.
///
/// While there is no reader, a WebSocket that is opened is not observed and costs nothing. So a
/// reader sees the WebSockets that are opened after it has come, unless
/// [`AttachConfig::always`] is set. No reader slows the program: one that does not take its lines
/// in time loses whole messages, and is notified of how many bytes it lost. If messages are
/// compressed with context takeover (RFC 7692 §7.1.1), those after such a gap can't be
/// decompressed.
///
/// It may be the tap of any number of clients and servers. The file of the socket is removed when
/// it is dropped.
///
/// ```
/// use std::sync::Arc;
///
/// use fullduplex::Client;
/// use fullduplex::server::ServerConfig;
/// use fullduplex_inspect::attach::AttachTap;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tap = Arc::new(AttachTap::bind("/run/chat/inspect.sock")?);
/// let client = Client::builder().tap(tap.clone()).build()?;
/// let config = ServerConfig::default().tap(tap as Arc<dyn fullduplex::tap::Tap>);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AttachTap {
    shared: Arc<Shared>,
    accepting: AbortHandle,
    path: PathBuf,
    _file: UnixSocketFile,
}

/// What the tap, its WebSockets and its readers share.
#[derive(Debug)]
struct Shared {
    config: AttachConfig,
    /// Whether there are readers.
    is_read: AtomicBool,
    readers: Mutex<Readers>,
    last_number: AtomicU64,
    /// The WebSockets that are not observed, as there was no reader.
    unobserved: AtomicU64,
}

#[derive(Debug, Default)]
struct Readers {
    readers: Vec<Arc<Reader>>,
    /// The first lines of the WebSockets that are observed.
    openings: BTreeMap<u64, Line>,
}

impl AttachTap {
    /// Listens on a Unix socket at this path, with the default settings.
    ///
    /// A socket file that a killed program left behind is replaced; any other file stays.
    ///
    /// # Errors
    /// Another process listens on the socket, or the file is not a socket; or the error of the
    /// system.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_with(path, AttachConfig::default())
    }

    /// Listens on a Unix socket at this path; see [`bind`](Self::bind).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    /// As [`bind`](Self::bind).
    pub fn bind_with(path: impl AsRef<Path>, config: AttachConfig) -> io::Result<Self> {
        let path = path.as_ref();
        let listener = bind_unix(path, Some(MODE), BACKLOG)?;
        let file = UnixSocketFile::new(path);
        let listener = UnixListener::from_std(listener)?;
        let shared = Arc::new(Shared {
            config,
            is_read: AtomicBool::new(false),
            readers: Mutex::default(),
            last_number: AtomicU64::new(0),
            unobserved: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::downgrade(&shared))).abort_handle();
        Ok(Self { shared, accepting, path: path.to_owned(), _file: file })
    }

    /// Returns the path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AttachTap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Tap for AttachTap {
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
        let shared = &self.shared;
        if !shared.config.always && !shared.is_read.load(Ordering::Relaxed) {
            shared.unobserved.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let number = shared.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        Some(Box::new(ObservedConnection::new(shared.clone(), number, opening)))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of a WebSocket that is opened.
    fn open(&self, number: u64, line: &Line) {
        let mut readers = self.lock();
        readers.openings.insert(number, line.clone());
        for reader in &readers.readers {
            reader.open(number, line);
        }
    }

    fn for_each_reader(&self, mut tell: impl FnMut(&Reader)) {
        if self.is_read.load(Ordering::Relaxed) {
            let readers = self.lock().readers.clone();
            for reader in &readers {
                tell(reader);
            }
        }
    }

    /// Forgets a WebSocket that has ended.
    fn forget(&self, number: u64) {
        let mut readers = self.lock();
        readers.openings.remove(&number);
        for reader in &readers.readers {
            reader.forget(number);
        }
    }

    /// Adds a reader, unless there are too many, and tells it of the WebSockets that are open.
    fn attach(&self) -> Option<Arc<Reader>> {
        let mut readers = self.lock();
        if readers.readers.len() >= self.config.max_readers {
            return None;
        }
        let reader = Arc::new(Reader::new(self.config.max_waiting));
        let unobserved = self.unobserved.load(Ordering::Relaxed);
        let program = std::env::current_exe().ok();
        let program =
            program.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
        let greeting = json!({
            "fullduplex-recording": 1,
            "program": program,
            "process": std::process::id(),
            "unobserved": unobserved,
        });
        reader.greet(greeting.to_string().into());
        for (number, line) in &readers.openings {
            reader.open(*number, line);
        }
        readers.readers.push(reader.clone());
        self.is_read.store(true, Ordering::Relaxed);
        Some(reader)
    }

    fn detach(&self, reader: &Arc<Reader>) {
        let mut readers = self.lock();
        readers.readers.retain(|each| !Arc::ptr_eq(each, reader));
        self.is_read.store(!readers.readers.is_empty(), Ordering::Relaxed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for reader in &self.lock().readers {
            reader.finish();
        }
    }
}

/// Accepts readers until the tap is dropped.
async fn accept(listener: UnixListener, shared: Weak<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Some(reader) = shared.upgrade().and_then(|shared| shared.attach()) else {
                    continue;
                };
                tokio::spawn(serve(stream, reader, shared.clone()));
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn serve(stream: UnixStream, reader: Arc<Reader>, shared: Weak<Shared>) {
    reader.serve(stream).await;
    if let Some(shared) = shared.upgrade() {
        shared.detach(&reader);
    }
}
