//! What handlers may end with.

use std::convert::Infallible;
use std::fmt::Display;

/// What a handler of a server may end with: nothing, or a `Result`, so that `?` can be used in it.
///
/// An error is only told to `tracing`, with the feature of that name. It ends the handler like any
/// other `return`: a WebSocket that is dropped with it is closed with 1001.
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
    message = "a handler ends with `()` or a `Result<(), E>`, not with `{Self}`",
    label = "`E` is an error that can be shown (`Display`)"
)]
pub trait HandlerOutput: private::Output {}

impl<T: private::Output> HandlerOutput for T {}

pub(super) mod private {
    use super::{Display, Infallible};

    pub trait Output {
        /// What went wrong in the handler.
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

    /// A handler that goes on until its task ends.
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

    /// The type of what never returns, which has no name of its own in stable Rust.
    type Never = <fn() -> ! as Returns>::Output;

    /// A function by what it returns.
    pub trait Returns {
        type Output;
    }

    impl<T> Returns for fn() -> T {
        type Output = T;
    }
}
