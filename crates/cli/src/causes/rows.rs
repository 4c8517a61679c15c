//! Reads the values of a table of TOML, of which each key must be known.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// A table of TOML whose keys are taken one by one. What is left at the end is not known.
pub(super) struct Row<'a> {
    values: BTreeMap<&'a str, &'a DeValue<'a>>,
}

impl<'a> Row<'a> {
    /// Returns the row of a table.
    pub(super) fn new(table: &'a DeTable<'a>) -> Self {
        let values = table.iter();
        let values = values.map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()));
        Self { values: values.collect() }
    }

    /// Takes a string; `None` if the key is missing.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.values.remove(key) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.trim_end().to_owned())),
            Some(_) => Err(format!("{key}: not a string")),
        }
    }

    /// Takes a string that must be there.
    pub(super) fn required(&mut self, key: &str) -> Result<String, String> {
        let text = self.text(key)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("{key} is missing"))
    }

    /// Takes a string or an array of strings; empty if the key is missing.
    pub(super) fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let text = |value: &DeValue<'_>| match value {
            DeValue::String(text) if !text.is_empty() => Ok(text.to_string()),
            _ => Err(format!("{key}: not a string, or an array of strings")),
        };
        match self.values.remove(key) {
            None => Ok(Vec::new()),
            Some(DeValue::Array(values)) => {
                values.iter().map(|value| text(value.get_ref())).collect()
            }
            Some(value) => Ok(vec![text(value)?]),
        }
    }

    /// Takes a boolean; `None` if the key is missing.
    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.values.remove(key) {
            None => Ok(None),
            Some(DeValue::Boolean(value)) => Ok(Some(*value)),
            Some(_) => Err(format!("{key}: not true or false")),
        }
    }

    /// Takes a number of this type or an array of them; empty if the key is missing.
    pub(super) fn numbers<N: std::str::FromStr>(&mut self, key: &str) -> Result<Vec<N>, String> {
        let number = |value: &DeValue<'_>| match value {
            DeValue::Integer(number) => {
                number.to_string().parse().map_err(|_| format!("{key}: {number} is out of range"))
            }
            _ => Err(format!("{key}: not a number, or an array of numbers")),
        };
        match self.values.remove(key) {
            None => Ok(Vec::new()),
            Some(DeValue::Array(values)) => {
                values.iter().map(|value| number(value.get_ref())).collect()
            }
            Some(value) => Ok(vec![number(value)?]),
        }
    }

    /// Takes a table of strings; empty if the key is missing.
    pub(super) fn pairs(&mut self, key: &str) -> Result<Vec<(String, String)>, String> {
        let mut inner = match self.values.remove(key) {
            None => return Ok(Vec::new()),
            Some(DeValue::Table(table)) => Row::new(table),
            Some(_) => return Err(format!("{key}: not a table")),
        };
        let names: Vec<&str> = inner.values.keys().copied().collect();
        let pair = |name: &str| {
            let value = inner.text(name).map_err(|why| format!("{key}.{why}"))?;
            Ok((name.to_ascii_lowercase(), value.unwrap_or_default()))
        };
        names.into_iter().map(pair).collect()
    }

    /// Takes an array of tables; empty if the key is missing.
    pub(super) fn rows(&mut self, key: &str) -> Result<Vec<Row<'a>>, String> {
        let not_tables = || format!("{key}: not an array of tables");
        match self.values.remove(key) {
            None => Ok(Vec::new()),
            Some(DeValue::Array(values)) => {
                let row = |value: &'a toml::Spanned<DeValue<'a>>| match value.get_ref() {
                    DeValue::Table(table) => Ok(Row::new(table)),
                    _ => Err(not_tables()),
                };
                values.iter().map(row).collect()
            }
            Some(_) => Err(not_tables()),
        }
    }

    /// Checks that each key was taken.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("{key} is not a key of this table")),
        }
    }
}
