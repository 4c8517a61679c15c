//! The topics of `fdx help`. Their text is taken from the help of the commands, so that each thing
//! is said in one place.

use std::fmt::Write as _;

use clap::Command;

use crate::config::{config_file, profile_names};

/// The topics, with a word about each.
const TOPICS: [(&str, &str); 4] = [
    ("exit-codes", "what the exit code of each command says"),
    ("environment", "the variables that the commands read"),
    ("formats", "how messages are written to and read from pipes"),
    ("profiles", "URLs and options that the configuration file keeps under a name"),
];

/// Returns the list of topics for the end of the help.
pub(super) fn list() -> String {
    let mut text = "\nTopics (fdx help TOPIC):\n".to_owned();
    for (name, what) in TOPICS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {name:<12} {what}");
    }
    text
}

/// Returns the text of a topic.
pub(super) fn text(fdx: &Command, topic: &str) -> Option<String> {
    match topic {
        "exit-codes" => Some(sections(fdx, "Exit codes:")),
        "environment" => Some(sections(fdx, "Environment:")),
        "formats" => Some(formats(fdx)),
        "profiles" => Some(profiles()),
        _ => None,
    }
}

/// Returns the sections with this heading of all commands' help.
fn sections(fdx: &Command, heading: &str) -> String {
    let mut text = String::new();
    for command in fdx.get_subcommands().filter(|command| !command.is_hide_set()) {
        let after = command.get_after_long_help().or_else(|| command.get_after_help());
        let after = after.map(ToString::to_string).unwrap_or_default();
        if let Some(section) = section(&after, heading) {
            let _ = writeln!(text, "fdx {}\n{section}\n", command.get_name());
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// Returns the lines below a heading, up to the next empty line.
fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let at = text.lines().scan(0, |end, line| {
        let begin = *end;
        *end += line.len() + 1;
        Some((begin, line))
    });
    let begin = at.into_iter().find(|(_, line)| *line == heading)?.0 + heading.len() + 1;
    let rest = text.get(begin..)?;
    Some(rest.split("\n\n").next().unwrap_or(rest).trim_end())
}

/// Returns what `fdx connect` says about the formats of messages.
fn formats(fdx: &Command) -> String {
    let format = fdx.find_subcommand("connect").and_then(|connect| {
        connect.get_arguments().find(|argument| argument.get_long() == Some("format"))
    });
    let mut text =
        "--format FORMAT, --input-format and --output-format of fdx connect\n".to_owned();
    for value in format.map(clap::Arg::get_possible_values).unwrap_or_default() {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {:<16} {help}", value.get_name());
    }
    text
}

/// Returns what profiles are, and which there are.
fn profiles() -> String {
    let file = config_file().map(|file| file.display().to_string());
    let file = file.unwrap_or_else(|| "the configuration file".into());
    let names = match profile_names() {
        Ok(names) if names.is_empty() => "There are none yet.".to_owned(),
        Ok(names) => format!("There are: {}", names.join(", ")),
        Err(why) => format!("The file has an error: {why}"),
    };
    format!("{PROFILES}\nThe file is {file}.\n{names}\n")
}

const PROFILES: &str = r#"A profile is a section of the configuration file: a URL, and options of
fdx connect by their long names.

  [profile.feed]
  url = "wss://feed.example/v1"
  bearer-file = "feed.token"
  subprotocol = ["v2", "v1"]
  reconnect = true

  [profile.feed.message.trades]
  json = '{"op": "subscribe", "channel": "trades"}'

fdx @feed connects as it says, and at a terminal /send trades sends its message. So do the
other commands that connect: fdx ping @feed, fdx explain @feed. --profile feed does the
same, and leaves the place of the URL free for another one.

Options of the command line come before those of the profile. Header fields of both are
sent, unless they have the same name. Files are looked for in the folder of the
configuration file; ~/ is the home folder.
"#;

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn topics_have_a_text_from_the_commands() {
        let mut fdx = crate::Cli::command();
        fdx.build();
        for (topic, words) in [
            ("exit-codes", &["fdx connect\n", "fdx serve\n", "  4  the server rejected"][..]),
            ("environment", &["SSLKEYLOGFILE"]),
            ("formats", &["jsonl", "length-prefixed", "raw"]),
            ("profiles", &["[profile.feed]", "config.toml"]),
        ] {
            let text = text(&fdx, topic).unwrap();
            for word in words {
                assert!(text.contains(word), "{topic}: {word:?} is not in {text}");
            }
        }
        assert!(text(&fdx, "weather").is_none());
    }

    #[test]
    fn section_ends_at_an_empty_line() {
        let text = "Intro.\n\nExit codes:\n  0  well\n  1  ill\n\nEnvironment:\n  X  y";
        assert_eq!(section(text, "Exit codes:"), Some("  0  well\n  1  ill"));
        assert_eq!(section(text, "Environment:"), Some("  X  y"));
        assert_eq!(section(text, "Paths:"), None);
    }
}
