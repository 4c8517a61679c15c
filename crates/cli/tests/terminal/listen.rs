//! `fdx listen` at a terminal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::common::FDX;
use crate::home;
use crate::pty::{Terminal, compare};

/// A client in the background, killed when dropped.
struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Client {
    fn start(url: &str) -> Self {
        let mut command = Command::new(FDX);
        command.args(["connect", "--proxy", "none", "-H", "User-Agent: test", url]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Self { child, stdin, lines }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    #[track_caller]
    fn next_line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Replaces what differs from run to run.
fn stable(rows: &str, address: &str) -> String {
    let rows = rows.replace(address, "HOST:PORT");
    let lines = rows.lines().map(|line| {
        if let Some((before, _)) = line.split_once("sec-websocket-key: ") {
            return format!("{before}sec-websocket-key: …");
        }
        match (line.split_once(" 127.0.0.1:"), line.split_once(" after ")) {
            (Some((before, after)), _) => {
                let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                format!("{before} 127.0.0.1:…{after}")
            }
            (None, Some((before, _))) if line.contains("Pong") => format!("{before} after TIME"),
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn listen_shows_clients_and_answers_them_by_typing() {
    let home = home("listen");
    let mut terminal = Terminal::start(&home, &["listen", "--time", "none", "0"]);
    terminal.wait_for_last_row("›");
    let rows = terminal.rows();
    let address = rows.split_once("ws://").unwrap().1.split('/').next().unwrap().to_owned();
    terminal.keys("nobody\r");
    terminal.wait_for("no client is connected");
    let mut one = Client::start(&format!("ws://{address}/first?a=b"));
    one.send("hello");
    terminal.wait_for("◂ #1 5 B hello");
    let mut two = Client::start(&format!("ws://{address}/second"));
    two.send("\u{1b}[2J");
    terminal.wait_for("[2J");
    terminal.keys("to all of you\r");
    terminal.wait_for("▸ #1 #2 13 B to all of you");
    assert_eq!(
        (one.next_line(), two.next_line()),
        ("to all of you".into(), "to all of you".into())
    );
    compare("listen", &stable(&terminal.rows(), &address));
    terminal.keys("/ping\r");
    terminal.wait_until("two Pongs", |rows| rows.matches("Pong").count() == 2);
    terminal.keys("/info\r");
    terminal.wait_for("sent         2 text, 0 binary, 26 B;");
    terminal.wait_for("received     2 text, 0 binary, 9 B;");
    drop(two);
    terminal.wait_for("#2 ");
    terminal.keys("/close 4001 bye\r");
    assert_eq!(one.child.wait().unwrap().code(), Some(6));
    terminal.keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
}

/// DNS rebinding: a page whose name was pointed at this machine asks for its own host.
#[test]
fn listen_rejects_foreign_hosts_and_shows_no_secrets() {
    let home = home("listen-hosts");
    let mut terminal = Terminal::start(&home, &["listen", "--time", "none", "0"]);
    terminal.wait_for_last_row("›");
    let rows = terminal.rows();
    let address = rows.split_once("ws://").unwrap().1.split('/').next().unwrap().to_owned();
    let ask = |host: &str, more: &str| {
        let mut socket = TcpStream::connect(&address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!(
            "GET /?token=SECRET HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{more}\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        String::from_utf8_lossy(&status[9..]).into_owned()
    };
    assert_eq!(ask("evil.example:1", "Origin: http://evil.example:1\r\n"), "421");
    terminal.wait_for("rejected: ");
    terminal.wait_for("421");
    assert_eq!(ask(&address, "Origin: http://localhost:1\r\n"), "403");
    terminal.wait_for("403");
    let secrets = "Authorization: Bearer SECRET\r\nCookie: a=SECRET\r\nX-Api-Key: SECRET\r\n";
    assert_eq!(ask(&address, secrets), "101");
    terminal.wait_for("x-api-key: ***");
    let rows = terminal.rows();
    assert!(rows.contains("GET /?token=*** HTTP/1.1") && !rows.contains("SECRET"), "{rows}");
    terminal.keys("\x03");
    assert_eq!(terminal.wait_for_end().code(), Some(130));
}

#[test]
fn listen_ends_at_ctrl_c_though_a_client_is_silent() {
    let home = home("listen-silent");
    let mut terminal = Terminal::start(&home, &["listen", "0"]);
    terminal.wait_for_last_row("›");
    let rows = terminal.rows();
    let address = rows.split_once("ws://").unwrap().1.split('/').next().unwrap().to_owned();
    let mut client = Client::start(&format!("ws://{address}/"));
    client.send("x");
    terminal.wait_for("1 B x");
    // It answers no Close.
    let id = client.child.id().to_string();
    assert!(Command::new("kill").args(["-STOP", &id]).status().unwrap().success());
    terminal.keys("\x03");
    assert_eq!(terminal.wait_for_end().code(), Some(130));
}
