//! The types that handlers may return.

use std::convert::Infallible;
use std::fmt::Display;

/// A type that a handler of a server may return: `()`, or a `Result`, so that it can use `?`.
///
/// An error is only reported to `tracing`, with the feature of that name. A WebSocket that the
/// handler drops is closed with 1001, as by any other `return`.
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// use fullduplex::server::Server;
///
/// let server = Server::bind("127.0.0.1:9001").await?;
/// server
///     .serve(|mut websocket| async move {
///         while let Some(message) = websocket.next().await {
///             websocket.send(message?).await?;
///         }
///         Ok::<_, fullduplex::Error>(())
///     })
///     .await
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler returns `()` or `Result<(), E>`, not `{Self}`",
    label = "`E` must implement `Display`"
)]
pub trait HandlerOutput: private::Output {}

impl<T: private::Output> HandlerOutput for T {}

pub(super) mod private {
    use super::{Display, Infallible};

    pub trait Output {
        /// Returns the error that the handler returned.
        fn error(&self) -> Option<&dyn Display>;
    }

    impl Output for () {
        fn error(&self) -> Option<&dyn Display> {
            None
        }
    }

    impl<E: Display> Output for Result<(), E> {
        fn error(&self) -> Option<&dyn Display> {
            self.as_ref().err().map(|error| error as &dyn Display)
        }
    }

    /// A handler that runs until its task ends.
    impl Output for Never {
        fn error(&self) -> Option<&dyn Display> {
            None
        }
    }

    impl Output for Infallible {
        fn error(&self) -> Option<&dyn Display> {
            None
        }
    }

    /// The type `!`, which has no other name in stable Rust.
    type Never = <fn() -> ! as Returns>::Output;

    /// A function type, to name its return type.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}
