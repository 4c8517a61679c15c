//! What is drawn, written in a thread: a terminal that stands still holds back nothing else.

use std::io;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::terminal::Output;

/// Starts a thread that writes each frame; one more may wait. What is returned second is ready when
/// all is written, or when writing has failed.
pub(crate) fn start(output: Output) -> (mpsc::Sender<String>, oneshot::Receiver<io::Result<()>>) {
    let (sender, mut frames) = mpsc::channel::<String>(1);
    let (done, written) = oneshot::channel();
    thread::spawn(move || {
        let mut result = Ok(());
        while let Some(frame) = frames.blocking_recv() {
            result = output.write(&frame);
            if result.is_err() {
                break;
            }
        }
        // If no task waits for it, the program is about to exit.
        let _ = done.send(result);
    });
    (sender, written)
}
