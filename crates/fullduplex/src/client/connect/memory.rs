//! Connecting to a listener in memory.

use std::io;

use futures_core::future::BoxFuture;

use crate::client::connect::dial::Connect;
use crate::transport::memory::MemoryConnector;
use crate::transport::net_stream::NetStream;

/// Connects to the listener in memory, whatever the host and port.
impl Connect for MemoryConnector {
    fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
        Box::pin(async { Self::connect(self).await.map(NetStream::new) })
    }
}
