//! What `fdx serve --root` serves, and what it does not.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

mod common;

use common::{Served, serve};

/// Serves a folder with files, beside one that is none of its business.
fn serve_folder(name: &str) -> Served {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It is there from the last time, perhaps.
    let _ = fs::remove_dir_all(&base);
    let root = base.join("root");
    for dir in ["root/sub", "root/empty", "root/.hidden", "root/ü", "outside"] {
        fs::create_dir_all(base.join(dir)).unwrap();
    }
    for file in ["root/index.html", "root/sub/index.html", "root/.hidden/a", "root/.env"] {
        fs::write(base.join(file), format!("this is {file}")).unwrap();
    }
    fs::write(base.join("outside/secret"), "secret").unwrap();
    fs::write(root.join("digits.bin"), "0123456789").unwrap();
    fs::write(root.join("ü/index.html"), "umlaut").unwrap();
    symlink(base.join("outside"), root.join("out")).unwrap();
    symlink("../outside/secret", root.join("out-file")).unwrap();
    symlink("/etc/passwd", root.join("passwd")).unwrap();
    symlink("sub/index.html", root.join("inside.html")).unwrap();
    symlink("sub", root.join("inside")).unwrap();
    symlink("round", root.join("round")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
    serve(&["--root", root.to_str().unwrap()])
}

#[test]
fn files_are_served_and_nothing_outside() {
    let server = serve_folder("files");
    for (path, words) in [
        ("/", "this is root/index.html"),
        ("/sub/", "this is root/sub/index.html"),
        ("//sub//index.html", "this is root/sub/index.html"),
        ("/inside.html", "this is root/sub/index.html"),
        ("/inside/index.html", "this is root/sub/index.html"),
        ("/%C3%BC/", "umlaut"),
        ("/digits.bin", "content-type: application/octet-stream"),
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(words), "{path}: {answer}");
        assert!(answer.contains("x-content-type-options: nosniff"), "{path}: {answer}");
    }
    let long = format!("/{}", "a".repeat(5000));
    for path in [
        "/out/secret",
        "/out-file",
        "/passwd",
        "/round",
        "/pipe",
        "/pipe/x",
        "/.env",
        "/%2eenv",
        "/.hidden/a",
        "/../outside/secret",
        "/sub/../../outside/secret",
        "/%2e%2e/outside/secret",
        "/..%2foutside/secret",
        "/sub%2findex.html%00",
        "/..\\outside\\secret",
        "/..%5coutside%5csecret",
        "/%2fetc/passwd",
        "/empty/",
        "/digits.bin/",
        "/digits.bin/x",
        "/nothing",
        &long,
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(!answer.contains("secret") && !answer.contains("root:"), "{path}: {answer}");
    }
}

#[test]
fn redirections_stay_on_this_server() {
    let server = serve_folder("redirections");
    for (path, location) in [
        ("/sub", "/sub/"),
        ("//sub", "/sub/"),
        ("///sub?a=//b", "/sub/?a=//b"),
        ("/inside", "/inside/"),
        ("/%C3%BC", "/%C3%BC/"),
        ("http://evil.example/sub", "/sub/"),
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 307 "), "{path}: {answer}");
        assert!(answer.contains(&format!("location: {location}\r\n")), "{path}: {answer}");
    }
    for path in ["/\\sub", "/%5csub", "/%2fsub", "/out"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn methods_and_ranges() {
    let server = serve_folder("methods");
    let head = server.request("HEAD", "/digits.bin", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(server.request("POST", "/digits.bin", "").starts_with("HTTP/1.1 405 "));
    let range = |range: &str| server.request("GET", "/digits.bin", &format!("Range: {range}\r\n"));
    let answer = range("bytes=2-4");
    assert!(answer.starts_with("HTTP/1.1 206 ") && answer.ends_with("\r\n\r\n234"), "{answer}");
    for wrong in ["bytes=20-30", "bytes=0-1,3-4", "lines=1"] {
        let answer = range(wrong);
        assert!(answer.starts_with("HTTP/1.1 416 "), "{wrong}: {answer}");
    }
}
