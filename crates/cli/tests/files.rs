//! What `fdx serve --root` serves, and what it does not.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

mod common;

use common::{Served, serve};

/// Serves a folder with files, next to one that must not be served.
fn serve_folder(name: &str) -> Served {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // It may exist from an earlier run.
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
    serve(&["--root", root.to_str().unwrap(), "--host", "evil.example"])
}

#[test]
fn files_outside_the_folder_are_not_served() {
    let server = serve_folder("files");
    for (path, words) in [
        ("/", "this is root/index.html"),
        ("/sub/", "this is root/sub/index.html"),
        ("//sub//index.html", "this is root/sub/index.html"),
        ("/inside.html", "this is root/sub/index.html"),
        ("/inside/index.html", "this is root/sub/index.html"),
        ("/%C3%BC/", "umlaut"),
        ("/digits.bin", "Content-Type: application/octet-stream"),
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(words), "{path}: {answer}");
        assert!(answer.contains("X-Content-Type-Options: nosniff"), "{path}: {answer}");
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
        assert!(answer.contains(&format!("Location: {location}\r\n")), "{path}: {answer}");
    }
    for path in ["/\\sub", "/%5csub", "/%2fsub", "/out"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn files_are_served_by_method_and_range() {
    let server = serve_folder("methods");
    let head = server.request("HEAD", "/digits.bin", "");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Length: 10\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(server.request("POST", "/digits.bin", "").starts_with("HTTP/1.1 405 "));
    let range = |range: &str| server.request("GET", "/digits.bin", &format!("Range: {range}\r\n"));
    let answer = range("bytes=2-4");
    assert!(answer.starts_with("HTTP/1.1 206 ") && answer.ends_with("\r\n\r\n234"), "{answer}");
    for wrong in ["bytes=20-30", "bytes=-0", "bytes=10-,20-30"] {
        let answer = range(wrong);
        assert!(answer.starts_with("HTTP/1.1 416 "), "{wrong}: {answer}");
        assert!(answer.contains("Content-Range: bytes */10\r\n"), "{wrong}: {answer}");
    }
}

/// RFC 9110 §14.1.2, §14.2.
#[test]
fn range_that_is_not_served_is_ignored() {
    let server = serve_folder("ranges");
    let ask = |method: &str, range: &str| {
        server.request(method, "/digits.bin", &format!("Range: {range}\r\n"))
    };
    for range in ["items=0-1", "bytes=5-2", "bytes=0-1,5-6", "bytes=x", "bytes=0-1\r\nRange: x"] {
        let answer = ask("GET", range);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{range}: {answer}");
        assert!(answer.ends_with("\r\n\r\n0123456789"), "{range}: {answer}");
    }
    for (range, part) in
        [("bytes=-999999999", "0123456789"), ("bytes=-3", "789"), ("bytes=8-", "89")]
    {
        let answer = ask("GET", range);
        assert!(answer.starts_with("HTTP/1.1 206 "), "{range}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{part}")), "{range}: {answer}");
    }
    // It is defined for GET only.
    let head = ask("HEAD", "bytes=0-1");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Length: 10\r\n"), "{head}");
}

/// RFC 9110 §13.1.5: a resumed download must not get the rest of another file.
#[test]
fn range_counts_only_if_the_file_is_still_the_one() {
    let server = serve_folder("if-range");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("if-range/root");
    let file = fs::File::options().write(true).open(root.join("digits.bin")).unwrap();
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(hour_ago).unwrap();
    let ask = |condition: &str| {
        let more = format!("Range: bytes=8-\r\nIf-Range: {condition}\r\n");
        server.request("GET", "/digits.bin", &more)
    };
    let answer = server.get("/digits.bin");
    let field = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.strip_prefix(": ")).unwrap().to_owned()
    };
    let (tag, date) = (field("Etag"), field("Last-Modified"));
    for condition in [&tag, &date] {
        let answer = ask(condition);
        assert!(answer.starts_with("HTTP/1.1 206 ") && answer.ends_with("\r\n\r\n89"), "{answer}");
    }
    let weak = format!("W/{tag}");
    for condition in ["\"x\"", weak.as_str(), "Sun, 06 Nov 1994 08:49:37 GMT", "x"] {
        let answer = ask(condition);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{condition}: {answer}");
        assert!(answer.ends_with("\r\n\r\n0123456789"), "{condition}: {answer}");
    }
    file.set_modified(hour_ago + Duration::from_secs(10)).unwrap();
    for condition in [&tag, &date] {
        assert!(ask(condition).starts_with("HTTP/1.1 200 "), "{condition}");
    }
    // Other conditions come first (§13.2.2).
    let more = format!("Range: bytes=8-\r\nIf-Match: {tag}\r\n");
    let answer = server.request("GET", "/digits.bin", &more);
    assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
}

#[test]
fn files_of_text_are_utf_8() {
    let server = serve_folder("charset");
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("charset/root");
    for (name, kind) in [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.png", "image/png"),
    ] {
        fs::write(root.join(name), "Grüße").unwrap();
        let path = format!("/{name}");
        for more in ["", "Range: bytes=0-2\r\n"] {
            let answer = server.request("GET", &path, more);
            assert!(answer.contains(&format!("Content-Type: {kind}\r\n")), "{answer}");
        }
    }
}

/// The page and its files, which are also served beside a folder's: those that are named in one
/// of them are there, and none of them runs or loads anything from elsewhere.
#[test]
fn page_loads_its_files_from_this_server_only() {
    let server = serve_folder("page_files");
    let mut pending = vec!["/fdx".to_owned()];
    let mut seen = Vec::new();
    while let Some(path) = pending.pop() {
        let answer = server.get(&path);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        for field in [
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "frame-ancestors 'none'",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
        ] {
            assert!(head.contains(field), "{path} has no {field}: {head}");
        }
        // In HTML relative to `/fdx`, in modules to themselves.
        let names = content.split('"').skip(1).step_by(2).filter_map(|word| {
            let name = word.strip_prefix("fdx/").or_else(|| word.strip_prefix("./"));
            name.map(|name| format!("/fdx/{name}"))
        });
        for name in names {
            if name != path && !seen.contains(&name) {
                seen.push(name.clone());
                pending.push(name);
            }
        }
    }
    assert!(seen.len() > 5 && seen.contains(&"/fdx/page.css".to_owned()), "{seen:?}");
    let script = server.get("/fdx/page.js");
    assert!(script.contains("Content-Type: text/javascript; charset=utf-8\r\n"), "{script}");
    assert!(server.get("/fdx/nothing.js").starts_with("HTTP/1.1 404 "));
    assert!(server.request("POST", "/fdx/page.js", "").starts_with("HTTP/1.1 405 "));
}

#[test]
fn files_are_served_beside_the_page_and_the_websockets() {
    let server = serve_folder("beside");
    let page = server.get("/fdx");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("<title>"), "{page}");
    for path in ["/echo", "/broadcast", "/whoami"] {
        assert!(server.get(path).starts_with("HTTP/1.1 426 "), "{path}");
    }
    // A folder without a page, as if it were not there.
    let missing = "there is nothing at this path";
    for path in ["/nothing", "/empty/", "/empty", "/.env", "/digits.bin/"] {
        let answer = server.get(path);
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains(missing),
            "{path}: {answer}"
        );
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("beside/root");
    fs::write(root.join("fdx"), "a file").unwrap();
    assert!(server.get("/fdx").ends_with("\r\n\r\na file"));
    // Without files the page is at both paths.
    assert!(serve(&[]).get("/fdx").contains("<title>"));
}
