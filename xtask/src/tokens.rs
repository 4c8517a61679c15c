//! Looking at the tokens of Rust.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// The names of a path, and where what follows them begins.
pub(crate) fn segments(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(name)) = tokens.get(at) {
        path.push(name.to_string());
        at += 1;
        if !is_path_separator(tokens, at) {
            break;
        }
        let goes_on = tokens.get(at + 2).is_some_and(|next| {
            matches!(next, TokenTree::Ident(_))
                || is_group(next, Delimiter::Brace)
                || is_punct(next, '*')
        });
        if !goes_on {
            break;
        }
        at += 2;
    }
    (path, at)
}

/// Whether an attribute is a `#[cfg(…)]` that holds for tests only.
pub(crate) fn is_for_tests(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    let mut words =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty());
    words.next() == Some("cfg") && text.contains("test") && !words.any(|word| word == "not")
}

pub(crate) fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    let is_first = matches!(tokens.get(at), Some(TokenTree::Punct(colon))
        if colon.as_char() == ':' && colon.spacing() == Spacing::Joint);
    is_first && tokens.get(at + 1).is_some_and(|token| is_punct(token, ':'))
}

pub(crate) fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

pub(crate) fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(found) if found == word)
}

pub(crate) fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

pub(crate) fn position(
    tokens: &[TokenTree],
    from: usize,
    is_it: impl Fn(&TokenTree) -> bool,
) -> usize {
    (from..tokens.len()).find(|at| is_it(&tokens[*at])).unwrap_or(tokens.len())
}
