//! Secrets of JSON, also of JSON that is part of another text, or cut.

use super::HIDDEN;

/// How often a text of JSON may have JSON within.
const MAX_NESTED: usize = 3;

/// Returns the text with `"***"` in place of the values of secret keys, or `None` if there are not
/// any.
///
/// A key is a text in quotation marks with a colon behind it, wherever it is. So it is found in
/// `42["login",{"token":"x"}]` too, and in a part of JSON.
pub(super) fn redact(text: &str, is_secret: &dyn Fn(&str) -> bool) -> Option<String> {
    redact_nested(text, is_secret, MAX_NESTED)
}

fn redact_nested(text: &str, is_secret: &dyn Fn(&str) -> bool, nested: usize) -> Option<String> {
    let bytes = text.as_bytes();
    let mut shown = String::new();
    // What is before `copied` is in `shown`.
    let (mut copied, mut at) = (0, 0);
    while let Some(quote) = bytes[at..].iter().position(|&byte| byte == b'"') {
        let begin = at + quote;
        let end = end_of_text(bytes, begin);
        at = end;
        let colon = end + space(&bytes[end..]);
        if bytes.get(colon) == Some(&b':') {
            let key = unescaped(&text[begin..end]);
            if !is_secret(&key) {
                continue;
            }
            let value = colon + 1 + space(&bytes[colon + 1..]);
            let value_end = end_of_value(bytes, value);
            shown.push_str(&text[copied..value]);
            shown.push('"');
            shown.push_str(HIDDEN);
            shown.push('"');
            (copied, at) = (value_end, value_end);
        } else if nested > 0 && text[begin..end].contains("\\\"") {
            let inner = unescaped(&text[begin..end]);
            if let Some(inner) = redact_nested(&inner, is_secret, nested - 1) {
                shown.push_str(&text[copied..begin]);
                shown.push_str(&serde_json::Value::String(inner).to_string());
                copied = end;
            }
        }
    }
    if copied == 0 {
        return None;
    }
    shown.push_str(&text[copied..]);
    Some(shown)
}

fn space(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Returns where the text ends that begins with a quotation mark here.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns where a value ends, or the bytes.
fn end_of_value(bytes: &[u8], begin: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = begin;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                if depth == 0 {
                    return at;
                }
                depth -= 1;
                at += 1;
            }
            b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => at += 1,
        }
        let is_closed = matches!(bytes.get(at.wrapping_sub(1)), Some(b'"' | b'}' | b']'));
        if depth == 0 && is_closed {
            return at.min(bytes.len());
        }
    }
    bytes.len()
}

/// Returns what a text in quotation marks says. One that is cut, or not valid, is taken as it is.
fn unescaped(quoted: &str) -> String {
    let plain = || quoted.trim_matches('"').to_owned();
    serde_json::from_str(quoted).unwrap_or_else(|_| plain())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        redact(text, &|key| key == "token").unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn secrets_of_json_are_hidden_wherever_they_are() {
        for (text, expected) in [
            (r#"{"a":1}"#, r#"{"a":1}"#),
            (r#"{"token":"x","a":1}"#, r#"{"token":"***","a":1}"#),
            (r#"{"token" : "x\"y" }"#, r#"{"token" : "***" }"#),
            (r#"{"token":12,"a":1}"#, r#"{"token":"***","a":1}"#),
            (r#"{"token":null}"#, r#"{"token":"***"}"#),
            (r#"{"token":{"a":["}",{}]},"b":2}"#, r#"{"token":"***","b":2}"#),
            (r#"{"a":[{"token":[]}]}"#, r#"{"a":[{"token":"***"}]}"#),
            (r#"{"\u0074oken":"x"}"#, r#"{"\u0074oken":"***"}"#),
            (r#"42["login",{"token":"x"}]"#, r#"42["login",{"token":"***"}]"#),
            (r#"a["{\"token\":\"x\"}"]"#, r#"a["{\"token\":\"***\"}"]"#),
            // Cut anywhere.
            (r#"{"token":"x"#, r#"{"token":"***""#),
            (r#"{"token":{"a":1"#, r#"{"token":"***""#),
            (r#"{"token":"#, r#"{"token":"***""#),
            (r#"{"token""#, r#"{"token""#),
            ("\"", "\""),
            ("\"\\", "\"\\"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn secrets_of_any_text_are_searched_without_a_panic(
            text in r#"(token|"|\\|:|\{|\}|\[|\]|,| |ü|x){0,40}"#,
        ) {
            let _ = shown(&text);
            let hidden = shown(&format!("{text}\n{{\"token\":\"SECRET\"}}"));
            // Within a text that began before, it is not a key.
            if text.matches('"').count() == 0 {
                prop_assert!(!hidden.contains("SECRET"), "{hidden}");
            }
        }
    }
}
