//! Interleavings of everything that can happen to a session with an honest client.

mod checks;
mod client;
mod world;

use proptest::prelude::*;

use super::*;
use world::World;

#[derive(Clone, Copy, Debug)]
enum Action {
    ServerSends,
    ClientSends,
    /// A GET goes one step on.
    Get,
    /// A POST goes one step on.
    Post,
    OpenWebSocket,
    /// Opens a WebSocket that sends something else than a probe.
    OpenWrongWebSocket,
    /// Opens a WebSocket beside another.
    OpenSecondWebSocket,
    /// A frame of the WebSocket arrives.
    ToServer,
    ToClient,
    CutWebSocket,
    /// A second passes.
    Wait,
    /// A GET is lost, or is left by the client, or its response is lost.
    CutGet,
    /// The content of a POST is lost, or its response.
    CutPost,
    /// A GET arrives beside the one that waits.
    SecondGet,
    ServerCloses,
    /// The server ends the session without sending what is queued.
    ServerEnds,
    ClientCloses,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => Just(Action::ServerSends),
        6 => Just(Action::ClientSends),
        8 => Just(Action::Get),
        8 => Just(Action::Post),
        2 => Just(Action::OpenWebSocket),
        1 => Just(Action::OpenWrongWebSocket),
        1 => Just(Action::OpenSecondWebSocket),
        8 => Just(Action::ToServer),
        8 => Just(Action::ToClient),
        1 => Just(Action::CutWebSocket),
        2 => Just(Action::Wait),
    ]
}

/// What happens once, if at all.
fn ending() -> impl Strategy<Value = Option<Action>> {
    prop_oneof![
        4 => Just(None),
        2 => Just(Some(Action::ServerCloses)),
        2 => Just(Some(Action::ClientCloses)),
        1 => Just(Some(Action::ServerEnds)),
        1 => Just(Some(Action::CutGet)),
        1 => Just(Some(Action::CutPost)),
        1 => Just(Some(Action::SecondGet)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn upgrade_loses_and_doubles_nothing(
        is_hasty in any::<bool>(),
        actions in proptest::collection::vec(action(), 1..120),
        end in ending(),
        more in proptest::collection::vec(action(), 0..30),
    ) {
        let mut world = World::new(is_hasty);
        for action in actions.into_iter().chain(end).chain(more) {
            world.act(action);
        }
        world.run_out();
        world.check();
        world.check_end();
    }
}
