//! The files that documents name.

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::process::root;

    /// What a path in a document may be relative to.
    const BASES: [&str; 5] =
        ["", "crates/", "crates/fullduplex/", "crates/fullduplex/src/", "crates/http3/src/"];

    /// Returns the words in backticks that are paths of files or folders.
    fn paths(text: &str) -> Vec<&str> {
        let outside_of_blocks = text.split("```").step_by(2);
        let quoted = outside_of_blocks.flat_map(|text| text.split('`').skip(1).step_by(2));
        quoted.filter(|word| is_path(word)).collect()
    }

    fn is_path(word: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        let named = [".rs", ".md", ".txt", "/"].iter().any(|end| word.ends_with(end));
        word.chars().all(plain) && named && word.len() > 3
    }

    #[test]
    fn documents_name_files_that_exist() {
        for document in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
            let text = fs::read_to_string(root().join(document)).unwrap();
            let paths = paths(&text);
            assert!(paths.len() > 10, "{document} names {} files", paths.len());
            for path in paths {
                let exists = BASES.iter().any(|base| root().join(base).join(path).exists());
                assert!(exists, "{document} names {path}, which does not exist");
            }
        }
    }

    #[test]
    fn documents_have_paths_in_backticks_only() {
        assert_eq!(
            paths("a `b/c.rs` and `d::e` ```\n`x.rs` ``` `f/g/` b/g.rs"),
            ["b/c.rs", "f/g/"]
        );
    }
}
