use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::recovery::MemoryStorage;
use crate::{Namespace, Recovery, SlowPolicy, Socket};

fn server(recovery: Recovery) -> (SocketIo, Namespace) {
    let io = build(SocketIo::builder().recovery(recovery));
    let main = io
        .of("/")
        .connected(async |socket: Socket| {
            if !socket.is_recovered() {
                socket.join("room");
            }
        })
        .open();
    (io, main)
}

fn recovery() -> Recovery {
    Recovery::within(Duration::from_secs(60))
}

/// What the official client remembers.
#[derive(Debug, Clone, Default)]
struct Memory {
    sid: String,
    pid: String,
    offset: Option<String>,
}

impl Memory {
    async fn connect(io: &SocketIo) -> (Client, Self) {
        let (client, answer) = Client::connect(io, "").await;
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        let memory = Self { sid: text("sid"), pid: text("pid"), offset: None };
        (client, memory)
    }

    /// Connects again, and returns whether the state is recovered.
    async fn reconnect(&mut self, io: &SocketIo) -> (Client, bool) {
        let mut auth = serde_json::json!({ "pid": self.pid });
        if let Some(offset) = &self.offset {
            auth["offset"] = offset.as_str().into();
        }
        let (client, answer) = Client::connect(io, &auth.to_string()).await;
        let is_recovered = answer["pid"] == self.pid.as_str();
        assert_eq!(answer["sid"] == self.sid.as_str(), is_recovered);
        self.pid = answer["pid"].as_str().expect("a text").to_owned();
        self.sid = answer["sid"].as_str().expect("a text").to_owned();
        (client, is_recovered)
    }

    /// Receives an event with a number, and remembers its offset.
    async fn number(&mut self, client: &mut Client) -> u64 {
        let packet = client.next().await;
        let json: Json = serde_json::from_str(&packet[1..]).expect("JSON");
        let last = json.as_array().and_then(|args| args.last()).and_then(Json::as_str);
        self.offset = Some(last.expect("an offset").to_owned());
        json[1].as_u64().expect("a number")
    }
}

/// Closes a connection, and waits until the server knows it.
async fn leave(main: &Namespace, client: Client) {
    let sockets = main.all().fetch();
    client.close().await;
    for socket in sockets {
        in_time(socket.closed()).await;
    }
    in_time(async {
        while !main.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

async fn wait_for_room(main: &Namespace) {
    in_time(async {
        while main.to("room").fetch().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn recovered_client_receives_what_it_missed() {
    let (io, main) = server(recovery());
    let (mut client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    let socket = main.all().fetch().remove(0);
    main.to("room").emit("m", 1).await;
    assert_eq!(memory.number(&mut client).await, 1);
    leave(&main, client).await;
    main.to("room").emit("m", 2).await;
    main.to("other").emit("m", 3).await;
    main.all().emit("m", 4).await;
    main.all().except("room").emit("m", 5).await;
    main.to(socket.id().as_str()).emit("m", 6).await;
    main.all().volatile().emit("m", 7).await;
    let (mut client, is_recovered) = memory.reconnect(&io).await;
    assert!(is_recovered);
    for number in [2, 4, 6] {
        assert_eq!(memory.number(&mut client).await, number);
    }
    main.to("room").emit("m", 8).await;
    assert_eq!(memory.number(&mut client).await, 8);
    // It can recover any number of times.
    leave(&main, client).await;
    main.to("room").emit("m", 9).await;
    let (mut client, is_recovered) = memory.reconnect(&io).await;
    assert!(is_recovered);
    assert_eq!(memory.number(&mut client).await, 9);
}

#[tokio::test]
async fn client_that_received_nothing_recovers_from_its_connect() {
    let (io, main) = server(recovery());
    main.all().emit("m", 1).await;
    let (client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    leave(&main, client).await;
    main.to("room").emit("m", 2).await;
    let (mut client, is_recovered) = memory.reconnect(&io).await;
    assert!(is_recovered);
    assert_eq!(memory.number(&mut client).await, 2);
}

#[tokio::test]
async fn client_that_comes_back_takes_over_from_its_own_connection() {
    let (io, main) = server(recovery());
    let (silent, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    let old = main.all().fetch().remove(0);
    main.to("room").emit("m", 1).await;
    let (mut client, is_recovered) = memory.reconnect(&io).await;
    assert!(is_recovered && !old.is_connected());
    assert_eq!(memory.number(&mut client).await, 1);
    assert_eq!(main.len(), 1);
    // The end of the old one takes nothing from the new one.
    drop(silent);
    main.to("room").emit("m", 2).await;
    assert_eq!(memory.number(&mut client).await, 2);
}

#[tokio::test]
async fn client_is_not_recovered_if_anything_may_be_lost() {
    let (io, main) = server(Recovery::stored_in(
        MemoryStorage::new(Duration::from_secs(60)).max_bytes(200),
        Duration::from_secs(60),
    ));
    let (mut client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    main.to("room").emit("m", 0).await;
    memory.number(&mut client).await;
    leave(&main, client).await;
    let before = memory.clone();
    for number in 1..20 {
        main.to("room").emit("m", number).await;
    }
    // More was sent than is remembered.
    let (client, is_recovered) = memory.reconnect(&io).await;
    assert!(!is_recovered);
    leave(&main, client).await;
    // The session of a client that could not be recovered is gone.
    let mut again = before.clone();
    assert!(!again.reconnect(&io).await.1);

    // Offsets of another server, or that are not offsets.
    for offset in ["0.1", "hello", "", "18446744073709551615", ".", "a.b.1"] {
        let (client, mut memory) = Memory::connect(&io).await;
        drop(client);
        memory.offset = Some(offset.to_owned());
        assert!(!memory.reconnect(&io).await.1, "{offset:?}");
    }
    let (_client, mut memory) = Memory::connect(&io).await;
    memory.pid = "twenty-characters-id".to_owned();
    assert!(!memory.reconnect(&io).await.1);
}

#[tokio::test]
async fn client_that_left_or_was_sent_away_is_not_recovered() {
    let (io, main) = server(recovery());
    let (mut client, mut memory) = Memory::connect(&io).await;
    client.send("1").await;
    in_time(async {
        while !main.is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let (_client, is_recovered) = memory.reconnect(&io).await;
    assert!(!is_recovered);
    main.all().disconnect();
    assert!(!memory.reconnect(&io).await.1);
}

#[tokio::test]
async fn client_whose_messages_were_dropped_recovers_only_from_before() {
    let (io, main) = server(recovery());
    let (mut client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    let socket = main.all().fetch().remove(0);
    socket.set_slow_policy(SlowPolicy::Drop { event: None });
    main.to("room").emit("m", 0).await;
    memory.number(&mut client).await;
    let before = memory.clone();
    let mut last = 0;
    let text = "x".repeat(100_000);
    while socket.dropped() == 0 {
        last += 1;
        main.to("room").emit("m", (last, &text)).await;
    }
    // Receive all but the dropped one, then one more.
    for _ in 1..last {
        memory.number(&mut client).await;
    }
    main.to("room").emit("m", last + 1).await;
    assert_eq!(memory.number(&mut client).await, last + 1);
    // From before, all can be sent again.
    let mut memory_before = before;
    let (mut client, is_recovered) = memory_before.reconnect(&io).await;
    assert!(is_recovered);
    for number in 1..=last + 1 {
        assert_eq!(memory_before.number(&mut client).await, number);
    }
}

#[tokio::test]
async fn client_that_missed_a_dropped_message_is_not_recovered() {
    let (io, main) = server(recovery());
    let (mut client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    let socket = main.all().fetch().remove(0);
    socket.set_slow_policy(SlowPolicy::Drop { event: None });
    let text = "x".repeat(100_000);
    let mut last = 0;
    while socket.dropped() == 0 {
        last += 1;
        main.to("room").emit("m", (last, &text)).await;
    }
    for _ in 1..last {
        memory.number(&mut client).await;
    }
    main.to("room").emit("m", last + 1).await;
    memory.number(&mut client).await;
    assert!(!memory.reconnect(&io).await.1);
}

/// A client reconnects 400 times while messages flow: each one arrives once and in order, or the
/// client learns that it is not recovered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconnects_under_load_lose_and_double_nothing() {
    let (io, main) = server(recovery());
    let (mut client, mut memory) = Memory::connect(&io).await;
    wait_for_room(&main).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let publisher = {
        let (main, is_over) = (main.clone(), is_over.clone());
        tokio::spawn(async move {
            let mut number = 0;
            while !is_over.load(Ordering::Relaxed) {
                number += 1;
                main.to("room").emit("m", number).await;
                if number % 4 == 0 {
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            }
        })
    };
    let mut last = 0;
    for round in 0..400 {
        for _ in 0..round % 4 {
            let number = memory.number(&mut client).await;
            assert_eq!(number, last + 1, "in round {round}");
            last = number;
        }
        let old = client;
        let (new, is_recovered) = memory.reconnect(&io).await;
        assert!(is_recovered, "in round {round}");
        client = new;
        if round % 2 == 0 {
            old.close().await;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    in_time(publisher).await.expect("no panic");
    main.to("room").emit("m", 0).await;
    loop {
        match memory.number(&mut client).await {
            0 => break,
            number => assert_eq!(number, last + 1),
        }
        last += 1;
    }
    assert!(last > 100);
}
