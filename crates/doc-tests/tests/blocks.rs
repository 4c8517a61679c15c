//! The blocks of code on the pages, as far as rustdoc does not check them.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]

use fullduplex_doc_tests::pages::{Block, all, blocks, root, text};

/// Calls the function with each block of each page, its place, and its language.
fn each_block(mut check: impl FnMut(&str, &str, &Block<'_>)) {
    let mut seen = 0;
    for page in all() {
        let text = text(&root().join(&page)).unwrap();
        for block in blocks(&text) {
            let place = format!("{page}:{}", block.line);
            check(&place, block.words.first().unwrap_or(&""), &block);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen} blocks were found");
}

#[test]
fn blocks_name_their_language() {
    const KNOWN: [&str; 17] = [
        "rust",
        "toml",
        "json",
        "jsonl",
        "text",
        "sh",
        "console",
        "mermaid",
        "html",
        "js",
        "python",
        "nginx",
        "apache",
        "haproxy",
        "caddyfile",
        "ini",
        "yaml",
    ];
    each_block(|place, language, _| {
        assert!(KNOWN.contains(&language), "{place}: {language:?} is not one of {KNOWN:?}");
    });
}

#[test]
fn blocks_of_rust_are_compiled() {
    each_block(|place, _, block| {
        let ignored = block.words.iter().any(|word| word.starts_with("ignore"));
        assert!(
            !ignored,
            "{place}: use `no_run` for what must not run, `text` for what is not code"
        );
    });
}

#[test]
fn blocks_of_toml_and_json_can_be_parsed() {
    each_block(|place, language, block| match language {
        "toml" => {
            let parsed = toml::de::DeTable::parse(&block.text);
            assert!(parsed.is_ok(), "{place}: {}", parsed.unwrap_err());
        }
        "json" => {
            let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
            assert!(parsed.is_ok(), "{place}: {}", parsed.unwrap_err());
        }
        "jsonl" => {
            for line in block.text.lines() {
                let parsed = serde_json::from_str::<serde_json::Value>(line);
                assert!(parsed.is_ok(), "{place}: {}", parsed.unwrap_err());
            }
        }
        _ => {}
    });
}

#[test]
fn blocks_are_found_with_line_and_words() {
    let found = blocks("a\n```rust,no_run\nlet x;\n```\nb\n```\n```\n");
    let [first, second] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.line, &first.words[..]), (2, &["rust", "no_run"][..]));
    assert_eq!(first.text, "let x;\n");
    assert_eq!((second.line, second.words.len()), (6, 0));
}

#[test]
fn pages_include_files_and_parts_of_files() {
    let folder = std::env::temp_dir().join(format!("pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("code.rs", "a\n// ANCHOR: part\nb\n// ANCHOR_END: part\nc\n");
    let included = |page: &str| {
        write("page.md", page);
        text(&folder.join("page.md"))
    };
    assert_eq!(included("x {{#include code.rs}} y").unwrap(), "x a\nb\nc y");
    assert_eq!(included("x {{#include code.rs:part}} y").unwrap(), "x b y");
    assert!(included("{{#include code.rs:other}}").is_err());
    assert!(included("{{#include other.rs}}").is_err());
    assert!(included("{{#playground code.rs}}").is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
