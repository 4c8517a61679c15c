//! The filter of `/grep`.

use fullduplex::Message;

/// A text that messages must have to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pattern: String,
    /// Whether capital letters count: the pattern has one.
    is_exact: bool,
    /// How many messages were not shown.
    pub(crate) hidden: u64,
}

impl Filter {
    pub(crate) fn new(pattern: &str) -> Self {
        let is_exact = pattern.chars().any(char::is_uppercase);
        Self { pattern: pattern.to_owned(), is_exact, hidden: 0 }
    }

    pub(crate) fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Whether the message is shown; one that is not is counted.
    pub(crate) fn check(&mut self, message: &Message) -> bool {
        let text = match message {
            Message::Text(text) => text.as_str().into(),
            Message::Binary(bytes) => String::from_utf8_lossy(bytes),
        };
        let text = if self.is_exact { text } else { text.to_lowercase().into() };
        let is_shown = text.contains(&self.pattern);
        self.hidden += u64::from(!is_shown);
        is_shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_minds_capitals_if_the_pattern_has_one() {
        let mut filter = Filter::new("price");
        assert!(filter.check(&"the PRICE".into()) && filter.check(&b"\xffprice"[..].into()));
        assert!(!filter.check(&"other".into()));
        assert_eq!(filter.hidden, 1);
        assert!(!Filter::new("Price").check(&"price".into()));
    }
}
