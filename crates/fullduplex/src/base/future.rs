//! Futures whose type is erased.

use std::future::Future;
use std::pin::Pin;

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
