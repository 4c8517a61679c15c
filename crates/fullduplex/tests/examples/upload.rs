//! `upload`, both ends.

use std::fs;
use std::path::{Path, PathBuf};

use fullduplex::MessageKind;
use fullduplex_testkit::{eventually, wait_until};
use http::StatusCode;
use tokio::io::AsyncWriteExt;

use crate::common::direct;
use crate::common::example::{Serving, example};
use crate::open;

/// An empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("upload").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn serve(folder: &Path) -> Serving {
    Serving::run(example("upload").args(["serve", "127.0.0.1:0"]).arg(folder))
}

#[test]
fn example_upload_holds_only_a_part_in_memory() {
    let folder = folder("long");
    let file = folder.with_extension("txt");
    let content: Vec<u8> = (0..32_u32 << 20).map(|n| (n ^ (n >> 10)).to_le_bytes()[0]).collect();
    fs::write(&file, &content).unwrap();
    let mut server = serve(&folder);
    let url = format!("ws://{}/long1", server.address);
    let sent = example("upload").arg("send").arg(&file).arg(url).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.stdout), "sent 33554432 bytes\n", "{sent:?}");
    assert_eq!(server.line(), "received long1, 33554432 bytes");
    assert!(fs::read(folder.join("long1")).unwrap() == content);
    #[cfg(target_os = "linux")]
    assert!(server.peak_memory() < 16 << 20, "{} bytes", server.peak_memory());
    // It is written before it gets its name.
    wait_until("one file", || fs::read_dir(&folder).unwrap().count() == 1);
    fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn example_upload_keeps_nothing_incomplete() {
    let folder = folder("incomplete");
    let server = serve(&folder);
    let mut websocket = open(&server, "/short").await;
    let mut writer = websocket.writer(MessageKind::Binary);
    writer.write_all(b"half").await.unwrap();
    writer.flush().await.unwrap();
    let part = folder.join("short.part");
    eventually("a part", || fs::read(&part).is_ok_and(|part| part.len() == 4)).await;

    let client = direct().build().unwrap();
    for (path, status) in [("short", StatusCode::CONFLICT), ("a.b", StatusCode::NOT_FOUND)] {
        let url = format!("ws://{}/{path}", server.address);
        let error = client.connect(url).await.unwrap_err();
        assert_eq!(error.response().unwrap().status(), status);
    }
    drop(writer);
    websocket.abort();
    eventually("an empty folder", || fs::read_dir(&folder).unwrap().count() == 0).await;
}
