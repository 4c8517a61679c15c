//! A server that has no more files to open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fullduplex::server::{Server, ServerConfig};

use crate::common::echo;
use crate::sockets::{connect_many, frame, open, upgrade};

/// How many files this process may have open, from now on: as many as may be had.
pub(crate) fn descriptors() -> usize {
    let most = rlimit::increase_nofile_limit(u64::MAX).unwrap();
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// What the inner run does.
#[test]
#[ignore = "run by the other test, with few files"]
fn inner_server_with_few_files() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut config = ServerConfig::default();
        // Only giving way makes room.
        config.handshake_limits.handshake_timeout = Duration::from_secs(3600);
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        println!("\nlistening on {}", server.local_addr().unwrap());
        let handle = server.handle();
        tokio::spawn(server.serve(echo));
        let over = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
        over.await.unwrap().unwrap();
        println!("\nfailures {}", handle.stats().accept_failures);
    });
}

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echoed(socket: &mut TcpStream) {
    socket.write_all(&frame(0x82, b"still there?")).unwrap();
    let mut answer = [0; 14];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[2..], b"still there?");
}

#[test]
fn limits_on_open_files_do_not_stop_the_server() {
    let mut child = Command::new("sh");
    child.args(["-c", "ulimit -n 48 && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child.args(["--exact", "open_files::inner_server_with_few_files", "--ignored", "--nocapture"]);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut serving = Serving(child);
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = |what: &str| lines.find_map(|line| Some(line.strip_prefix(what)?.to_owned()));
    let address: SocketAddr = said("listening on ").unwrap().parse().unwrap();

    let mut sibling = open(0, address, "/");
    echoed(&mut sibling);
    let storm = connect_many(address, 200);
    for mut socket in &storm {
        socket.write_all(b"GET / HT").unwrap();
    }
    // Half-open ones give way, also for those who wait to be accepted.
    let begun = Instant::now();
    let mut newcomer = open(1, address, "/");
    echoed(&mut newcomer);
    echoed(&mut sibling);
    let during = begun.elapsed();
    drop(storm);

    // And so many open ones that nothing is left to give way.
    let mut all: Vec<_> = connect_many(address, 60);
    for socket in &mut all {
        socket.write_all(upgrade("/", "").as_bytes()).unwrap();
    }
    // They are accepted in the order in which they came.
    for socket in &mut all[..20] {
        let mut first = [0; 12];
        socket.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 101");
    }
    echoed(&mut sibling);
    drop(all);
    for i in 0..100 {
        echoed(&mut open(i, address, "/"));
    }
    echoed(&mut sibling);
    serving.0.stdin.take().unwrap().write_all(b"!").unwrap();
    let failures: u64 = said("failures ").unwrap().parse().unwrap();
    assert!(failures > 0, "they are counted");
    println!("too many open files: a newcomer was served in {during:.1?} during the storm");
}
