//! A member of a room that reads nothing for a while: what it gets, what it hears of the rest, and
//! the memory of the server.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::client::{Client, Received};
use crate::server::Server;
use crate::{Options, Result};

const BROADCASTS: u32 = 2000;
const SIZE: usize = 16 << 10;
const PAUSE: Duration = Duration::from_secs(6);

pub async fn run(options: &Options) -> Result<()> {
    println!("\nslow: {BROADCASTS} broadcasts of {SIZE} B, one member reads nothing for {PAUSE:?}");
    for name in options.servers() {
        let policies: &[&str] = match name {
            "fullduplex" => &["close", "wait", "drop", "tell", "conflate"],
            _ => &[""],
        };
        for policy in policies {
            let server = options.start(name, &[*policy])?;
            let line = one(&server).await?;
            println!("{name} {policy}: {line}");
        }
    }
    Ok(())
}

async fn one(server: &Server) -> Result<String> {
    let mut slow = Client::connect(server.address).await?;
    let mut sender = Client::connect(server.address).await?;
    sleep(Duration::from_millis(300)).await;
    let before = server.process.memory();
    sender.queue(&format!("42[\"flood\",{BROADCASTS},{SIZE}]"));
    sender.flush().await?;
    let others = tokio::spawn(async move {
        let mut count = 0;
        loop {
            match sender.receive().await {
                Ok(Received::Text(text)) if text.starts_with("42[\"flooded\"") => {
                    return (count, text);
                }
                Ok(Received::Text(text)) if text.starts_with("42[\"said\"") => count += 1,
                Ok(Received::Text(_)) => {}
                other => return (count, format!("{other:?}")),
            }
            let _ = sender.flush().await;
        }
    });
    sleep(PAUSE).await;
    let memory = server.process.memory().saturating_sub(before) >> 20;
    let (mut numbers, mut told, mut end) = (Vec::new(), 0, "still connected".to_owned());
    loop {
        match timeout(Duration::from_secs(3), slow.receive()).await {
            Err(_) => break,
            Ok(Ok(Received::Text(text))) => {
                if let Some(rest) = text.strip_prefix("42[\"said\",") {
                    let number = rest.split(',').next().unwrap_or_default();
                    numbers.push(number.parse::<u64>()?);
                } else if let Some(rest) = text.strip_prefix("42[\"dropped\",") {
                    told += rest.trim_end_matches(']').parse::<u64>()?;
                } else {
                    end = text;
                }
            }
            Ok(Ok(Received::Close(code, reason))) => {
                end = format!("closed with {code} {reason:?}");
                break;
            }
            Ok(Err(error)) => {
                end = format!("cut: {error}");
                break;
            }
        }
        let _ = slow.flush().await;
    }
    let gaps = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    let (got, last) = (numbers.len(), numbers.last().copied().unwrap_or_default());
    let (heard, report) = timeout(Duration::from_secs(10), others).await??;
    Ok(format!(
        "the slow client got {got} with {gaps} gaps, the last {last}, was told of {told} dropped, \
         {end}; the sender got {heard} and heard {report}; memory +{memory} MiB"
    ))
}
