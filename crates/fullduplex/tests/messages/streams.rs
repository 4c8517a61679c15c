//! Messages and connections as streams of bytes.

use fullduplex::{Config, Message, MessageKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{pair, pair_with};

#[tokio::test]
async fn message_reader_and_writer_stream_long_messages() {
    let config = {
        let mut config = Config::default();
        config.limits.max_message_size = None;
        config
    };
    // Small here; by hand with 5 GB: FULLDUPLEX_STREAM_MB=5000, in release.
    let megabytes = std::env::var("FULLDUPLEX_STREAM_MB").map_or(64, |mb| mb.parse().unwrap());
    let before = fullduplex_testkit::peak_rss();
    let (mut client, mut server) = pair_with(1 << 18, config);
    let sending = tokio::spawn(async move {
        let block: Vec<u8> = (0..1 << 20).map(|i: u32| i.to_le_bytes()[0]).collect();
        let mut writer = client.writer(MessageKind::Binary);
        for _ in 0..megabytes {
            writer.write_all(&block).await.unwrap();
        }
        writer.shutdown().await.unwrap();
        client.send("after").await.unwrap();
        client
    });
    let mut reader = server.next_reader().await.unwrap().unwrap();
    assert_eq!(reader.kind(), MessageKind::Binary);
    let mut total = 0_usize;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let len = reader.read(&mut buffer).await.unwrap();
        if len == 0 {
            break;
        }
        assert!(buffer[..len].iter().enumerate().all(|(i, b)| *b == (total + i).to_le_bytes()[0]));
        total += len;
    }
    assert_eq!(total, megabytes << 20);
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("after"));
    drop(sending.await.unwrap());
    let grown = fullduplex_testkit::peak_rss().saturating_sub(before);
    // For those who run it at full size.
    #[allow(clippy::print_stdout)]
    {
        println!("{megabytes} MiB through; peak memory grew by {} KiB", grown >> 10);
    }
    assert!(grown < 32 << 20, "memory grew by {grown} bytes");
}

#[tokio::test]
async fn message_reader_that_is_dropped_skips_the_rest() {
    let (mut client, mut server) = pair(1 << 20);
    client.send(vec![1; 100_000]).await.unwrap();
    client.send("second").await.unwrap();
    let mut reader = server.next_reader().await.unwrap().unwrap();
    reader.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(server.next().await.unwrap().unwrap(), Message::text("second"));
    client.send(vec![1; 100_000]).await.unwrap();
    client.send("fourth").await.unwrap();
    drop(server.next_reader().await.unwrap().unwrap());
    let mut reader = server.next_reader().await.unwrap().unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "fourth");
}

#[tokio::test]
async fn byte_stream_carries_bytes() {
    let (client, server) = pair(1 << 12);
    let (mut a, mut b) = (client.into_byte_stream(), server.into_byte_stream());
    let data: Vec<u8> = (0..200_000_u32).map(|i| (i * 7).to_le_bytes()[1]).collect();
    let expected = data.clone();
    let sending = tokio::spawn(async move {
        a.write_all(&data).await.unwrap();
        a.shutdown().await.unwrap();
        let mut rest = Vec::new();
        a.read_to_end(&mut rest).await.unwrap();
        assert!(a.get_ref().close_info().unwrap().is_clean());
    });
    let mut received = Vec::new();
    b.read_to_end(&mut received).await.unwrap();
    assert!(received == expected);
    b.shutdown().await.unwrap();
    sending.await.unwrap();
}
