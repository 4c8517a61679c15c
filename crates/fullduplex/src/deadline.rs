//! Waiting no longer than a setting allows.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::Error;

/// What the future gives, or an error that names the setting once it has taken so long.
pub(crate) async fn within<F: Future>(
    setting: &'static str,
    after: Duration,
    future: F,
) -> Result<F::Output, Error> {
    Deadline::new(setting, after).bound(future).await
}

/// The end of the time that a setting allows, for several steps together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    setting: &'static str,
    after: Duration,
    at: Instant,
}

impl Deadline {
    /// So long from now.
    pub(crate) fn new(setting: &'static str, after: Duration) -> Self {
        // What is too far off to be told never comes.
        let far = Duration::from_secs(86_400 * 365);
        Self { setting, after, at: Instant::now() + after.min(far) }
    }

    /// What the future gives, or an error that names the setting.
    pub(crate) async fn bound<F: Future>(&self, future: F) -> Result<F::Output, Error> {
        timeout_at(self.at, future).await.map_err(|_| Error::timeout(self.setting, self.after))
    }
}
