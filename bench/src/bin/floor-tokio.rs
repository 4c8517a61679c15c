//! A minimal WebSocket echo on tokio, with a task for each connection.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use fullduplex_bench::floor::{Connection, Scratch};
use fullduplex_bench::setup::{self, Error};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// A socket that reports to tokio when it would block.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let scratch = Rc::new(RefCell::new(Scratch::default()));
    setup::run(move |stream| serve(stream, scratch.clone()))
}

async fn serve(stream: TcpStream, scratch: Rc<RefCell<Scratch>>) -> Result<(), Error> {
    let mut connection = Connection::default();
    loop {
        let interest = match connection.has_unsent() {
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        stream.ready(interest).await?;
        if !connection.turn(&mut Socket(&stream), &mut scratch.borrow_mut())? {
            return Ok(());
        }
    }
}
