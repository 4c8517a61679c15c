//! Waiting no longer than a setting allows.

use std::future::Future;
use std::time::Duration;

use crate::error::Error;

/// What the future gives, or an error that names the setting once it has taken so long.
pub(crate) async fn within<F: Future>(
    setting: &'static str,
    after: Duration,
    future: F,
) -> Result<F::Output, Error> {
    tokio::time::timeout(after, future).await.map_err(|_| Error::timeout(setting, after))
}
