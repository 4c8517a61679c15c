//! Metrics of an engine, for the crate `metrics`.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::engine::Engine;
use crate::engine::stats::{EngineStats, PacketStats};

impl Engine {
    /// Records the [`EngineStats`] with the installed recorder of the crate `metrics`. Call it
    /// before the metrics are read, such as in a Prometheus endpoint, or at intervals.
    ///
    /// All names begin with `fullduplex_engineio_`. No metric is about a single session or client.
    pub fn record_metrics(&self) {
        let EngineStats { open, opened, upgrades, polls, received, sent, ends, rejected } =
            self.stats();
        describe();
        for (transport, count) in [("polling", open.polling), ("websocket", open.websocket)] {
            #[allow(clippy::cast_precision_loss, reason = "there are fewer sessions than that")]
            gauge!("fullduplex_engineio_sessions", "transport" => transport).set(count as f64);
        }
        for (transport, count) in [("polling", opened.polling), ("websocket", opened.websocket)] {
            counter!("fullduplex_engineio_opened_total", "transport" => transport).absolute(count);
        }
        for (outcome, count) in [("completed", upgrades.completed), ("failed", upgrades.failed)] {
            counter!("fullduplex_engineio_upgrades_total", "outcome" => outcome).absolute(count);
        }
        counter!("fullduplex_engineio_polls_total").absolute(polls);
        for (direction, PacketStats { packets, bytes }) in [("received", received), ("sent", sent)]
        {
            counter!("fullduplex_engineio_packets_total", "direction" => direction)
                .absolute(packets);
            counter!("fullduplex_engineio_bytes_total", "direction" => direction).absolute(bytes);
        }
        for (reason, count) in ends {
            let reason = reason.as_str().replace(' ', "_");
            counter!("fullduplex_engineio_ends_total", "reason" => reason).absolute(count);
        }
        for (reason, count) in rejected {
            counter!("fullduplex_engineio_rejected_total", "reason" => reason.as_str())
                .absolute(count);
        }
    }
}

fn describe() {
    describe_gauge!("fullduplex_engineio_sessions", "Open sessions by transport");
    let about = "Opened sessions by the transport that they began with";
    describe_counter!("fullduplex_engineio_opened_total", about);
    describe_counter!("fullduplex_engineio_upgrades_total", "Ended upgrades by outcome");
    describe_counter!("fullduplex_engineio_polls_total", "Answered polls");
    describe_counter!("fullduplex_engineio_packets_total", "Packets by direction");
    let about = "Bytes of packets by direction, before compression";
    describe_counter!("fullduplex_engineio_bytes_total", Unit::Bytes, about);
    describe_counter!("fullduplex_engineio_ends_total", "Ended sessions by reason");
    describe_counter!("fullduplex_engineio_rejected_total", "Rejected requests by reason");
}
