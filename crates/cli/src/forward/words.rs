//! `fdx forward ws://…` as the command line of `fdx serve` that it stands for.

use std::ffi::OsString;

/// What the first word after `fdx forward` says if it is the URL of a server to run.
struct ServedUrl<'a> {
    has_tls: bool,
    /// As for `--listen`.
    listen: String,
    /// `None` for any path.
    path: Option<&'a str>,
}

/// Returns the words of a command line, with those of `fdx serve` in place of
/// `fdx forward ws://ADDR:PORT/PATH TARGET`. All others are returned as they are.
///
/// # Errors
/// The URL does not say where to listen, the target is missing, or TLS is missing or too much.
pub(crate) fn with_serve(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let text = |at: usize| words.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    if text(1) != "forward" {
        return Ok(words);
    }
    let Some(url) = served_url(text(2))? else { return Ok(words) };
    let target = text(3);
    if target.is_empty() || target.starts_with('-') {
        let usage = "fdx forward ws://ADDR:PORT/PATH TARGET [OPTIONS of fdx serve]";
        return Err(format!("the target, such as tcp:127.0.0.1:5432, comes next: {usage}"));
    }
    let options = words.get(4..).unwrap_or_default();
    let begins = |word: &OsString, with: &str| word.to_string_lossy().starts_with(with);
    let sets_tls = options.iter().any(|word| begins(word, "--tls-") || begins(word, "--config"));
    match (url.has_tls, sets_tls) {
        (true, false) => {
            return Err("wss:// needs --tls-cert and --tls-key, or --tls-self-signed".into());
        }
        (false, true) if options.iter().any(|word| begins(word, "--tls-")) => {
            return Err("with TLS the URL begins with wss://".into());
        }
        _ => {}
    }
    let forward = match url.path {
        Some(path) => format!("{path}={target}"),
        None => target.to_owned(),
    };
    let mut serve: Vec<OsString> = words.iter().take(1).cloned().collect();
    let own =
        ["serve".to_owned(), format!("--listen={}", url.listen), format!("--forward={forward}")];
    serve.extend(own.map(OsString::from));
    serve.extend(options.iter().cloned());
    Ok(serve)
}

/// Returns what a word says if it begins as the URL of a WebSocket server.
fn served_url(word: &str) -> Result<Option<ServedUrl<'_>>, String> {
    let scheme = word.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let rest = &word[scheme.len()..];
    let (listen, path) = match scheme.as_str() {
        "ws" | "wss" => {
            let Some(rest) = rest.strip_prefix("://") else { return Ok(None) };
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let port = authority.rsplit_once(':').map(|(_, port)| port);
            if port.is_none_or(|port| port.parse::<u16>().is_err()) {
                return Err("the URL to listen at is ws://ADDR:PORT/PATH".into());
            }
            (authority.to_owned(), path)
        }
        "ws+unix" | "wss+unix" => {
            let rest = rest.strip_prefix(':').unwrap_or_default();
            let (socket, path) = rest.split_once(':').unwrap_or((rest, ""));
            (format!("unix:{socket}"), path)
        }
        _ => return Ok(None),
    };
    if path.contains(['?', '#', '=']) {
        return Err("the URL to listen at has no query, and no = in its path".into());
    }
    let path = Some(path).filter(|path| !matches!(*path, "" | "/"));
    Ok(Some(ServedUrl { has_tls: scheme.starts_with("wss"), listen, path }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> Result<String, String> {
        let words = with_serve(line.split(' ').map(OsString::from).collect())?;
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        Ok(words.join(" "))
    }

    #[test]
    fn forward_of_a_served_url_is_serve() {
        for (line, expected) in [
            (
                "fdx forward ws://127.0.0.1:9001/db tcp:127.0.0.1:5432 --log",
                "fdx serve --listen=127.0.0.1:9001 --forward=/db=tcp:127.0.0.1:5432 --log",
            ),
            ("fdx forward ws://:80 unix:/x", "fdx serve --listen=:80 --forward=unix:/x"),
            ("fdx forward WS://[::1]:80/ a:1", "fdx serve --listen=[::1]:80 --forward=a:1"),
            (
                "fdx forward wss://0.0.0.0:443/a a:1 --tls-self-signed",
                "fdx serve --listen=0.0.0.0:443 --forward=/a=a:1 --tls-self-signed",
            ),
            (
                "fdx forward ws+unix:/run/ws:/a a:1",
                "fdx serve --listen=unix:/run/ws --forward=/a=a:1",
            ),
            ("fdx forward 127.0.0.1:1 ws://a/", "fdx forward 127.0.0.1:1 ws://a/"),
            ("fdx forward", "fdx forward"),
            ("fdx connect ws://a:1/ b", "fdx connect ws://a:1/ b"),
        ] {
            assert_eq!(rewritten(line).as_deref(), Ok(expected));
        }
        for (line, words) in [
            ("fdx forward ws://127.0.0.1:9001/db", "the target"),
            ("fdx forward ws://127.0.0.1:9001/db --log", "the target"),
            ("fdx forward ws://127.0.0.1/db a:1", "ws://ADDR:PORT/PATH"),
            ("fdx forward ws://127.0.0.1:1/db?a a:1", "no query"),
            ("fdx forward wss://127.0.0.1:1/db a:1", "--tls-self-signed"),
            ("fdx forward ws://127.0.0.1:1/db a:1 --tls-self-signed", "wss://"),
        ] {
            assert!(rewritten(line).unwrap_err().contains(words), "{line}");
        }
    }
}
