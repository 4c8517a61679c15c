//! A queue between a session and one of its sides, bounded by bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

/// The bytes that a queue holds at most, beside one entry that may be larger.
const CAPACITY: usize = 1 << 20;

/// The bytes that each entry counts for beside its payload.
const ENTRY_SIZE: usize = 256;

/// A type whose values take memory in a queue.
pub(crate) trait Weigh {
    /// Returns the size of the payload in bytes.
    fn weight(&self) -> usize;
}

struct Shared {
    free: Semaphore,
    is_discarded: AtomicBool,
}

/// The sending end of a queue. Clones send to the same queue.
pub(crate) struct QueueSender<T> {
    entries: mpsc::UnboundedSender<T>,
    shared: Arc<Shared>,
    runtime: Handle,
}

/// The receiving end of a queue.
pub(crate) struct QueueReceiver<T> {
    entries: mpsc::UnboundedReceiver<T>,
    shared: Arc<Shared>,
}

/// Says that the receiver is gone, or, where nothing waits, that there is no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// Creates a queue, within a runtime. It holds about 1 MiB, so that a slow side slows the other.
pub(crate) fn queue<T: Weigh>() -> (QueueSender<T>, QueueReceiver<T>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let free = Semaphore::new(CAPACITY);
    let shared = Arc::new(Shared { free, is_discarded: AtomicBool::new(false) });
    let sender =
        QueueSender { entries: sender, shared: shared.clone(), runtime: Handle::current() };
    (sender, QueueReceiver { entries: receiver, shared })
}

/// Returns the permits that an entry takes.
fn permits<T: Weigh>(entry: &T) -> usize {
    (entry.weight() + ENTRY_SIZE).min(CAPACITY)
}

impl<T: Weigh> QueueSender<T> {
    /// Queues an entry, and waits for space. Cancelling it queues nothing.
    pub(crate) async fn send(&self, entry: T) -> Result<(), Gone> {
        let wanted = u32::try_from(permits(&entry)).unwrap_or(u32::MAX);
        self.shared.free.acquire_many(wanted).await.map_err(|_| Gone)?.forget();
        self.entries.send(entry).map_err(|_| Gone)
    }

    /// Queues an entry from a thread outside the runtime, and blocks for space.
    pub(crate) fn blocking_send(&self, entry: T) -> Result<(), Gone> {
        let wanted = u32::try_from(permits(&entry)).unwrap_or(u32::MAX);
        match self.shared.free.try_acquire_many(wanted) {
            Ok(space) => space.forget(),
            Err(_) => return self.runtime.block_on(self.send(entry)),
        }
        self.entries.send(entry).map_err(|_| Gone)
    }

    /// Queues an entry if there is space now.
    pub(crate) fn try_send(&self, entry: T) -> Result<(), Gone> {
        let wanted = u32::try_from(permits(&entry)).unwrap_or(u32::MAX);
        self.shared.free.try_acquire_many(wanted).map_err(|_| Gone)?.forget();
        self.entries.send(entry).map_err(|_| Gone)
    }

    /// Drops what is queued and what will be: the receiver is at its end.
    pub(crate) fn discard(&self) {
        self.shared.is_discarded.store(true, Relaxed);
    }

    /// Waits until the receiver is dropped.
    pub(crate) async fn gone(&self) {
        self.entries.closed().await;
    }
}

impl<T> Clone for QueueSender<T> {
    fn clone(&self) -> Self {
        let (entries, shared) = (self.entries.clone(), self.shared.clone());
        Self { entries, shared, runtime: self.runtime.clone() }
    }
}

impl<T: Weigh> QueueReceiver<T> {
    /// Returns the next entry, or `None` at the end. Cancelling it loses nothing.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        let entry = self.entries.recv().await;
        self.taken(entry)
    }

    /// Returns the next entry, or `None` at the end, in a thread outside the runtime.
    pub(crate) fn blocking_recv(&mut self) -> Option<T> {
        let entry = self.entries.blocking_recv();
        self.taken(entry)
    }

    /// Returns the next entry if there is one now.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        let entry = self.entries.try_recv().ok();
        self.taken(entry)
    }

    /// Whether what is queued is dropped: nothing more is to be printed.
    pub(crate) fn is_discarded(&self) -> bool {
        self.shared.is_discarded.load(Relaxed)
    }

    fn taken(&self, entry: Option<T>) -> Option<T> {
        if let Some(entry) = &entry {
            self.shared.free.add_permits(permits(entry));
        }
        entry.filter(|_| !self.is_discarded())
    }
}

impl<T> Drop for QueueReceiver<T> {
    fn drop(&mut self) {
        self.shared.free.close();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    impl Weigh for Vec<u8> {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[tokio::test]
    async fn queue_is_bounded_by_bytes() {
        let (sender, mut receiver) = queue::<Vec<u8>>();
        // An entry that is larger than the queue fits in an empty one.
        sender.send(vec![1; 2 * CAPACITY]).await.unwrap();
        let full = timeout(Duration::from_millis(20), sender.send(Vec::new())).await;
        assert!(full.is_err());
        assert_eq!(sender.try_send(Vec::new()), Err(Gone));
        assert_eq!(receiver.recv().await.unwrap().len(), 2 * CAPACITY);
        sender.try_send(vec![2]).unwrap();
        let thread = std::thread::spawn({
            let sender = sender.clone();
            move || sender.blocking_send(vec![3; CAPACITY])
        });
        assert_eq!(receiver.recv().await.unwrap(), [2]);
        assert_eq!(receiver.recv().await.unwrap().len(), CAPACITY);
        thread.join().unwrap().unwrap();
        drop(receiver);
        assert_eq!(sender.send(Vec::new()).await, Err(Gone));
    }

    #[tokio::test]
    async fn queue_that_is_discarded_is_at_its_end() {
        let (sender, mut receiver) = queue::<Vec<u8>>();
        sender.send(vec![1]).await.unwrap();
        sender.discard();
        assert_eq!(receiver.recv().await, None);
        drop(receiver);
        timeout(Duration::from_secs(5), sender.gone()).await.unwrap();
    }
}
