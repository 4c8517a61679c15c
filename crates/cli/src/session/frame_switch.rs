//! Whether the frames of a session are shown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Whether frames are shown, which `/frames` changes. Clones are the same switch.
#[derive(Clone, Debug)]
pub(crate) struct FrameSwitch(Arc<AtomicBool>);

impl FrameSwitch {
    pub(crate) fn new(is_on: bool) -> Self {
        Self(Arc::new(AtomicBool::new(is_on)))
    }

    /// Changes whether frames are shown, and returns whether they are now.
    pub(crate) fn toggle(&self) -> bool {
        !self.0.fetch_xor(true, Relaxed)
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Relaxed)
    }
}
