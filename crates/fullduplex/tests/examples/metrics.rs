//! `metrics`.

use std::fs::{self, File};
use std::path::Path;

use fullduplex::CloseCode;

use crate::common::example::{Serving, example};
use crate::common::say;
use crate::open;

#[tokio::test]
async fn example_metrics_prints_figures_and_events() {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("metrics.log");
    let stderr = File::create(&log).unwrap();
    let server = Serving::run(example("metrics").arg("127.0.0.1:0").stderr(stderr));
    let mut websocket = open(&server, "/room").await;
    say(&mut websocket, "hello").await;
    assert!(websocket.close(CloseCode::NORMAL, "").await.unwrap().is_clean());

    let said = tokio::task::spawn_blocking(|| server.interrupt()).await.unwrap();
    for figure in [
        "echoes_total: 1",
        "fullduplex_websockets: 0",
        r#"fullduplex_messages_total direction="received" kind="text": 1"#,
        r#"fullduplex_bytes_total direction="sent" of="payload": 5"#,
    ] {
        assert!(said.lines().any(|line| line == figure), "{figure} is not in\n{said}");
    }
    let log = fs::read_to_string(log).unwrap();
    let event = log.lines().find(|line| line.contains("received length=5")).unwrap();
    assert!(event.contains("websocket{") && event.contains("/room"), "{event}");
}
