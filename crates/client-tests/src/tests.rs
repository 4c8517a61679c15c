//! The tests, by subject.

mod backpressure;
mod closing;
mod messages;
mod opening;
mod reconnecting;
mod threads;

use crate::peers::Peers;

macro_rules! tests {
    ($($module:ident: $($name:ident)*;)*) => {
        /// The names of all tests.
        pub(crate) const NAMES: &[&str] = &[$($(stringify!($name),)*)*];

        /// Runs the test of this name. It panics if it fails.
        pub(crate) async fn run(name: &str, peers: &Peers) {
            match name {
                $($(stringify!($name) => Box::pin($module::$name(peers)).await,)*)*
                _ => panic!("no test {name}"),
            }
        }
    };
}

tests! {
    messages:
        messages_are_echoed
        messages_of_16_mib_are_echoed
        messages_keep_their_order_between_halves
        messages_over_the_limit_are_refused;
    opening:
        opening_agrees_on_a_subprotocol
        opening_takes_urls_of_pages
        opening_refuses_wrong_urls
        opening_reports_a_rejection
        opening_reports_that_nobody_listens
        opening_refuses_a_subprotocol_that_was_not_offered
        opening_has_a_timeout;
    closing:
        closing_sends_code_and_reason
        closing_refuses_what_cannot_be_sent
        closing_by_the_peer_is_reported
        closing_by_the_peer_keeps_its_messages
        closing_without_a_close_is_an_error
        closing_follows_a_drop
        closing_ends_sending;
    backpressure:
        backpressure_bounds_what_is_unsent
        backpressure_bounds_what_a_peer_floods
        backpressure_is_flushed;
    reconnecting:
        reconnecting_survives_restarts_of_the_server
        reconnecting_tries_at_once_when_a_page_is_online_or_seen_again;
}
