//! Metrics of a Socket.IO server, for the crate `metrics`.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::SocketIo;
use super::reason::DisconnectReason;
use super::stats::SocketIoStats;

impl SocketIo {
    /// Records the [`SocketIoStats`] with the installed recorder of the crate `metrics`, and with
    /// them [those of the engine](crate::engine::Engine::record_metrics). Call it before the
    /// metrics are read, such as in a Prometheus endpoint, or at intervals.
    ///
    /// All names begin with `fullduplex_socketio_`. No metric is about a single client, and no
    /// label has a value that a client can choose.
    pub fn record_metrics(&self) {
        self.engine.record_metrics();
        describe();
        let SocketIoStats {
            engine: _,
            sockets,
            connected,
            refused,
            disconnected,
            dropped,
            replaced,
            recoveries,
        } = self.stats();
        #[allow(clippy::cast_precision_loss, reason = "there are fewer sockets than that")]
        gauge!("fullduplex_socketio_sockets").set(sockets as f64);
        for (outcome, count) in [("connected", connected), ("refused", refused)] {
            counter!("fullduplex_socketio_connects_total", "outcome" => outcome).absolute(count);
        }
        for (reason, count) in disconnected {
            counter!("fullduplex_socketio_disconnects_total", "reason" => label(reason))
                .absolute(count);
        }
        for (how, count) in [("dropped", dropped), ("replaced", replaced)] {
            counter!("fullduplex_socketio_unsent_total", "how" => how).absolute(count);
        }
        for (outcome, count) in recoveries {
            counter!("fullduplex_socketio_recoveries_total", "outcome" => outcome.as_str())
                .absolute(count);
        }
    }
}

/// Returns the label of a reason. The official names are not unique.
fn label(reason: DisconnectReason) -> String {
    match reason {
        DisconnectReason::HandlerPanicked => "handler_panicked".into(),
        DisconnectReason::SlowClient => "slow_client".into(),
        official => official.as_str().replace(' ', "_"),
    }
}

fn describe() {
    describe_gauge!("fullduplex_socketio_sockets", "Connected sockets of all namespaces");
    let about = "Wishes of clients to be in a namespace, by outcome";
    describe_counter!("fullduplex_socketio_connects_total", about);
    describe_counter!("fullduplex_socketio_disconnects_total", "Disconnected sockets by reason");
    let about = "Messages that slow clients did not get, by how";
    describe_counter!("fullduplex_socketio_unsent_total", about);
    let about = "Clients that came back to recover their state, by outcome";
    describe_counter!("fullduplex_socketio_recoveries_total", about);
}
