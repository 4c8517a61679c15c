//! The saved messages of the configuration file: those for all connections, and those of a profile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::source::Sections;
use super::{ConfigFile, Source, config_file};
use crate::base::escape::printable;

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
    /// Reads the saved messages of the configuration file, which may be missing. A message of the
    /// profile replaces another of the same name.
    ///
    /// # Errors
    /// Fails with the file, the line and the key.
    pub(crate) fn load(profile: Option<&str>) -> Result<Self, String> {
        match ConfigFile::load()? {
            Some(file) => Self::parse(file.source(), profile),
            None => Ok(Self::default()),
        }
    }

    fn parse(source: Source<'_>, profile: Option<&str>) -> Result<Self, String> {
        let sections = Sections::parse(source)?;
        let mut messages = Self::default();
        messages.add(source, "message", &sections.messages)?;
        let profile = profile.and_then(|profile| {
            let mut all = sections.profiles.iter();
            all.find(|(name, _)| name.get_ref() == profile)
        });
        let Some((profile, DeValue::Table(keys))) =
            profile.map(|(name, value)| (name, value.get_ref()))
        else {
            return Ok(messages);
        };
        if let Some((key, named)) = keys.iter().find(|(key, _)| key.get_ref() == "message") {
            let section = format!("profile.{}.message", profile.get_ref());
            let DeValue::Table(named) = named.get_ref() else {
                let why = format!("{section}: sections [{section}.NAME] are expected");
                return Err(source.at(key.span().start, why));
            };
            messages.add(source, &section, named)?;
        }
        Ok(messages)
    }

    fn add(
        &mut self,
        source: Source<'_>,
        section: &str,
        named: &DeTable<'_>,
    ) -> Result<(), String> {
        for (name, value) in named {
            let text: &str = name.get_ref();
            let message = message(source, value).map_err(|why| {
                source.at(name.span().start, format_args!("{section}.{text}: {why}"))
            })?;
            self.0.insert(text.to_owned(), message);
        }
        Ok(())
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
            names => format!(
                "there is no saved message {}; there are {}",
                printable(name),
                printable(&names.join(", "))
            ),
        })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// Returns the message of a section.
fn message(source: Source<'_>, value: &Spanned<DeValue<'_>>) -> Result<SavedMessage, String> {
    const WANTED: &str = "one of text, json and file is wanted, as a string";
    let DeValue::Table(keys) = value.get_ref() else { return Err(WANTED.into()) };
    let mut keys = keys.iter();
    let (Some((key, value)), None) = (keys.next(), keys.next()) else { return Err(WANTED.into()) };
    let key: &str = key.get_ref();
    let DeValue::String(text) = value.get_ref() else { return Err(WANTED.into()) };
    let text: &str = text;
    match key {
        "text" => Ok(SavedMessage::Text(text.to_owned())),
        "file" => Ok(SavedMessage::File(source.path(text))),
        "json" => match serde_json::from_str::<Value>(text) {
            Ok(_) => Ok(SavedMessage::Text(text.trim().to_owned())),
            Err(error) => Err(format!("json: {error}")),
        },
        other => Err(format!("{other} is not known; {WANTED}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str, profile: Option<&str>) -> Result<SavedMessages, String> {
        SavedMessages::parse(Source { file: Path::new("/c/c.toml"), text }, profile)
    }

    #[test]
    fn saved_messages_are_text_json_or_a_file() {
        let text = "[message.hi]\ntext = 'hello'\n[message.sub]\njson = '''\n{\"n\": 1.0}\n'''\n\
                    [message.big]\nfile = 'big.json'\n[message.far]\nfile = '/far.json'\n";
        let saved = parse(text, None).unwrap();
        assert_eq!(saved.names(), ["big", "far", "hi", "sub"]);
        assert_eq!(saved.get("hi"), Ok(&SavedMessage::Text("hello".into())));
        assert_eq!(saved.get("sub"), Ok(&SavedMessage::Text("{\"n\": 1.0}".into())));
        assert_eq!(saved.get("big"), Ok(&SavedMessage::File("/c/big.json".into())));
        assert_eq!(saved.get("far"), Ok(&SavedMessage::File("/far.json".into())));
        assert!(saved.get("x").unwrap_err().contains("there are big, far, hi, sub"));
        assert!(SavedMessages::default().get("x").unwrap_err().contains("[message.NAME]"));
    }

    #[test]
    fn saved_messages_of_a_profile_come_before_others() {
        let text = "[message.hi]\ntext = 'all'\n[message.bye]\ntext = 'bye'\n\
                    [profile.a]\nurl = ':1'\n[profile.a.message.hi]\ntext = 'a'\n\
                    [profile.b.message.other]\ntext = 'b'\n";
        let saved = parse(text, Some("a")).unwrap();
        assert_eq!(saved.names(), ["bye", "hi"]);
        assert_eq!(saved.get("hi"), Ok(&SavedMessage::Text("a".into())));
        assert_eq!(parse(text, Some("none")).unwrap().names(), ["bye", "hi"]);
        assert_eq!(parse(text, Some("b")).unwrap().names(), ["bye", "hi", "other"]);
    }

    #[test]
    fn saved_messages_name_what_is_wrong_in_the_file() {
        for (text, words) in [
            (
                "\n[message.a]\ntext = 1",
                &["/c/c.toml, line 2: message.a", "text, json and file"][..],
            ),
            ("[message.a]\nbody = 'x'", &["message.a: body is not known"]),
            ("[message.a]\njson = '{'", &["message.a: json: "]),
            ("[message.a]\ntext = ''\nfile = ''", &["one of"]),
            ("\n\nother = 1", &["line 3: other is not known", "[message.NAME]"]),
            ("[message", &["/c/c.toml, line 1: "]),
            ("[profile.p]\nmessage = 1", &["line 2: profile.p.message: sections"]),
            ("[profile.p.message.a]\ntext = 1", &["line 1: profile.p.message.a: one of"]),
        ] {
            let why = parse(text, Some("p")).unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{text}: {why}");
        }
    }
}
