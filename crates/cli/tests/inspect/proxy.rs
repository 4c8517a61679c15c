//! `fdx inspect --proxy`: tunnels, requests with a URL, TLS that is looked into, and the authority.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::common::{FDX, accepting, serve};
use crate::relay::{Relay, accept, expect, head, inspect, upgrade};

const PROXY: [&str; 5] = ["--json", "--via", "none", "--proxy", "127.0.0.1:0"];

/// A target, its address, and a proxy.
fn proxy(options: &[&str]) -> (TcpListener, String, Relay) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address, inspect(&[&PROXY, options].concat()))
}

/// Opens a tunnel to an address.
fn tunnel(proxy: &Relay, to: &str) -> TcpStream {
    let mut client = proxy.connect();
    client.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(head(&mut client), "HTTP/1.1 200 Connection established\r\n\r\n");
    client
}

/// A folder of a test.
fn folder(name: &str) -> String {
    let folder = std::env::temp_dir().join(format!("fdx-{name}-{}", std::process::id()));
    // It may be that of an earlier process.
    let _ = std::fs::remove_dir_all(&folder);
    folder.to_str().unwrap().to_owned()
}

/// Sends a line to the echo of a server by a proxy, and returns what `fdx connect` prints.
fn echo(proxy: &Relay, url: &str, options: &[&str]) -> (Option<i32>, String) {
    let echo = Command::new(FDX)
        .args(["connect", "--proxy", &format!("http://{}", proxy.address), "--messages", "1"])
        .args(options)
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended already.
    let _ = echo.stdin.as_ref().unwrap().write_all(b"by TLS\n");
    let output = echo.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn proxy_shows_a_websocket_in_a_tunnel() {
    let (listener, to, proxy) = proxy(&[]);
    let mut client = tunnel(&proxy, &to);
    let mut server = accept(&listener);
    let request = upgrade("by.name.example", "");
    client.write_all(request.as_bytes()).unwrap();
    // Nothing is changed, also not Host.
    assert_eq!(head(&mut server), request);
    let response = accepting(&request).unwrap();
    server.write_all(response.as_bytes()).unwrap();
    server.write_all(b"\x81\x02hi").unwrap();
    assert_eq!(head(&mut client), response);
    expect(&mut client, b"\x81\x02hi");
    drop((client, server));
    let tunnels = proxy.events("tunnel");
    assert_eq!((&tunnels[0]["to"], &tunnels[0]["content"]), (&to.clone().into(), &"plain".into()));
    assert_eq!(proxy.events("open")[0]["url"], format!("ws://{to}/x?token=secret"));
    assert_eq!(proxy.events("frame")[0]["message"]["text"], "hi");
}

#[test]
fn proxy_passes_requests_with_a_url_to_their_target() {
    let (listener, to, proxy) = proxy(&[]);
    let mut client = proxy.connect();
    let request = format!(
        "GET http://{to}/x HTTP/1.1\r\nHost: other\r\nProxy-Authorization: Basic YTpi\r\n\
         Connection: keep-alive\r\nX-Odd:  a \r\n\r\n"
    );
    // In two pieces: the head is complete with the second.
    client.write_all(&request.as_bytes()[..20]).unwrap();
    client.write_all(&request.as_bytes()[20..]).unwrap();
    let mut server = accept(&listener);
    let sent = format!("GET /x HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nX-Odd:  a \r\n\r\n");
    assert_eq!(head(&mut server), sent);
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    server.write_all(response).unwrap();
    expect(&mut client, response);
    // Another target would need another connection.
    client.write_all(b"GET http://127.0.0.1:1/ HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let request = &proxy.events("request")[0];
    assert_eq!(request["changed_from"][0][1], format!("GET http://{to}/x HTTP/1.1"));
    assert!(proxy.lines().iter().any(|line| line.contains("for another target")));
}

#[test]
fn proxy_passes_other_tls_without_looking_into_it() {
    let (listener, to, proxy) = proxy(&[]);
    let mut client = tunnel(&proxy, &to);
    let mut server = accept(&listener);
    client.write_all(b"\x16\x03\x01anything").unwrap();
    expect(&mut server, b"\x16\x03\x01anything");
    server.write_all(b"HTTP/1.1 101 Not\r\n\r\n\x81\x02hi").unwrap();
    expect(&mut client, b"HTTP/1.1 101 Not\r\n\r\n\x81\x02hi");
    drop(client);
    drop(server);
    assert_eq!(proxy.events("tunnel")[0]["content"], "TLS");
    let shown = proxy.lines().join("\n");
    assert!(!shown.contains(r#""event":"response""#), "{shown}");
    assert_eq!(proxy.events("closed")[0]["client"]["bytes"], 11);
}

#[test]
fn proxy_passes_a_server_that_sends_first() {
    let (listener, to, proxy) = proxy(&[]);
    let mut client = tunnel(&proxy, &to);
    let mut server = accept(&listener);
    server.write_all(b"220 ready\r\n\r\n").unwrap();
    expect(&mut client, b"220 ready\r\n\r\n");
    client.write_all(b"QUIT\r\n\r\n").unwrap();
    expect(&mut server, b"QUIT\r\n\r\n");
}

#[test]
fn proxy_answers_only_what_has_no_target() {
    let (_, _, proxy) = proxy(&[]);
    // It is bound and does not listen, so that no other program gets its port.
    let unused = tokio::net::TcpSocket::new_v4().unwrap();
    unused.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let to = unused.local_addr().unwrap();
    let own = proxy.address.clone();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    for (request, status, words) in [
        (format!("CONNECT {to} HTTP/1.1\r\n\r\n"), "502 Bad Gateway", "refused"),
        (format!("CONNECT {own} HTTP/1.1\r\n\r\n"), "502 Bad Gateway", "this proxy itself"),
        (format!("GET http://{own}/ HTTP/1.1\r\n\r\n"), "502 Bad Gateway", "this proxy itself"),
        (get, "400 Bad Request", "this is a proxy"),
        ("CONNECT a HTTP/1.1\r\n\r\n".to_owned(), "400 Bad Request", "a host and a port"),
    ] {
        let mut client = proxy.connect();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
        assert!(answer.contains(words), "{request}: {answer}");
    }
}

#[test]
fn proxy_shows_what_is_inside_the_tls_of_named_hosts() {
    let folder = folder("decrypt");
    let server = serve(&["--tls-self-signed"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let certificate = format!("{folder}/ca.pem");
    let options = ["--decrypt", "*.nothing.example", "--decrypt", "localhost", "--ca-dir", &folder];
    let proxy = inspect(&[&PROXY[..], &options, &["-k"]].concat());
    let url = format!("wss://localhost:{port}/echo");
    let (code, text) = echo(&proxy, &url, &["--ca", &certificate]);
    assert_eq!((code, &*text), (Some(0), "by TLS\n"));
    assert_eq!(proxy.events("tunnel")[0]["content"], "opened TLS");
    assert_eq!(proxy.events("open")[0]["url"], url);
    assert!(proxy.events("frame").iter().any(|frame| frame["message"]["text"] == "by TLS"));
    // A host that is not named, with the certificate of the server itself.
    let (code, _) = echo(&proxy, &format!("wss://127.0.0.1:{port}/echo"), &["-k"]);
    assert_eq!(code, Some(0));
    assert_eq!(proxy.events("open").len(), 1);
    // A client that does not trust the authority.
    let (code, text) = echo(&proxy, &url, &[]);
    assert_eq!(code, Some(3), "{text}");
    proxy.line("rejected the server's certificate");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn proxy_speaks_the_version_that_both_sides_choose() {
    let folder = folder("versions");
    let server = serve(&["--tls-self-signed", "--h2"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let certificate = format!("{folder}/ca.pem");
    let options = ["--decrypt", "*", "--ca-dir", &folder, "-k"];
    let proxy = inspect(&[&PROXY[..], &options].concat());
    let url = format!("wss://localhost:{port}/echo");
    // The first time the target chooses, then it is known what it can.
    for (http, expected) in
        [("1", "GET /echo"), ("2", "CONNECT"), ("1", "GET /echo"), ("2", "CONNECT")]
    {
        let before = proxy.lines().len();
        let (code, text) = echo(&proxy, &url, &["--ca", &certificate, "--http", http]);
        assert_eq!((code, &*text), (Some(0), "by TLS\n"), "{:#?}", proxy.lines());
        let lines = proxy.lines();
        let requests = lines[before..].iter().filter(|line| line.contains(r#""event":"request""#));
        let requests: Vec<_> = requests.collect();
        assert!(requests.len() == 1 && requests[0].contains(expected), "{http}: {requests:#?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn proxy_refuses_clients_of_a_target_that_it_does_not_trust() {
    let folder = folder("untrusted");
    let server = serve(&["--tls-self-signed"]);
    let port = server.address.rsplit_once(':').unwrap().1;
    let (_, _, proxy) = proxy(&["--decrypt", "*", "--ca-dir", &folder]);
    let certificate = format!("{folder}/ca.pem");
    let url = format!("wss://localhost:{port}/echo");
    let (code, text) = echo(&proxy, &url, &["--ca", &certificate]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("handshake_failure") || text.contains("handshake failure"), "{text}");
    proxy.line("the target: TLS with localhost");
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn authority_is_kept_for_its_user_only() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder("authority");
    let ca = |more: &[&str]| {
        let mut command = Command::new(FDX);
        command.args(["inspect", "ca", "--ca-dir", &folder]).args(more);
        let output = command.output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), text)
    };
    let certificate = || fs::read_to_string(format!("{folder}/ca.pem")).unwrap();
    let mode = |name: &str| fs::metadata(format!("{folder}{name}")).unwrap().permissions().mode();
    let (code, text) = ca(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("fdx inspect (") && text.contains(&format!("--cacert {folder}/ca.pem")));
    assert_eq!((mode("") & 0o777, mode("/ca.key") & 0o777), (0o700, 0o600));
    let first = certificate();
    assert_eq!(ca(&["--export", "-"]), (Some(0), first.clone()));
    let copy = format!("{folder}/copy.pem");
    assert_eq!(ca(&["--renew", "--export", &copy]).0, Some(0));
    assert_ne!(certificate(), first);
    assert_eq!(fs::read_to_string(copy).unwrap(), certificate());
    fs::set_permissions(format!("{folder}/ca.key"), fs::Permissions::from_mode(0o640)).unwrap();
    let (code, text) = ca(&[]);
    assert!(code == Some(1) && text.contains("can be used by others"), "{text}");
    fs::remove_dir_all(folder).unwrap();
}
