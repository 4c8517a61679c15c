//! The saved messages of the configuration file, `fdx/config.toml` in the folder for the
//! configuration of programs, by the XDG Base Directory Specification.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A message that is kept under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SavedMessage {
    Text(String),
    /// The file whose content is sent.
    File(PathBuf),
}

/// The saved messages by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SavedMessages(BTreeMap<String, SavedMessage>);

impl SavedMessages {
    /// Reads the configuration file; none, if there is no such file.
    ///
    /// # Errors
    /// Fails with the file, the line and the key.
    pub(crate) fn load() -> Result<Self, String> {
        let Some(file) = config_file() else { return Ok(Self::default()) };
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }

    fn parse(file: &Path, text: &str) -> Result<Self, String> {
        let at = |offset: usize, why: &str| {
            let line = 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
            format!("{}, line {line}: {why}", file.display())
        };
        let table = DeTable::parse(text)
            .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
        let mut messages = BTreeMap::new();
        for (key, value) in table.get_ref() {
            let section: &str = key.get_ref();
            let named = match value.get_ref() {
                DeValue::Table(named) if section == "message" => named,
                _ => {
                    let why = format!("{section} is not known; sections are [message.NAME]");
                    return Err(at(key.span().start, &why));
                }
            };
            for (name, value) in named {
                let text: &str = name.get_ref();
                let message = message(value)
                    .map_err(|why| at(name.span().start, &format!("message.{text}: {why}")))?;
                messages.insert(text.to_owned(), message);
            }
        }
        Ok(Self(messages))
    }

    /// Returns the message of this name.
    ///
    /// # Errors
    /// Fails with the names that there are.
    pub(crate) fn get(&self, name: &str) -> Result<&SavedMessage, String> {
        self.0.get(name).ok_or_else(|| match self.names().as_slice() {
            [] => {
                let file = config_file().map(|file| file.display().to_string());
                let file = file.unwrap_or_else(|| "the configuration file".into());
                format!("there are no saved messages; a section [message.NAME] in {file} makes one")
            }
            names => format!("there is no saved message {name}; there are {}", names.join(", ")),
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// Returns the message of a section.
fn message(value: &Spanned<DeValue<'_>>) -> Result<SavedMessage, String> {
    const WANTED: &str = "one of text, json and file is wanted, as a string";
    let DeValue::Table(keys) = value.get_ref() else { return Err(WANTED.into()) };
    let mut keys = keys.iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else { return Err(WANTED.into()) };
    let key: &str = key.get_ref();
    let DeValue::String(text) = value.get_ref() else { return Err(WANTED.into()) };
    let text: &str = text;
    match key {
        "text" => Ok(SavedMessage::Text(text.to_owned())),
        "file" => Ok(SavedMessage::File(text.into())),
        "json" => match serde_json::from_str::<Value>(text) {
            Ok(_) => Ok(SavedMessage::Text(text.trim().to_owned())),
            Err(error) => Err(format!("json: {error}")),
        },
        other => Err(format!("{other} is not known; {WANTED}")),
    }
}

fn config_file() -> Option<PathBuf> {
    let folder = super::absolute_folder("XDG_CONFIG_HOME");
    let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("fdx/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_messages_are_text_json_or_a_file() {
        let text = "[message.hi]\ntext = 'hello'\n[message.sub]\njson = '''\n{\"n\": 1.0}\n'''\n\
                    [message.big]\nfile = 'big.json'\n";
        let saved = SavedMessages::parse(Path::new("c"), text).unwrap();
        assert_eq!(saved.names(), ["big", "hi", "sub"]);
        assert_eq!(saved.get("hi"), Ok(&SavedMessage::Text("hello".into())));
        assert_eq!(saved.get("sub"), Ok(&SavedMessage::Text("{\"n\": 1.0}".into())));
        assert_eq!(saved.get("big"), Ok(&SavedMessage::File("big.json".into())));
        assert!(saved.get("x").unwrap_err().contains("there are big, hi, sub"));
        assert!(SavedMessages::default().get("x").unwrap_err().contains("[message.NAME]"));
    }

    #[test]
    fn saved_messages_name_what_is_wrong_in_the_file() {
        for (text, words) in [
            ("\n[message.a]\ntext = 1", &["c, line 2: message.a", "text, json and file"][..]),
            ("[message.a]\nbody = 'x'", &["message.a: body is not known"]),
            ("[message.a]\njson = '{'", &["message.a: json: "]),
            ("[message.a]\ntext = ''\nfile = ''", &["one of"]),
            ("\n\nother = 1", &["line 3: other is not known", "[message.NAME]"]),
            ("[message", &["c, line 1: "]),
        ] {
            let why = SavedMessages::parse(Path::new("c"), text).unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{text}: {why}");
        }
    }
}
