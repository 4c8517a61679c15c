//! A server as the owner of WebSockets.

use std::time::Duration;

use fullduplex_proto::CloseInfo;

use crate::base::span::Span;
use crate::base::stats::ConnectionStats;
use crate::connection::close_kind::CloseKind;
use crate::connection::open_connections::ConnectionOwner;
use crate::server::state::panics;
use crate::server::state::panics::{SUBSCRIBER, caught};
use crate::server::state::permit::RequestPermit;
use crate::server::state::stats::StatsRecorder;
use crate::server::state::trace;

impl ConnectionOwner for StatsRecorder {
    type Permit = RequestPermit;

    fn count_round_trip(&self, took: Duration) {
        self.round_trip(took);
    }

    fn record_panic(&self, what: &'static str) {
        panics::record_panic(self, what);
    }

    fn count_end(&self, end: CloseKind, traffic: ConnectionStats) {
        self.end(end, traffic);
    }

    fn trace_end(&self, span: Span, info: Option<&CloseInfo>, traffic: &ConnectionStats) {
        let _ = caught(self, SUBSCRIBER, move || trace::closed(&span, info, traffic));
    }
}
