//! The servers that the tests talk to.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use fullduplex::{Client, WebSocket, connect};

use crate::target;

/// Whether this is the client on a browser's WebSocket.
pub(crate) const WEB: bool = cfg!(target_family = "wasm");

/// Returns what is expected on this target, where the two differ for this reason.
pub(crate) fn differs<T>(_reason: &'static str, native: T, web: T) -> T {
    if WEB { web } else { native }
}

/// Where Deno 2.9 does not do what the standard says.
pub(crate) const DENO_REFUSES_1014: &str = "Deno fails a connection that its peer closes with 1014";

/// The servers, as URLs without a path.
pub(crate) struct Peers {
    /// `fdx serve`, with the subprotocol `chat`.
    pub(crate) fdx: String,
    /// Node's `ws`, which does what the path says.
    pub(crate) node: String,
    /// nginx in front of `fdx serve`.
    pub(crate) nginx: String,
    /// Accepts connections, and never answers.
    pub(crate) silent: String,
    /// Where no program listens.
    pub(crate) refusing: String,
    /// The name of this run and test, by which `node` tells records apart.
    run: String,
    names: AtomicU32,
}

impl Peers {
    /// Parses words such as `fdx=ws://127.0.0.1:40000`, for this test.
    pub(crate) fn parse(words: &str, test: &str) -> Self {
        let find = |name: &str| {
            let mut values = words.split(' ').filter_map(|word| word.strip_prefix(name));
            let value = values.find_map(|rest| rest.strip_prefix('='));
            value.unwrap_or_else(|| panic!("{name} is missing in {words}")).to_owned()
        };
        Self {
            fdx: find("fdx"),
            node: find("node"),
            nginx: find("nginx"),
            silent: find("silent"),
            refusing: find("refusing"),
            run: format!("{}-{test}", find("run")),
            names: AtomicU32::new(0),
        }
    }

    /// The URLs at which each message is sent back.
    pub(crate) fn echoes(&self) -> [String; 3] {
        [&self.fdx, &self.node, &self.nginx].map(|server| format!("{server}/echo"))
    }

    /// Whether this is Deno, which differs for this reason.
    pub(crate) fn is_deno(&self, _reason: &'static str) -> bool {
        self.run.starts_with("deno")
    }

    /// A name that is used once.
    pub(crate) fn unique(&self) -> String {
        format!("{}-{}", self.run, self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// The URL at which `node` does this and records it, and the name of the record.
    pub(crate) fn recorded(&self, path: &str) -> (String, String) {
        let id = self.unique();
        (self.url_of(path, &id), id)
    }

    fn url_of(&self, path: &str, id: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{}/{path}{separator}id={id}", self.node)
    }

    /// Returns what `node` answers at this path: what it knows of the record. With `start` and
    /// `stop?signal=SIGTERM` it starts and stops a `fdx serve` of this name.
    pub(crate) async fn ask(&self, path: &str, id: &str) -> String {
        let (mut websocket, _) = connect(self.url_of(path, id)).await.unwrap();
        let answer = websocket.next().await.unwrap().unwrap();
        answer.as_text().unwrap().to_owned()
    }

    /// Returns how `node` saw a connection end: the code and the reason.
    pub(crate) async fn end(&self, id: &str) -> String {
        self.ask("end", id).await
    }
}

/// Connects to a URL with the default settings.
pub(crate) async fn open(url: &str) -> WebSocket {
    open_by(&Client::default(), url).await
}

/// Connects to a URL.
pub(crate) async fn open_by(client: &Client, url: &str) -> WebSocket {
    let opened = client.connect(url).await;
    opened.unwrap_or_else(|error| panic!("{url}: {error}")).0
}

/// Waits for a future, but not longer than this.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let (mut future, mut late) = (pin!(future), pin!(target::sleep(limit)));
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        late.as_mut().poll(cx).map(|()| None)
    })
    .await
}
