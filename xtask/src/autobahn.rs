//! The Autobahn test suite: its fuzzing client against our server, its fuzzing server
//! against our client, and both again through haproxy over TLS, on both versions of HTTP;
//! side by side.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Background, Server, build_release, command, folder_for, release, root};
use crate::{Outcome, Tally, env};

/// The groups of cases, all that there are; 12 and 13 are compression.
const CASES: [&str; 11] =
    ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.*", "13.*"];
/// The groups that the tests run on HTTP/2. Compression takes ten of a role's eleven minutes, and
/// is the same code as on HTTP/1.1, where the tests run all of it; here one group of each kind
/// shows that what is negotiated comes through.
const ON_HTTP2: [&str; 11] =
    ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.*", "13.1.*"];
/// The largest message of the suite; all else stays as it is by default.
const MAX_MESSAGE_SIZE: &str = "16777216";
/// How long one role may take.
const DEADLINE: Duration = Duration::from_secs(50 * 60);

/// Which end of ours is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    /// The server over TLS, which haproxy puts on.
    TlsServer,
    /// The server on HTTP/2, to which haproxy carries HTTP/1.1.
    Http2Server,
    Client,
    /// The client over TLS, which haproxy takes off.
    TlsClient,
    /// The client on HTTP/2, which haproxy carries on to HTTP/1.1.
    Http2Client,
}

impl Role {
    pub(crate) const ALL: [Self; 6] = [
        Self::Server,
        Self::TlsServer,
        Self::Http2Server,
        Self::Client,
        Self::TlsClient,
        Self::Http2Client,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::TlsServer => "server over TLS",
            Self::Http2Server => "server on HTTP/2",
            Self::Client => "client",
            Self::TlsClient => "client over TLS",
            Self::Http2Client => "client on HTTP/2",
        }
    }

    /// What is spoken over TLS (ALPN), where it is used.
    fn alpn(self) -> Option<&'static str> {
        match self {
            Self::Server | Self::Client => None,
            Self::TlsServer | Self::TlsClient => Some("http/1.1"),
            Self::Http2Server | Self::Http2Client => Some("h2"),
        }
    }
}

/// A role, and the groups of cases that it is put to.
type Trial<'a> = (Role, &'a [&'a str]);

/// What the tests run: each end of ours without TLS on HTTP/1.1, and over TLS on HTTP/2.
pub(crate) fn test() -> Outcome {
    run_all(&[
        (Role::Server, &CASES),
        (Role::Http2Server, &ON_HTTP2),
        (Role::Client, &CASES),
        (Role::Http2Client, &ON_HTTP2),
    ])
}

/// All cases against these roles.
pub(crate) fn run(roles: &[Role]) -> Outcome {
    let trials: Vec<Trial<'_>> = roles.iter().map(|role| (*role, &CASES[..])).collect();
    run_all(&trials)
}

fn run_all(trials: &[Trial<'_>]) -> Outcome {
    build_release(&["autobahn_client"])?;
    let python = env::autobahn()?;
    let mut tally = Tally::default();
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            trials.iter().map(|trial| scope.spawn(|| run_role(*trial, &python))).collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|r| r.unwrap_or_else(|_| Err("the harness panicked".into()))).collect()
    });
    for outcome in outcomes {
        tally.add(outcome?);
    }
    Ok(tally)
}

fn run_role((role, cases): Trial<'_>, python: &Path) -> Outcome {
    let folder = folder_for(&format!("autobahn-{}", role.name().replace([' ', '/'], "-")))?;
    let spec = folder.join("spec.json");
    let (reports, log) = (folder.join("reports"), folder.join("log.txt"));
    let wstest = |mode: &str, spec_text: &Value| -> Result<Background, String> {
        fs::write(&spec, spec_text.to_string()).map_err(|error| error.to_string())?;
        let log = fs::File::create(&log).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let script = root().join("tests/autobahn/wstest.py");
        let mut command = command(python);
        command.arg(script).args(["-m", mode, "-u", "0", "-s"]).arg(&spec);
        Background::spawn(command.current_dir(&folder).stdout(log).stderr(errors))
    };
    let common =
        json!({"outdir": reports, "cases": cases, "exclude-cases": [], "exclude-agent-cases": {}});
    let with = |name: &str, value: Value| {
        let mut spec = common.clone();
        spec[name] = value;
        spec
    };
    match role {
        Role::Server | Role::TlsServer | Role::Http2Server => {
            let mut options = vec!["--max-message-size", MAX_MESSAGE_SIZE, "--deflate", "--h2"];
            let pem = if role == Role::Server { None } else { Some(certificate(&folder)?) };
            if let Some(pem) = &pem {
                options.extend(["--tls-cert", pem, "--tls-key", pem]);
            }
            let server = Server::start(&options)?;
            let (address, _haproxy) = match role.alpn() {
                None => (server.address.clone(), None),
                Some(alpn) => {
                    let port = free_port()?;
                    let before = haproxy_to_tls(&folder, port, alpn, &server.address)?;
                    (format!("127.0.0.1:{port}"), Some(before))
                }
            };
            let servers = json!([{"agent": "fullduplex", "url": format!("ws://{address}")}]);
            let mut suite = wstest("fuzzingclient", &with("servers", servers))?;
            suite.wait(DEADLINE).map_err(|why| format!("wstest: {why}; see {}", log.display()))?;
        }
        Role::Client | Role::TlsClient | Role::Http2Client => {
            let url = format!("ws://127.0.0.1:{}", free_port()?);
            let _suite = wstest("fuzzingserver", &with("url", url.clone().into()))?;
            wait_until_listening(&url)?;
            let mut client = command(release("autobahn_client"));
            let _haproxy = if let Some(alpn) = role.alpn() {
                let port = free_port()?;
                let before = haproxy(&folder, port, alpn, url.trim_start_matches("ws://"))?;
                client.arg(format!("wss://localhost:{port}")).arg(folder.join("ca.pem")).arg(alpn);
                Some(before)
            } else {
                client.arg(url);
                None
            };
            let mut client = Background::spawn(&mut client)?;
            client.wait(DEADLINE).map_err(|why| format!("autobahn_client: {why}"))?;
        }
    }
    judge(role, cases, &reports)
}

/// haproxy before a server: one version of HTTP over TLS on this side, plain HTTP/1.1 on
/// that. The suite insists on its own port in `Host`.
fn haproxy(folder: &Path, port: u16, alpn: &str, server: &str) -> Result<Background, String> {
    let bind = format!("ssl crt {} alpn {alpn}", certificate(folder)?);
    let set_host = format!("http-request set-header Host {server}");
    haproxy_with(folder, port, &bind, &set_host, server)
}

/// haproxy before a server: plain HTTP/1.1 on this side, one version of HTTP over TLS on
/// that. Without `ws`, haproxy has WebSockets on HTTP/1.1 whatever was negotiated.
fn haproxy_to_tls(
    folder: &Path,
    port: u16,
    alpn: &str,
    server: &str,
) -> Result<Background, String> {
    let ws = if alpn == "h2" { "h2" } else { "h1" };
    let server = format!("{server} ssl verify none alpn {alpn} ws {ws}");
    haproxy_with(folder, port, "", "", &server)
}

/// Makes a certificate for localhost with its key, in one file, and `ca.pem` beside it.
fn certificate(folder: &Path) -> Result<String, String> {
    let script = root().join("tests/peers/certificates.py");
    crate::process::run(command(env::python()?).arg(script).arg(folder))?;
    Ok(folder.join("both.pem").display().to_string())
}

fn haproxy_with(
    folder: &Path,
    port: u16,
    bind: &str,
    rule: &str,
    server: &str,
) -> Result<Background, String> {
    env::programs(&["haproxy"])?;
    let config = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n \
         timeout tunnel 300s\nfrontend f\n bind 127.0.0.1:{port} {bind}\n default_backend b\n\
         backend b\n {rule}\n server s {server}\n",
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, config).map_err(|error| error.to_string())?;
    let haproxy = Background::spawn(command("/usr/sbin/haproxy").arg("-db").arg("-f").arg(file))?;
    wait_until_listening(&format!("ws://127.0.0.1:{port}"))?;
    Ok(haproxy)
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}

fn wait_until_listening(url: &str) -> Result<(), String> {
    let address = url.trim_start_matches("ws://");
    for _ in 0..200 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the fuzzing server does not listen".into())
}

/// Compares the reports with the committed expectations.
fn judge(role: Role, groups: &[&str], reports: &Path) -> Outcome {
    let index = reports.join("index.json");
    let text =
        fs::read_to_string(&index).map_err(|error| format!("{}: {error}", index.display()))?;
    let index: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let cases = index["fullduplex"].as_object().ok_or("the report has no agent fullduplex")?;
    let found: BTreeMap<String, String> = cases
        .iter()
        .map(|(id, case)| {
            let word = |name: &str| case[name].as_str().unwrap_or("?").to_owned();
            (id.clone(), format!("{} {}", word("behavior"), word("behaviorClose")))
        })
        .collect();
    let expected = expectations(groups)?;
    let mut tally = Tally::default();
    let mut complaints = String::new();
    for id in expected.keys().chain(found.keys().filter(|id| !expected.contains_key(*id))) {
        let (want, got) = (expected.get(id), found.get(id));
        if want == got {
            tally.passed += 1;
            continue;
        }
        tally.failed += 1;
        let show = |o: Option<&String>| o.map_or("no such case", |s| s.as_str()).to_owned();
        let report = cases.get(id).and_then(|c| c["reportfile"].as_str()).unwrap_or("no report");
        let _ = writeln!(
            complaints,
            "  {id}: expected {}, found {}; see {}",
            show(want),
            show(got),
            reports.join(report).display()
        );
    }
    println!(
        "autobahn, our {}: {} of {} cases as expected",
        role.name(),
        tally.passed,
        tally.passed + tally.failed
    );
    print!("{complaints}");
    Ok(tally)
}

/// Case ids with their two outcomes, of the groups that are run.
fn expectations(groups: &[&str]) -> Result<BTreeMap<String, String>, String> {
    let path = root().join("tests/autobahn/expectations.txt");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let pairs = lines.filter_map(|l| l.split_once(' '));
    let is_run = |id: &str| groups.iter().any(|group| id.starts_with(group.trim_end_matches('*')));
    Ok(pairs.filter(|(id, _)| is_run(id)).map(|(i, o)| (i.to_owned(), o.to_owned())).collect())
}
