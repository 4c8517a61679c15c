//! Rooms and echoes: everything that arrives is held against what must arrive.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep;

use crate::Result;
use crate::client::{Client, Received};
use crate::server::{Cpu, Server};

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_millis(2000);

/// What fills a message to 64 bytes.
const FILLER: &str = "0123456789012345678901234567890123456789012345678901";

/// The figures of a run.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Microseconds of CPU for each message.
    pub cpu: f64,
    pub held_up: f64,
    /// Messages in a second.
    pub rate: f64,
}

/// Runs the tasks of `clients` until the measurement is over.
async fn measure(
    server: &Server,
    counted: &Cell<u64>,
    tasks: &mut JoinSet<io::Result<()>>,
) -> Result<Figures> {
    let measuring = async {
        sleep(WARM_UP).await;
        let (cpu, count, begin) = (server.process.cpu(), counted.get(), Instant::now());
        sleep(MEASURED).await;
        let Cpu { used, .. } = server.process.cpu() - cpu;
        let held_up = (server.process.cpu() - cpu).held_up();
        let messages = (counted.get() - count).max(1) as f64;
        let rate = messages / begin.elapsed().as_secs_f64();
        Figures { cpu: used as f64 / 1000.0 / messages, held_up, rate }
    };
    tokio::select! {
        figures = measuring => Ok(figures),
        Some(ended) = tasks.join_next() => Err(match ended? {
            Ok(()) => "a client ended".into(),
            Err(error) => error.into(),
        }),
    }
}

/// What the members of a room share.
struct Room {
    counted: Cell<u64>,
    /// For each message in flight, the number of members that have not received it.
    missing: RefCell<Vec<usize>>,
    /// How many messages may be sent now.
    credit: Cell<u64>,
    heard_by_all: Notify,
    members: usize,
}

/// One member sends, and all of the room receive it, the sender among them.
pub async fn room(server: &Server, members: usize, in_flight: u64) -> Result<Figures> {
    let room = Rc::new(Room {
        counted: Cell::new(0),
        missing: RefCell::new(vec![members; in_flight as usize]),
        credit: Cell::new(in_flight),
        heard_by_all: Notify::new(),
        members,
    });
    let mut clients = Vec::new();
    for _ in 0..members {
        clients.push(Client::connect(server.address).await?);
    }
    sleep(Duration::from_millis(200)).await;
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    let sender = clients.pop().ok_or("a sender")?;
    for mut client in clients {
        let room = room.clone();
        let hearing = async move {
            let mut number = 0;
            loop {
                room.hear(&mut client, &mut number).await?;
            }
        };
        tasks.spawn_local_on(hearing, &local);
    }
    tasks.spawn_local_on(send(sender, room.clone()), &local);
    local.run_until(measure(server, &room.counted, &mut tasks)).await
}

async fn send(mut client: Client, room: Rc<Room>) -> io::Result<()> {
    let (mut sent, mut number) = (0_u64, 0);
    loop {
        for _ in 0..room.credit.replace(0) {
            client.queue(&format!("42[\"say\",\"{sent:012}{FILLER}\"]"));
            sent += 1;
        }
        client.flush().await?;
        tokio::select! {
            heard = room.hear(&mut client, &mut number) => heard?,
            () = room.heard_by_all.notified() => {}
        }
    }
}

impl Room {
    /// Receives one broadcast.
    async fn hear(&self, client: &mut Client, number: &mut u64) -> io::Result<()> {
        check(client.receive().await?, &format!("42[\"said\",\"{number:012}{FILLER}\"]"))?;
        self.counted.set(self.counted.get() + 1);
        let mut missing = self.missing.borrow_mut();
        let index = (*number % missing.len() as u64) as usize;
        *number += 1;
        let left = &mut missing[index];
        *left -= 1;
        if *left == 0 {
            *left = self.members;
            self.credit.set(self.credit.get() + 1);
            self.heard_by_all.notify_one();
        }
        Ok(())
    }
}

/// Each client keeps events in flight, and receives their acknowledgements.
pub async fn echo(server: &Server, connections: usize, in_flight: u64) -> Result<Figures> {
    let counted = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let mut client = Client::connect(server.address).await?;
        let counted = counted.clone();
        tasks.spawn_local_on(
            async move {
                let mut sent = 0_u64;
                let mut received = 0_u64;
                loop {
                    while sent < received + in_flight {
                        client.queue(&format!("42{sent}[\"echo\",\"{sent:012}{FILLER}\"]"));
                        sent += 1;
                    }
                    client.flush().await?;
                    let mut next = Some(client.receive().await?);
                    // All that is there is answered with one write.
                    while let Some(reply) = next {
                        check(reply, &format!("43{received}[\"{received:012}{FILLER}\"]"))?;
                        received += 1;
                        counted.set(counted.get() + 1);
                        next = client.next_if_there()?;
                    }
                }
            },
            &local,
        );
    }
    local.run_until(measure(server, &counted, &mut tasks)).await
}

fn check(received: Received, expected: &str) -> io::Result<()> {
    match received {
        Received::Text(text) if text == expected => Ok(()),
        other => Err(io::Error::other(format!("{other:?} instead of {expected}"))),
    }
}
