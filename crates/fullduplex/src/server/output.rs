//! The types that handlers may return.

use std::convert::Infallible;
use std::fmt::Display;

/// A type that a handler of a server may return: `()`, or a `Result<(), E>`, so that it can use
/// `?`; or an `Option` of one. `E` is any type that implements `Display`: [`Error`](crate::Error),
/// `anyhow::Error`, `Box<dyn std::error::Error + Send + Sync>`, `String`.
///
/// An error is reported to `tracing` at the level debug, with the feature of that name, and has no
/// other effect. A WebSocket that the handler drops is closed with 1001 (going away), as by any
/// other `return`. To close it with another code, call
/// [`WebSocket::close`](crate::WebSocket::close) first.
///
/// An `async` block with `?` needs the type of its error, at the end or in the first `?`.
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

    // Here too, as it is this trait that the compiler finds missing.
    #[diagnostic::on_unimplemented(
        message = "a handler returns `()` or `Result<(), E>`, not `{Self}`",
        label = "`E` must implement `Display`"
    )]
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

    /// A handler that may not have run, such as one that is called only for an open WebSocket.
    impl<T: Output> Output for Option<T> {
        fn error(&self) -> Option<&dyn Display> {
            self.as_ref().and_then(Output::error)
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
