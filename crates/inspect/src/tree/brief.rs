//! The beginning of a tree as a line of text.

use std::fmt::Write as _;

use super::{Tree, TreeValue};

impl Tree {
    /// Returns the tree as one line like JSON, cut at about this number of bytes.
    pub fn to_line(&self, max: usize) -> String {
        let mut line = String::new();
        self.write_line(&mut line, max);
        if line.len() > max {
            let end = (0..=max).rfind(|&end| line.is_char_boundary(end)).unwrap_or_default();
            line.truncate(end);
            line.push('…');
        }
        line
    }

    /// Writes until the line is too long.
    fn write_line(&self, line: &mut String, max: usize) {
        match &self.value {
            TreeValue::Null => line.push_str("null"),
            TreeValue::Bool(bool) => line.push_str(if *bool { "true" } else { "false" }),
            TreeValue::Integer(integer) => {
                let _ = write!(line, "{integer}");
            }
            TreeValue::Float(float) => {
                let _ = write!(line, "{float}");
            }
            TreeValue::Text(text) => {
                let end = (0..=text.len().min(max)).rfind(|&end| text.is_char_boundary(end));
                let _ = write!(line, "{:?}", &text[..end.unwrap_or_default()]);
            }
            TreeValue::Bytes(bytes) => {
                line.push_str("0x");
                for byte in bytes.iter().take(max) {
                    let _ = write!(line, "{byte:02x}");
                }
            }
            TreeValue::List(items) => write_between(line, max, "[", "]", items, |line, item| {
                item.write_line(line, max);
            }),
            TreeValue::Map(entries) => {
                write_between(line, max, "{", "}", entries, |line, (key, value)| {
                    key.write_line(line, max);
                    line.push(':');
                    value.write_line(line, max);
                });
            }
        }
    }
}

fn write_between<T>(
    line: &mut String,
    max: usize,
    open: &str,
    close: &str,
    items: &[T],
    write: impl Fn(&mut String, &T),
) {
    line.push_str(open);
    for (index, item) in items.iter().enumerate() {
        if line.len() > max {
            return;
        }
        if index > 0 {
            line.push(',');
        }
        write(line, item);
    }
    line.push_str(close);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{Json, Reader};

    #[test]
    fn line_of_a_tree_is_cut() {
        let line = |text: &str, max| {
            let tree = Json::new(&mut Reader::new(text.as_bytes(), 0)).document();
            tree.map(|tree| tree.to_line(max))
        };
        let text = r#"{ "b": [1, 2.5, null, true], "a": "ü\n" }"#;
        assert_eq!(line(text, 80).as_deref(), Some(r#"{"b":[1,2.5,null,true],"a":"ü\n"}"#));
        assert_eq!(line(text, 9).as_deref(), Some(r#"{"b":[1,2…"#));
        let long = format!("[\"{}\"]", "ü".repeat(1_000));
        assert!(line(&long, 20).is_some_and(|line| line.len() < 30));
        let bytes = Tree::new(TreeValue::Bytes(vec![1, 255]), 0..2);
        assert_eq!(bytes.to_line(10), "0x01ff");
    }
}
