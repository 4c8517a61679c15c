//! All connections of one start of the program, and the sinks of what is seen on them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::Client;
use fullduplex_inspect::redaction::Redaction;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{interval, sleep, timeout};

use super::accept::{Relay, Way};
use super::act::Acting;
use super::event::Sink;
use super::files::{FLUSH_EVERY, HarFile, Recorder};
use super::filtered::Filtered;
use super::observer::Sinks;
use super::output::{JsonOutput, TextOutput};
use super::page::{self, Kept};
use super::redacted::Redacted;
use super::shared_args::SharedArgs;
use crate::base::files::is_same_file;
use crate::base::signals::EndSignals;
use crate::serve::file_limit::{self, FileCounts};
use crate::serve::listen::{Address, BoundListener, SystemdListeners};

/// The time for the connections to end, once they are reset.
const END_TIMEOUT: Duration = Duration::from_millis(600);

/// The time between two looks at whether connections are open.
const IDLE_CHECK: Duration = Duration::from_millis(10);

/// A session whose listeners are bound, and that accepts nothing yet.
pub(super) struct BoundSession {
    bound: Vec<BoundListener>,
    pub(super) addresses: Vec<Address>,
    sinks: Sinks,
    /// The URL of the page.
    pub(super) page: Option<String>,
    permits: usize,
}

/// A session that accepts connections.
pub(super) struct Session {
    sinks: Sinks,
    stop: watch::Sender<bool>,
    permits: Arc<Semaphore>,
    /// How many permits there are while nothing is open.
    max_permits: usize,
    listeners: usize,
    /// Nothing is sent on it: it ends with the last connection.
    all_ended: mpsc::Receiver<()>,
    /// They remove the files of Unix sockets when they are dropped.
    #[cfg(unix)]
    _files: Vec<Option<fullduplex::server::listen::UnixSocketFile>>,
}

impl BoundSession {
    /// Listens, and opens the files of the options. Must be called within the runtime.
    pub(super) fn new(
        shared: &SharedArgs,
        listen: &Address,
        systemd: &mut SystemdListeners,
    ) -> Result<Self, String> {
        let limit = file_limit::raise(shared.max_connections, FileCounts { each: 2, processes: 0 });
        if let Some(warning) = &limit.warning {
            report!("fdx inspect: warning: {warning}");
        }
        let bound = listen.bind(systemd, None)?;
        let addresses = bound.iter().map(|bound| bound.address.clone()).collect();
        let (sinks, page) = sinks(shared, true)?;
        let permits = limit.max_connections.map_or(Semaphore::MAX_PERMITS, |max| max as usize);
        Ok(Self { bound, addresses, sinks, page, permits })
    }

    /// Accepts connections from now on.
    #[cfg_attr(not(unix), allow(unused_mut, reason = "there are no files"))]
    pub(super) fn start(mut self, client: Client, way: Way) -> Session {
        let (stop, stopped) = watch::channel(false);
        let (open, all_ended) = mpsc::channel(1);
        let permits = Arc::new(Semaphore::new(self.permits));
        let relay = Arc::new(Relay {
            client,
            way,
            sinks: self.sinks.clone(),
            permits: permits.clone(),
            last_number: Arc::default(),
        });
        #[cfg(unix)]
        let files = self.bound.iter_mut().map(|bound| bound.file.take()).collect();
        let listeners = self.bound.len();
        for listener in self.bound.into_iter().map(|bound| bound.listener) {
            tokio::spawn(relay.clone().accept(listener, stopped.clone(), open.clone()));
        }
        Session {
            sinks: self.sinks,
            stop,
            permits,
            max_permits: self.permits,
            listeners,
            all_ended,
            #[cfg(unix)]
            _files: files,
        }
    }
}

impl Session {
    /// Writes what waits to be written to files, now and then.
    pub(super) async fn flush(&self) -> Infallible {
        flush(&self.sinks).await
    }

    /// Waits until no connection is open, for this time at most.
    pub(super) async fn wait_until_idle(&self, limit: Duration) {
        let is_open = || {
            // Each listener that waits for a connection has a permit.
            self.permits.available_permits() + self.listeners < self.max_permits
        };
        let waiting = async {
            while is_open() {
                sleep(IDLE_CHECK).await;
            }
        };
        let _ = timeout(limit, waiting).await;
    }

    /// Resets what is open, and writes what is left. Another signal shortens it.
    pub(super) async fn end(mut self, signals: &mut EndSignals) {
        let _ = self.stop.send(true);
        tokio::select! {
            biased;
            _ = signals.next() => {}
            _ = timeout(END_TIMEOUT, self.all_ended.recv()) => {}
        }
        for sink in &*self.sinks {
            sink.finish();
        }
    }
}

/// Writes what waits to be written to files, now and then.
pub(super) async fn flush(sinks: &Sinks) -> Infallible {
    let mut interval = interval(FLUSH_EVERY);
    loop {
        interval.tick().await;
        for sink in &**sinks {
            sink.flush();
        }
    }
}

/// Returns the sinks of what is seen, with what acts on it if something can, and the URL of the
/// page.
pub(super) fn sinks(args: &SharedArgs, can_act: bool) -> Result<(Sinks, Option<String>), String> {
    let (rules, mut acting) = (args.act.rules()?, None);
    if can_act {
        let redaction = args.redact.then(Redaction::default);
        acting = Acting::new(rules, args.page.is_some(), redaction);
    } else if !rules.is_empty() {
        return Err("nothing passes here that could be held, changed, delayed or cut".into());
    }
    let max_memory = (args.max_memory as usize).saturating_mul(1 << 20);
    let mut output: Box<dyn Sink> =
        if args.json { Box::new(JsonOutput) } else { Box::new(TextOutput) };
    if let Some(filter) = &args.filter {
        output = Box::new(Filtered::new(filter.clone(), output));
    }
    let mut sinks = vec![output];
    if let Some(path) = &args.record {
        let recorder = Recorder::create(path, args.redact);
        let failed = |error| format!("--record {}: {error}", path.display());
        sinks.push(Box::new(recorder.map_err(failed)?));
    }
    if let Some(path) = &args.har {
        if args.record.as_ref().is_some_and(|record| is_same_file(record, path)) {
            return Err("--record and --har are one file: write to two".into());
        }
        let har = HarFile::create(path, max_memory);
        let failed = |error| format!("--har {}: {error}", path.display());
        sinks.push(Box::new(har.map_err(failed)?));
    }
    let mut url = None;
    if let Some(address) = &args.page {
        let kept = Arc::new(Kept::new(max_memory));
        url = Some(page::serve(address, kept.clone(), acting.clone())?);
        sinks.push(Box::new(kept));
    }
    if args.redact {
        sinks = vec![Box::new(Redacted::new(sinks))];
    }
    Ok((Sinks::new(sinks, acting), url))
}
