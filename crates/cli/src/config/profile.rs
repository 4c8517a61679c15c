//! Profiles: sections `[profile.NAME]` of the configuration file, with a URL and options of
//! `fdx connect`.

use std::ffi::{OsStr, OsString};

use clap::{ArgMatches, Command};
use toml::de::{DeTable, DeValue};

use super::options::{FileOption, OptionReader, combination_error, is_given, is_overridden};
use super::secrets::{has_secret, has_secret_in_url, warn_of_readers};
use super::source::Sections;
use super::{ConfigError, ConfigFile, Source, config_file};
use crate::client::url;

/// The arguments that take the URL, or `@NAME`, and words beside it.
const PLACES: [&str; 2] = ["url", "subject"];

/// The keys of a profile that are not options.
const MORE_KEYS: [&str; 2] = ["url", "message"];

/// Options of the command line, and those of a profile that they set aside though they do not
/// conflict on the command line.
const SET_ASIDE: [(&str, &[&str]); 2] = [
    ("format", &["binary", "input_format", "output_format"]),
    ("binary", &["input_format", "output_format"]),
];

/// Parses a command line again with what the profile has that it names; `None` if it names none.
/// `fdx` makes the definition of all commands, `name` is the command that is given.
pub(crate) fn with_profile(
    fdx: fn() -> Command,
    name: &str,
    words: &[OsString],
    given: &ArgMatches,
) -> Result<Option<ArgMatches>, ConfigError> {
    let Some(named) = NamedProfile::of(given)? else { return Ok(None) };
    let mut built = fdx();
    built.build();
    let definitions = built.find_subcommand("connect").zip(built.find_subcommand(name));
    let Some((connect, command)) = definitions else { return Ok(None) };
    let expansion = Expansion::of(&named, connect, command, given)?;
    let merged = fdx().mut_subcommand(name, |command| expansion.with_url(command));
    // The program and the command stand in front.
    expansion.parse(merged, words, 2).map(Some)
}

/// The names of all profiles of the configuration file.
pub(crate) fn profile_names() -> Result<Vec<String>, String> {
    let Some(file) = ConfigFile::load()? else { return Ok(Vec::new()) };
    Ok(Sections::parse(file.source())?.profile_names())
}

/// A profile that a command line names.
pub(crate) struct NamedProfile {
    name: String,
    /// Whether `@NAME` stands in the place of the URL; otherwise it is `--profile`.
    is_at: bool,
}

impl NamedProfile {
    /// Returns the profile that the command line names, if it names one.
    pub(crate) fn of(given: &ArgMatches) -> Result<Option<Self>, ConfigError> {
        let option = given.try_get_one::<String>("profile").ok().flatten().cloned();
        let mut words = url_words(given);
        // Several words are a text to explain.
        let at = words.next().filter(|_| words.next().is_none());
        let at = at.and_then(|word| word.to_str()?.strip_prefix('@'));
        match (option, at) {
            (Some(_), Some(_)) => {
                Err(ConfigError::usage("--profile and @NAME both name a profile"))
            }
            (Some(name), None) => Ok(Some(Self { name, is_at: false })),
            (None, Some(name)) => Ok(Some(Self { name: name.to_owned(), is_at: true })),
            (None, None) => Ok(None),
        }
    }
}

/// Returns the words in the place of the URL.
fn url_words(given: &ArgMatches) -> impl Iterator<Item = &OsStr> {
    PLACES.into_iter().filter(move |id| is_given(given, id)).flat_map(move |id| {
        let values = given.try_get_raw(id).ok().flatten();
        values.into_iter().flatten()
    })
}

/// What a profile adds to a command line.
pub(crate) struct Expansion {
    /// The words of its options.
    options: Vec<OsString>,
    url: String,
    /// Whether the command line has nothing in the place of the URL.
    is_url_missing: bool,
}

impl Expansion {
    /// Reads the profile from the configuration file. Of its options those remain that the command
    /// has and the command line does not override.
    pub(crate) fn of(
        named: &NamedProfile,
        connect: &Command,
        command: &Command,
        given: &ArgMatches,
    ) -> Result<Self, ConfigError> {
        let usage = |why: String| ConfigError::usage(&why);
        let name = &*named.name;
        let file = ConfigFile::load().map_err(ConfigError::File)?;
        let file = file.ok_or_else(|| usage(unknown(name, &[])))?;
        let source = file.source();
        let sections = Sections::parse(source).map_err(usage)?;
        let found = sections.profiles.iter().find(|(key, _)| key.get_ref() == name);
        let (key, value) = found.ok_or_else(|| usage(unknown(name, &sections.profile_names())))?;
        let at_key =
            |why: &str| usage(source.at(key.span().start, format_args!("profile.{name}{why}")));
        let DeValue::Table(table) = value.get_ref() else {
            return Err(at_key(": a section of options is expected"));
        };
        let profile = Profile::read(name, table, source, connect).map_err(usage)?;
        let is_quiet = given.try_get_one::<bool>("quiet").ok().flatten() == Some(&true);
        if profile.has_secrets() && !is_quiet {
            warn_of_readers(source.file);
        }
        let is_url_given = url_words(given).any(|word| !word.as_encoded_bytes().starts_with(b"@"));
        let mut options = profile.words(command, given);
        if named.is_at {
            options.push(format!("--profile={name}").into());
        }
        let url = match profile.url {
            None if !is_url_given => {
                return Err(at_key(" has no url, and the command line has none"));
            }
            url => url.unwrap_or_default(),
        };
        Ok(Self { options, url, is_url_missing: !named.is_at && !is_url_given })
    }

    /// Returns the command, which is not built yet, with a meaning for `@NAME`: the profile's URL.
    pub(crate) fn with_url(&self, command: Command) -> Command {
        let place = PLACES.into_iter().find(|id| command.get_arguments().any(|a| a.get_id() == id));
        let Some(place) = place else { return command };
        let url = self.url.clone();
        let parse = move |word: &str| match place {
            _ if word.starts_with('@') => Ok(url.clone()),
            "url" => url::parse(word),
            _ => Ok(word.to_owned()),
        };
        command.mut_arg(place, |arg| arg.value_parser(parse))
    }

    /// Parses the command line with the profile's options after its first `at` words.
    pub(crate) fn parse(
        &self,
        command: Command,
        words: &[OsString],
        at: usize,
    ) -> Result<ArgMatches, ConfigError> {
        let (before, after) = words.split_at(at.min(words.len()));
        let mut all = [before, &*self.options, after].concat();
        if self.is_url_missing {
            all.push(OsString::from(&self.url));
        }
        // Each option is valid, and so is the command line: the combination is not.
        command.try_get_matches_from(all).map_err(|error| {
            ConfigError::usage(&format!("with the profile: {}", combination_error(&error)))
        })
    }
}

/// A section of the configuration file.
struct Profile<'a> {
    url: Option<String>,
    options: Vec<FileOption<'a>>,
}

impl<'a> Profile<'a> {
    fn read(
        name: &str,
        table: &DeTable<'_>,
        source: Source<'a>,
        connect: &'a Command,
    ) -> Result<Self, String> {
        let section = format!("profile.{name}.");
        let reader = OptionReader {
            command: connect,
            source,
            section: &section,
            excluded: &["profile"],
            more_keys: &MORE_KEYS,
        };
        let mut options = reader.read(table)?;
        for option in &mut options {
            option.resolve_paths(source);
        }
        let url = table.iter().find(|(key, _)| key.get_ref() == "url");
        let url = url.map(|(_, value)| {
            let url = match value.get_ref() {
                DeValue::String(text) if !text.starts_with('@') => url::parse(text),
                DeValue::String(_) => Err("a URL is expected".into()),
                other => Err(format!("expected a string, not {}", other.type_str())),
            };
            url.map_err(|why| source.at(value.span().start, format_args!("{section}url: {why}")))
        });
        Ok(Self { url: url.transpose()?, options })
    }

    fn has_secrets(&self) -> bool {
        self.options.iter().any(has_secret) || self.url.as_deref().is_some_and(has_secret_in_url)
    }

    /// Returns the words of those options that the command has, and that the command line does not
    /// override.
    fn words(&self, command: &Command, given: &ArgMatches) -> Vec<OsString> {
        let fields = fields_given(command, given);
        let mut words = Vec::new();
        for option in &self.options {
            let long = option.arg.get_long();
            let arg = command.get_arguments().find(|arg| arg.get_long() == long);
            let Some(arg) = arg else { continue };
            let id = arg.get_id().as_str();
            // Fields of different names do not override each other.
            if id != "header" && is_overridden(command, arg, given) || is_set_aside(id, given) {
                continue;
            }
            for (value, word) in option.values.iter().zip(option.words()) {
                let field = value.as_deref().and_then(|value| field_name(id, value));
                if field.is_none_or(|field| !fields.contains(&field)) {
                    words.push(word);
                }
            }
        }
        words
    }
}

fn is_set_aside(id: &str, given: &ArgMatches) -> bool {
    SET_ASIDE.iter().any(|(option, others)| others.contains(&id) && is_given(given, option))
}

/// Returns the names of the header fields that the command line sets.
fn fields_given(command: &Command, given: &ArgMatches) -> Vec<String> {
    let mut fields = Vec::new();
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        if is_given(given, id)
            && let Ok(Some(values)) = given.try_get_raw(id)
        {
            fields.extend(values.filter_map(|value| field_name(id, value)));
        }
    }
    fields
}

/// Returns the name of the header field that an option sets.
fn field_name(id: &str, value: &OsStr) -> Option<String> {
    let bytes = value.as_encoded_bytes();
    match id {
        "header" if !bytes.starts_with(b"@") => {
            let name = bytes.split(|byte| *byte == b':').next().unwrap_or_default();
            Some(String::from_utf8_lossy(name).trim().to_ascii_lowercase())
        }
        "user" | "bearer_file" => Some("authorization".into()),
        "origin" | "from_origin" => Some("origin".into()),
        "cookie" => Some("cookie".into()),
        _ => None,
    }
}

fn unknown(name: &str, names: &[String]) -> String {
    let file = config_file().map(|file| file.display().to_string());
    let file = file.unwrap_or_else(|| "the configuration file".into());
    match names {
        [] => format!(
            "there is no profile {name}; a section [profile.{name}] in {file} makes one \
             (fdx help profiles)"
        ),
        names => format!("there is no profile {name} in {file}; there are {}", names.join(", ")),
    }
}
