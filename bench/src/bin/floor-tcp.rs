//! Floor: what arrives goes back, without any protocol, on bare epoll.

use std::io::{ErrorKind, Read, Write};

use fullduplex_bench::setup::Error;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

fn main() -> Result<(), Error> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("listening on {}", listener.local_addr()?);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut buffer = vec![0; 256 << 10];
    let mut streams: Vec<Option<(TcpStream, Vec<u8>)>> = Vec::new();
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let both = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(streams.len()), both)?;
                    streams.push(Some((stream, Vec::new())));
                }
                continue;
            }
            let slot = &mut streams[event.token().0];
            let Some((stream, unsent)) = slot else { continue };
            if !echo(stream, unsent, &mut buffer).unwrap_or(false) {
                *slot = None;
            }
        }
    }
}

/// `false` when the peer is gone.
fn echo(stream: &mut TcpStream, unsent: &mut Vec<u8>, buffer: &mut [u8]) -> Result<bool, Error> {
    loop {
        // What the socket did not take goes first; until then nothing is read.
        while !unsent.is_empty() {
            match stream.write(unsent) {
                Ok(len) => drop(unsent.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        let len = match stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        match stream.write(&buffer[..len]) {
            Ok(written) => unsent.extend_from_slice(&buffer[written..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                unsent.extend_from_slice(&buffer[..len]);
            }
            Err(error) => return Err(error.into()),
        }
        // A read that did not fill the buffer has emptied the socket.
        if len < buffer.len() && unsent.is_empty() {
            return Ok(true);
        }
    }
}
