//! What `fdx connect` sends in its requests.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::connect;

/// Answers one connection with these bytes, and returns its URL and the request.
pub(crate) fn answering(answer: String) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let asked = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap()
    });
    (url, asked)
}

#[test]
fn redirect_carries_no_header_option_to_another_server() {
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let (end, at_the_end) = answering(refusal.to_owned());
    let moved = format!("HTTP/1.1 302 Found\r\nLocation: {end}\r\nContent-Length: 0\r\n\r\n");
    let (url, at_the_beginning) = answering(moved);
    let options = ["-H", "X-Api-Key: SECRET", "-s", "bearer.SECRET", "--max-redirects", "1"];
    let (code, _, said) = connect(&[&options[..], &[url.as_str()]].concat(), "");
    assert_eq!(code, Some(4), "{said}");
    let heads = [at_the_beginning, at_the_end].map(|head| head.join().unwrap());
    assert_eq!(heads[0].matches("SECRET").count(), 2, "{}", heads[0]);
    assert!(!heads[1].contains("SECRET"), "{}", heads[1]);
}

#[test]
fn user_agent_is_sent_unless_one_is_given() {
    let refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    for (options, own, given) in [(&[][..], 1, 0), (&["-H", "User-Agent: mine"], 0, 1)] {
        let (url, asked) = answering(refusal.to_owned());
        connect(&[options, &[url.as_str()]].concat(), "");
        let head = asked.join().unwrap().to_lowercase();
        let count = |field: &str| head.matches(field).count();
        let fields = (count("user-agent: fdx/"), count("user-agent: mine"));
        assert_eq!(fields, (own, given), "{head}");
    }
}
