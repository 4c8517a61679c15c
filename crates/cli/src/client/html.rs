//! The text of a response's body: of HTML its title and its text.

/// The most lines of a body that are shown.
const MAX_LINES: usize = 10;
/// The most characters of a line that are shown.
const MAX_LINE: usize = 300;

/// Returns the lines of a body that are worth showing, not yet safe to print.
pub(crate) fn text_lines(body: &[u8], content_type: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let start: String = text.trim_start().chars().take(200).collect::<String>().to_lowercase();
    let is_html = content_type.to_ascii_lowercase().starts_with("text/html")
        || start.starts_with("<!doctype html")
        || start.contains("<html");
    let text = if is_html { without_tags(&text) } else { text.into_owned() };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        // The heading of a page often repeats its title.
        if line.is_empty() || (is_html && lines.contains(&line)) {
            continue;
        }
        if lines.len() == MAX_LINES {
            lines.push("…".into());
            break;
        }
        let shown: String = line.chars().take(MAX_LINE).collect();
        lines.push(if shown.len() < line.len() { shown + "…" } else { line });
    }
    lines
}

/// Returns the text of HTML with a line for each element.
fn without_tags(html: &str) -> String {
    let (mut text, mut rest) = (String::new(), html);
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = rest[1..].split_once('>') else { return decoded(&text) };
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '/').next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        rest = after;
        match &*name {
            // These are within a line.
            "b" | "/b" | "i" | "/i" | "a" | "/a" | "code" | "/code" | "em" | "/em" | "strong"
            | "/strong" | "span" | "/span" => {}
            "script" | "style" | "svg" => {
                let end = format!("</{name}");
                let lower = rest.to_ascii_lowercase();
                rest = lower.find(&end).map_or("", |at| &rest[at..]);
            }
            _ => text.push('\n'),
        }
    }
    text.push_str(rest);
    decoded(&text)
}

/// Returns the text with the usual character references replaced.
fn decoded(text: &str) -> String {
    let references = [
        ("&nbsp;", " "),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ];
    references.iter().fold(text.to_owned(), |text, (name, by)| text.replace(name, by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_boiled_down_to_its_title_and_text() {
        let nginx = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>\
                     <h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n\
                     </body>\r\n</html>\r\n";
        assert_eq!(text_lines(nginx.as_bytes(), "text/html"), ["502 Bad Gateway", "nginx/1.22.1"]);
        let page = "<!doctype html><style>p{}</style><script>if(a<b){}</script><!-- x > y -->\
                    <p>It's <b>not</b> here &amp; there";
        assert_eq!(text_lines(page.as_bytes(), ""), ["It's not here & there"]);
        for broken in ["<html", "<html><script>", "<html><!--", "<html>a<"] {
            assert!(text_lines(broken.as_bytes(), "text/html").len() <= 1);
        }
    }

    #[test]
    fn html_is_bounded_and_other_text_kept() {
        assert_eq!(
            text_lines(b"{\"error\": \"a<b\"}\n", "application/json"),
            ["{\"error\": \"a<b\"}"]
        );
        assert_eq!(text_lines(b"same\nsame\n", "text/plain"), ["same", "same"]);
        assert!(text_lines(b"", "").is_empty());
        let long = "x".repeat(1000) + "\n" + &"line\n".repeat(50);
        let lines = text_lines(long.as_bytes(), "text/plain");
        assert_eq!((lines.len(), lines[0].chars().count()), (11, 301));
        assert!(text_lines(b"\xff\xfe", "").len() == 1);
    }
}
