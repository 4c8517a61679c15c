use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// Returns what is passed on of these bytes, which arrive in pieces of this length.
async fn passed(bytes: &[u8], piece: usize, from_client: bool) -> Vec<u8> {
    let (near, mut far) = tokio::io::duplex(piece);
    let bytes = bytes.to_vec();
    let sent = tokio::spawn(async move {
        far.write_all(&bytes).await.unwrap();
    });
    let mut filter =
        if from_client { TunnelHeads::from_client(near) } else { TunnelHeads::from_server(near) };
    let mut all = Vec::new();
    filter.read_to_end(&mut all).await.unwrap();
    sent.await.unwrap();
    assert!(filter.held.is_empty() && filter.ready.is_empty());
    all
}

/// A transport with bytes of the same frame without end, as what lies decrypted in one of TLS.
struct Endless(Vec<u8>, usize);

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while buf.remaining() > 0 {
            let at = self.1 % self.0.len();
            let piece = &self.0[at..];
            let length = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..length]);
            self.1 = at + length;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(b.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Returns how many frames with this payload length are read in one turn of a task, or at
/// least `most`.
async fn frames_of_a_turn(payload: usize, most: usize) -> usize {
    let frame = frame(0, 0, &vec![7; payload]);
    let length = frame.len();
    let mut filter = TunnelHeads::from_server(Endless(frame, 0));
    let turn = tokio::spawn(std::future::poll_fn(move |cx| {
        let (mut read, mut block) = (0, vec![0; 8 << 10]);
        while read < most * length {
            let mut buf = ReadBuf::new(&mut block);
            match Pin::new(&mut filter).poll_read(cx, &mut buf) {
                Poll::Ready(done) => done.unwrap(),
                Poll::Pending => break,
            }
            read += buf.filled().len();
        }
        Poll::Ready(read / length)
    }));
    turn.await.unwrap()
}

#[tokio::test]
async fn http2_turn_ends_after_many_small_frames_and_not_after_long_ones() {
    for payload in [0, 1, 20] {
        let frames = frames_of_a_turn(payload, 100_000).await;
        assert!((500..2500).contains(&frames), "{frames} frames of {payload} bytes");
    }
    // Those are charged by their bytes, elsewhere.
    for payload in [200, 16 << 10] {
        let frames = frames_of_a_turn(payload, 10_000).await;
        assert!(frames >= 10_000, "{frames} frames of {payload} bytes");
    }
}

/// The field line `content-length: 0`, in the forms that there are.
const LENGTHS: [&[u8]; 5] = [
    b"\x0f\x0d\x010",
    b"\x1f\x0d\x81\x07",
    b"\x5c\x010",
    b"\x00\x0econtent-length\x010",
    b"\x40\x8a\x21\xea\x49\x6a\x4a\xd4\x16\xa9\x93\x3f\x010",
];
/// The dynamic table is given up.
const NO_TABLE: &[u8] = b"\x20";

#[tokio::test]
async fn http2_tunnel_heads_lose_their_content_length() {
    for length in LENGTHS {
        for status in [&b"\x88"[..], b"\x89", b"\x08\x03201", b"\x08\x82\x10\x00", b"\x48\x03200"] {
            let other = b"\x00\x01a\x01b";
            let block = [NO_TABLE, status, length, other].concat();
            let expected = frame(1, 4, &[NO_TABLE, status, other].concat());
            for (flags, before, behind) in [
                (0, &b""[..], &b""[..]),
                (0x8, b"\x02", b"\0\0"),
                (0x28, b"\x02\0\0\0\0\0", b"\0\0"),
            ] {
                let data = frame(0, 0, b"data");
                let head = frame(1, 4 | flags, &[before, &block, behind].concat());
                let mut removal = [before, &expected[9..], behind].concat();
                removal = frame(1, 4 | flags, &removal);
                for piece in [1, 7, 20, 1000] {
                    let all = [&data[..], &head, &data].concat();
                    let seen = passed(&all, piece, false).await;
                    assert_eq!(
                        seen,
                        [&data[..], &removal, &data].concat(),
                        "{length:?} {status:?}"
                    );
                }
            }
        }
        // Other answers have content, and other requests, and those of some length.
        let refused = frame(1, 4, &[NO_TABLE, b"\x8d", length].concat());
        assert_eq!(passed(&refused, 1000, false).await, refused);
        let preface = [b'P'; PREFACE_LEN];
        let request = |more: &[u8]| {
            let head = frame(1, 4, &[NO_TABLE, b"\x02\x07CONNECT", more, length].concat());
            [&preface[..], &head].concat()
        };
        let plain = request(b"");
        assert_eq!(passed(&plain, 1000, true).await, plain);
        for protocol in
            [&b"\x00\x09:protocol\x01w"[..], b"\x40\x87\xb9\x5d\x87\x49\xc8\x7a\x3f\x01w"]
        {
            let seen = passed(&request(protocol), 5, true).await;
            let removal = [NO_TABLE, b"\x02\x07CONNECT", protocol].concat();
            assert_eq!(seen, [&preface[..], &frame(1, 4, &removal)].concat());
            let some = [NO_TABLE, protocol, b"\x0f\x0d\x015"].concat();
            let some = [&preface[..], &frame(1, 4, &some)].concat();
            assert_eq!(passed(&some, 1000, true).await, some);
        }
    }
    // A line that adds to a table can't be left out.
    let indexed = frame(1, 4, b"\x88\x5c\x010");
    assert_eq!(passed(&indexed, 1000, false).await, indexed);
}

proptest! {
    /// Nothing but lines of heads is lost, whatever comes.
    #[test]
    fn http2_tunnel_heads_leave_other_bytes_as_they_came(
        frames in vec((0_u8..12, any::<u8>(), vec(0x40_u8.., 0..40)), 0..9),
        rest in vec(any::<u8>(), 0..12),
        piece in 1_usize..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bytes: Vec<u8> = frames
            .iter()
            .flat_map(|(kind, flags, payload)| {
                let flags = if *kind == 1 { flags & !END_HEADERS } else { *flags };
                frame(*kind, flags, payload)
            })
            .collect();
        bytes.extend(&rest);
        prop_assert_eq!(runtime.block_on(passed(&bytes, piece, false)), bytes);
    }

    #[test]
    fn http2_tunnel_heads_survive_any_bytes(bytes in vec(any::<u8>(), 0..60)) {
        let _ = TunnelHeadFilter::requests().removals(&bytes);
        let removals = TunnelHeadFilter::responses().removals(&bytes);
        prop_assert!(removals.iter().all(|removal| removal.end <= bytes.len()));
    }
}
