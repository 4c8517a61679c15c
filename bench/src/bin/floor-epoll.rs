//! Floor: the least WebSocket echo on bare epoll.

use std::time::Duration;

use fullduplex_bench::floor::{Connection, Scratch};
use fullduplex_bench::setup::{Error, Setup};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

const LISTENER: Token = Token(usize::MAX);

fn main() -> Result<(), Error> {
    let reset = Setup::from_args().reset;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("listening on {}", listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut scratch = Scratch::default();
    let mut streams: Vec<Option<(TcpStream, Connection)>> = Vec::new();
    let mut free = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    if reset {
                        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                    }
                    let slot = free.pop().unwrap_or(streams.len());
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(slot), both)?;
                    if slot == streams.len() {
                        streams.push(None);
                    }
                    streams[slot] = Some((stream, Connection::default()));
                }
                continue;
            }
            let slot = &mut streams[event.token().0];
            let Some((stream, connection)) = slot else { continue };
            if !connection.turn(stream, &mut scratch).unwrap_or(false) {
                *slot = None;
                free.push(event.token().0);
            }
        }
    }
}
