//! The arguments of the command.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Result;
use crate::load::Times;

pub const HELP: &str = "\
cargo run --release --manifest-path bench/Cargo.toml -- [CASE…] [OPTION…]

  --list             the cases, the servers and the clients
  --only NAME        only this server or client (may be repeated); ratios are relative to
                     the first one
  --quick            short runs of all cases, to check that they work
  --rounds N         rounds of each case (default 7)
  --seconds S        the measured seconds of a round (default 1)
  --namespace        run in a network namespace with reno as congestion control, so that
                     neither the machine's traffic nor its settings of TCP matter
                     (needs root, `unshare` and `ip`)
  --syscalls         also count system calls, in separate runs (needs perf)
  --rate N           messages a second in case l, rather than 70% of saturation
  --connections N    connections in case s (default 500000, or what memory and the
                     limit of open files allow)
  --idle N           connections in case f (default 10000)
  --level N          also our server with this level of compression (may be repeated)
  --build FILE       also another build of our server, such as one before a change,
                     or any server with the same options (may be repeated)
  --client-build FILE  the same of our client
  --json FILE        the figures as JSON
  --markdown FILE    the tables as Markdown
  --svg FILE         a picture of the ratios, without those of other builds
  --from FILE        runs nothing, but draws the picture of figures that --json has
                     written (may be repeated: a case is taken from the last file)";

pub struct Options {
    pub cases: Vec<String>,
    pub only: Vec<String>,
    pub levels: Vec<String>,
    pub builds: Vec<String>,
    pub client_builds: Vec<String>,
    pub list: bool,
    pub quick: bool,
    pub rounds: usize,
    pub times: Times,
    pub namespace: bool,
    pub syscalls: bool,
    pub rate: Option<f64>,
    pub connections: usize,
    pub idle: usize,
    /// The silence of case s.
    pub silence: Duration,
    pub json: Option<PathBuf>,
    pub markdown: Option<PathBuf>,
    pub svg: Option<PathBuf>,
    /// Files of figures to draw, instead of running anything.
    pub from: Vec<PathBuf>,
}

impl Options {
    pub fn from_args() -> Result<Self> {
        let mut options = Self::usual();
        let args: Vec<String> = std::env::args().skip(1).collect();
        if args.iter().any(|arg| arg == "--quick") {
            options.shorten();
        }
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value\n\n{HELP}"));
            match arg.as_str() {
                "--quick" => {}
                "--list" => options.list = true,
                "--namespace" => options.namespace = true,
                "--syscalls" => options.syscalls = true,
                "--only" => options.only.push(value()?),
                "--level" => options.levels.push(value()?),
                "--client-build" => options.client_builds.push(value()?),
                "--build" => options.builds.push(value()?),
                "--rounds" => options.rounds = positive(&arg, &value()?)?,
                "--seconds" => {
                    let seconds = positive(&arg, &value()?)?;
                    let measured = Duration::try_from_secs_f64(seconds);
                    options.times.measured = measured.map_err(|why| format!("{arg}: {why}"))?;
                }
                "--rate" => options.rate = Some(positive(&arg, &value()?)?),
                "--connections" => options.connections = positive(&arg, &value()?)?,
                "--idle" => options.idle = positive(&arg, &value()?)?,
                "--json" => options.json = Some(output(value()?)?),
                "--markdown" => options.markdown = Some(output(value()?)?),
                "--svg" => options.svg = Some(output(value()?)?),
                "--from" => options.from.push(value()?.into()),
                "--help" => return Err(HELP.into()),
                word if word.starts_with('-') => {
                    return Err(format!("there is no {word}\n\n{HELP}").into());
                }
                case => options.cases.push(case.to_owned()),
            }
        }
        Ok(options)
    }

    fn usual() -> Self {
        Self {
            cases: Vec::new(),
            only: Vec::new(),
            levels: Vec::new(),
            builds: Vec::new(),
            client_builds: Vec::new(),
            list: false,
            quick: false,
            rounds: 7,
            times: Times { warm_up: Duration::from_millis(300), measured: Duration::from_secs(1) },
            namespace: false,
            syscalls: false,
            rate: None,
            connections: 500_000,
            idle: 10_000,
            silence: Duration::from_secs(45),
            json: None,
            markdown: None,
            svg: None,
            from: Vec::new(),
        }
    }

    fn shorten(&mut self) {
        self.quick = true;
        self.rounds = 1;
        self.times.warm_up = Duration::from_millis(50);
        self.times.measured = Duration::from_millis(120);
        self.connections = 2000;
        self.idle = 1000;
        self.silence = Duration::from_millis(300);
    }
}

/// Parses a number greater than zero.
fn positive<T: FromStr + PartialOrd + Default>(option: &str, word: &str) -> Result<T> {
    let number = word.parse().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| format!("{option} {word}: a number greater than 0 is needed").into())
}

/// Opens a file to write to, so that an error is reported before anything is measured.
fn output(path: String) -> Result<PathBuf> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    opened.map_err(|why| format!("{path}: {why}"))?;
    Ok(path.into())
}
