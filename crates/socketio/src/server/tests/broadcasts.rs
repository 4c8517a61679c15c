use super::*;
use crate::{AckError, JoinOutcome, Namespace, Recovery, Socket, SocketId};

/// Three clients of the main namespace with their sockets: all are in `all`, the second and third
/// also in `some`.
async fn three(io: &SocketIo) -> (Namespace, Vec<(Client, Socket)>) {
    let main = io.of("/").open();
    let mut members = Vec::new();
    for index in 0..3 {
        let (client, answer) = Client::connect(io, "").await;
        let id = SocketId::parse(answer["sid"].as_str().expect("an id")).expect("an id");
        let socket = main.socket(id).expect("it is connected");
        socket.join("all");
        if index > 0 {
            socket.join("some");
        }
        members.push((client, socket));
    }
    (main, members)
}

/// Returns which clients receive the event `m` before the event `end` that all of them receive.
async fn receivers(main: &Namespace, members: &mut [(Client, Socket)]) -> Vec<usize> {
    main.all().emit("end", ()).await;
    let mut receivers = Vec::new();
    for (index, (client, _)) in members.iter_mut().enumerate() {
        loop {
            match client.next().await.as_str() {
                r#"2["m"]"# => receivers.push(index),
                r#"2["end"]"# => break,
                other => panic!("{other}"),
            }
        }
    }
    receivers
}

#[tokio::test]
async fn broadcast_reaches_the_sockets_of_its_rooms_once() {
    let io = SocketIo::default();
    let (main, mut members) = three(&io).await;
    let first = members[0].1.clone();
    let third = members[2].1.clone();

    assert_eq!(main.all().emit("m", ()).await.accepted(), 3);
    assert_eq!(receivers(&main, &mut members).await, [0, 1, 2]);
    assert_eq!(main.to("all").to("some").emit("m", ()).await.accepted(), 3);
    assert_eq!(receivers(&main, &mut members).await, [0, 1, 2]);
    assert_eq!(main.to("some").emit("m", ()).await.accepted(), 2);
    assert_eq!(receivers(&main, &mut members).await, [1, 2]);
    assert_eq!(main.to("empty").emit("m", ()).await.accepted(), 0);
    assert_eq!(receivers(&main, &mut members).await, [0; 0]);
    assert_eq!(main.to("all").except("some").emit("m", ()).await.accepted(), 1);
    assert_eq!(receivers(&main, &mut members).await, [0]);
    assert_eq!(first.broadcast().emit("m", ()).await.accepted(), 2);
    assert_eq!(receivers(&main, &mut members).await, [1, 2]);
    assert_eq!(third.to("some").local().emit("m", ()).await.accepted(), 1);
    assert_eq!(receivers(&main, &mut members).await, [1]);
    assert_eq!(main.to(first.id().as_str()).emit("m", ()).await.accepted(), 1);
    assert_eq!(receivers(&main, &mut members).await, [0]);
    assert_eq!(main.all().except(third.id().as_str()).emit("m", ()).await.accepted(), 2);
    assert_eq!(receivers(&main, &mut members).await, [0, 1]);
}

#[tokio::test]
async fn rooms_are_joined_and_left() {
    let io = SocketIo::default();
    let (main, members) = three(&io).await;
    let socket = members[0].1.clone();
    assert_eq!(socket.join("all"), JoinOutcome::AlreadyJoined);
    assert_eq!(socket.join(socket.id().as_str()), JoinOutcome::AlreadyJoined);
    assert_eq!(socket.join("own"), JoinOutcome::Joined);
    assert_eq!(socket.rooms(), ["all".into(), "own".into()]);
    assert!(socket.leave("own"));
    assert!(!socket.leave("own"));
    assert_eq!(main.to("some").join("own"), 2);
    assert_eq!(main.to("own").fetch().len(), 2);
    assert_eq!(main.all().leave("own"), 2);
    let mut rooms = main.rooms();
    rooms.sort();
    assert_eq!(rooms, ["all".into(), "some".into()]);
    for (client, socket) in members {
        client.close().await;
        in_time(socket.closed()).await;
    }
    assert!(main.rooms().is_empty() && main.is_empty());
    assert_eq!(socket.join("all"), JoinOutcome::Disconnected);
}

#[tokio::test]
async fn broadcast_disconnects_the_sockets_of_a_room() {
    let io = SocketIo::default();
    let (main, mut members) = three(&io).await;
    assert_eq!(main.to("some").disconnect(), 2);
    assert_eq!(members[1].0.next().await, "1");
    assert_eq!(members[2].0.next().await, "1");
    assert_eq!(main.len(), 1);
}

#[tokio::test]
async fn broadcast_with_acks_names_who_is_missing() {
    let io = SocketIo::default();
    let (main, mut members) = three(&io).await;
    let asked = main.clone();
    let asking = tokio::spawn(async move {
        let all = asked.to("all").timeout(Duration::from_millis(200));
        all.emit_with_ack::<u8>("vote", ()).await.expect("a packet")
    });
    let packet = members[0].0.next().await;
    assert_eq!(packet, r#"20["vote"]"#);
    assert_eq!(members[1].0.next().await, packet, "the packet is one for all");
    assert_eq!(members[2].0.next().await, packet);
    members[0].0.send("30[1]").await;
    members[1].0.send("1").await;
    let acks = in_time(asking).await.expect("no panic");
    assert_eq!(acks.answers, [(members[0].1.clone(), 1)]);
    let mut missing = acks.missing;
    missing.sort_by_key(|(socket, _)| socket.id() != members[1].1.id());
    assert_eq!(
        missing,
        [(members[1].1.clone(), AckError::Disconnected), (members[2].1.clone(), AckError::Timeout)]
    );
}

#[tokio::test]
async fn rooms_of_a_socket_are_bounded() {
    for recovery in [None, Some(Recovery::within(Duration::from_secs(60)))] {
        let mut builder = SocketIo::builder().max_rooms(2).max_room_name(8);
        if let Some(recovery) = recovery {
            builder = builder.recovery(recovery);
        }
        let io = build(builder);
        let main = io.of("/").open();
        let _client = Client::connected(&io).await;
        let socket = main.all().fetch().remove(0);
        assert_eq!(socket.join("too long."), JoinOutcome::NameTooLong);
        assert!(socket.join("a").is_in_room() && socket.join("b").is_in_room());
        assert_eq!(socket.join("c"), JoinOutcome::TooManyRooms);
        assert_eq!(main.all().join("c"), 0);
        assert_eq!(socket.join("b"), JoinOutcome::AlreadyJoined);
        assert!(socket.leave("a"));
        assert_eq!(main.all().join("c"), 1);
        assert_eq!(main.to("c").fetch().len(), 1);
    }
}
