//! What passes on an open WebSocket on which something may act.

use std::io;
use std::sync::Arc;

use fullduplex::Role;
use tokio::io::AsyncWrite;
use tokio::time::{Instant, sleep_until};

use super::{LaneEnd, Lanes, failure, read_some, write_at_once, write_failed, write_rest};
use crate::inspect::act::{Acting, CutKind, SocketControl};
use crate::inspect::transport::Transport;

impl Lanes {
    /// Returns what acts on the WebSocket, once it is open.
    pub(super) fn acting(&self) -> Option<(Arc<Acting>, Arc<SocketControl>)> {
        let exchange = self.lock();
        exchange.observer.editing().map(|(acting, control)| (acting.clone(), control.clone()))
    }

    /// Passes on what the server sends until the switch, from the beginning of the bytes. Returns
    /// what acts on the rest, if a WebSocket is open.
    pub(super) async fn pass_answers(
        &self,
        bytes: &mut Vec<u8>,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<Option<(Arc<Acting>, Arc<SocketControl>)>> {
        let len = {
            let mut exchange = self.lock();
            let mut rest = bytes.as_slice();
            exchange.push_response_head(&mut rest);
            let len = bytes.len() - rest.len();
            exchange.observer.count(Role::Server, len);
            len
        };
        write_rest(to, &bytes[..len]).await?;
        bytes.drain(..len);
        self.answered.notify_one();
        Ok(self.acting())
    }

    /// Passes on what `sender` sends, beginning with what was read, as far as the rules and the
    /// page let it pass.
    pub(super) async fn act<From: Transport, To: Transport>(
        &self,
        sender: Role,
        from: &mut From::Reader,
        to: &mut To::Writer,
        read: Vec<u8>,
        (acting, control): (Arc<Acting>, Arc<SocketControl>),
    ) -> LaneEnd {
        let receiver = sender.peer();
        let is_free = acting.pace().is_immediate() && !control.cut.counts_bytes();
        let (mut input, mut pace, mut end) = (read, acting.pace(), None);
        loop {
            let mut out = Vec::new();
            let (edited, is_held) = {
                let mut exchange = self.lock();
                let edited = exchange.observer.edit(sender, &mut input, &mut out);
                (edited, exchange.observer.is_held(sender))
            };
            if let Err(error) = edited {
                self.lock().observer.note(&error.to_string());
                control.cut.cut(CutKind::Reset);
                // The other direction does not matter any more.
                return std::future::pending().await;
            }
            pace.push(out, Instant::now());
            while let Some(piece) = pace.take(Instant::now()) {
                let may_pass = control.cut.take(piece.len());
                if let Err(error) = write_rest(to, &piece[..may_pass]).await {
                    control.end(sender);
                    return write_failed::<To>(receiver, error);
                }
                control.cut.cut_if_used_up();
            }
            let due = pace.due();
            if due.is_none()
                && let Some(end) = end
            {
                return self.end::<From, To>(sender, end, to).await;
            }
            let time = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let read = tokio::select! {
                biased;
                () = control.commanded(sender) => continue,
                () = time => continue,
                read = read_some(from), if end.is_none() && !is_held && !pace.is_full() => read,
                error = failure::<To>(to) => {
                    control.end(sender);
                    return write_failed::<To>(receiver, error);
                }
            };
            match read {
                Ok(bytes) if !bytes.is_empty() => {
                    if !self.lock().observer.passes_freely(sender) {
                        input = bytes;
                    } else if !is_free {
                        self.observe(sender, &bytes);
                        pace.push(bytes, Instant::now());
                    } else {
                        if From::is_at_end(from) {
                            To::expect_end(to);
                        }
                        if let Err(error) = self.pass_freely(sender, &bytes, to).await {
                            control.end(sender);
                            return write_failed::<To>(receiver, error);
                        }
                    }
                }
                ended => {
                    let mut rest = Vec::new();
                    self.lock().observer.finish_edit(sender, &mut rest);
                    pace.push(rest, Instant::now());
                    end = Some(ended.map(drop));
                }
            }
        }
    }

    /// Passes bytes on as they came.
    async fn pass_freely(
        &self,
        sender: Role,
        bytes: &[u8],
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let written = write_at_once(to, bytes).await?;
        self.observe(sender, bytes);
        write_rest(to, &bytes[written..]).await
    }

    fn observe(&self, sender: Role, bytes: &[u8]) {
        let mut exchange = self.lock();
        exchange.observer.count(sender, bytes.len());
        exchange.observer.push(sender, bytes);
    }
}
