//! A client, under test or as a load, as the harness sees it: see `fullduplex_bench::client`.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;

use fullduplex_bench::load::{Run, Times};

use crate::server::Process;

/// Runs a client on a core; `mark` is called when the warm-up is over and again at the end, while
/// the client waits.
pub fn run(
    program: &Path,
    words: &[String],
    core: usize,
    times: Times,
    mut mark: impl FnMut(&Process),
) -> io::Result<Run> {
    let mut words = words.to_vec();
    for (word, time) in [("--warm-up", times.warm_up), ("--measured", times.measured)] {
        words.extend([word.to_owned(), time.as_millis().to_string()]);
    }
    let (mut process, stdout) = Process::start(program, &words, Stdio::piped(), core)?;
    let mut stdin = process.stdin()?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["mark"] => {
                mark(&process);
                writeln!(stdin)?;
            }
            ["run", messages, seconds] => {
                let messages = messages.parse().map_err(io::Error::other)?;
                let seconds = seconds.parse().map_err(io::Error::other)?;
                return Ok(Run { messages, payload: 0, seconds });
            }
            _ => return Err(io::Error::other(line)),
        }
    }
    Err(io::Error::other("the client ended before its time"))
}
