//! The lines that are typed: messages, and commands that begin with a slash.

use std::fmt::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use fullduplex::CloseCode;

/// A command and its help.
struct CommandHelp {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
}

const fn command(name: &'static str, arguments: &'static str, help: &'static str) -> CommandHelp {
    CommandHelp { name, arguments, help }
}

const COMMANDS: [CommandHelp; 15] = [
    command("binary", "HEX", "send a binary message, of hex digits or, after base64:, of Base64"),
    command("close", "[CODE [REASON]]", "close the connection, with 1000 if no code is given"),
    command("file", "PATH", "send a file, as text if it is UTF-8; --binary PATH as binary"),
    command("frames", "", "show each frame on the wire; again to hide them"),
    command("grep", "[PATTERN]", "show only received messages with PATTERN; without it, all"),
    command("help", "", "this help"),
    command("info", "", "the connection: what was negotiated, counts, round trip"),
    command("pause", "", "hold received messages back; again, or /resume, to show them"),
    command("ping", "[TEXT]", "send a Ping, and show the time to its Pong"),
    command("pong", "[TEXT]", "send a Pong that was not asked for"),
    command("quit", "", "close with 1000, as Ctrl-D does"),
    command("resume", "", "show what was held back"),
    command("save", "PATH", "write the last received message into a new file"),
    command("send", "NAME", "send a saved message of the configuration file"),
    command("show", "", "show the last received message in full"),
];

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// An empty line.
    Nothing,
    Text(String),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseCode, String),
    File {
        path: PathBuf,
        is_binary: bool,
    },
    /// A saved message.
    Send(String),
    /// Changes whether frames are shown.
    Frames,
    Grep(Option<String>),
    Help,
    Info,
    /// Changes whether messages are held back.
    Pause,
    Resume,
    Save(PathBuf),
    Show,
}

impl Input {
    /// Parses a line.
    ///
    /// # Errors
    /// Fails, with what to tell the user, if it is a command that is not valid.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        let Some(rest) = line.strip_prefix('/') else {
            return Ok(if line.is_empty() { Self::Nothing } else { Self::Text(line.to_owned()) });
        };
        if rest.starts_with('/') {
            return Ok(Self::Text(rest.to_owned()));
        }
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim();
        let no_argument = |input| match argument {
            "" => Ok(input),
            _ => Err(format!("/{name} takes nothing after it")),
        };
        match name {
            "binary" => binary(argument).map(Self::Binary),
            "close" => close(argument),
            "file" => {
                let binary = argument.strip_prefix("--binary ").map(str::trim);
                let path = path(name, binary.unwrap_or(argument))?;
                Ok(Self::File { path, is_binary: binary.is_some() })
            }
            "frames" => no_argument(Self::Frames),
            "grep" => Ok(Self::Grep((!argument.is_empty()).then(|| argument.to_owned()))),
            "help" | "h" | "?" => no_argument(Self::Help),
            "info" => no_argument(Self::Info),
            "pause" => no_argument(Self::Pause),
            "ping" => payload(name, argument).map(Self::Ping),
            "pong" => payload(name, argument).map(Self::Pong),
            "quit" | "exit" | "q" => no_argument(Self::Close(CloseCode::NORMAL, String::new())),
            "resume" => no_argument(Self::Resume),
            "save" => path(name, argument).map(Self::Save),
            "send" if argument.is_empty() => Err("/send NAME: which message?".into()),
            "send" => Ok(Self::Send(argument.to_owned())),
            "show" => no_argument(Self::Show),
            _ => Err(unknown(name)),
        }
    }
}

fn unknown(name: &str) -> String {
    let near = COMMANDS.iter().find(|command| is_near(command.name, name));
    let near = near.map_or_else(String::new, |near| format!("did you mean /{}? ", near.name));
    let slash = "A message that begins with a slash is typed with two: //text";
    format!("/{name} is not a command, and was not sent; {near}/help lists them. {slash}")
}

/// Whether words differ by one letter, or begin alike.
fn is_near(name: &str, typed: &str) -> bool {
    let common = name.chars().zip(typed.chars()).take_while(|(a, b)| a == b).count();
    let rest = |word: &str, skip: usize| word.chars().skip(skip).collect::<String>();
    let (a, b) = (rest(name, common), rest(typed, common));
    (common >= 2 && common == typed.chars().count())
        || (common > 0 && (rest(&a, 1) == rest(&b, 1) || a == rest(&b, 1) || rest(&a, 1) == b))
}

/// Returns the payload of a control frame.
fn payload(name: &str, text: &str) -> Result<Bytes, String> {
    // RFC 6455 §5.5.
    match text.len() {
        0..=125 => Ok(Bytes::from(text.to_owned())),
        len => Err(format!("/{name}: {len} bytes are too many, a control frame takes 125")),
    }
}

fn path(name: &str, argument: &str) -> Result<PathBuf, String> {
    match argument.strip_prefix("~/").zip(std::env::home_dir()) {
        _ if argument.is_empty() => Err(format!("/{name} PATH: which file?")),
        Some((rest, home)) => Ok(home.join(rest)),
        None => Ok(argument.into()),
    }
}

fn close(argument: &str) -> Result<Input, String> {
    let (code, reason) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let reason = reason.trim();
    let code: u16 = match code {
        "" => 1000,
        code => code.parse().map_err(|_| {
            format!("/close CODE REASON: {code} is not a number; such as /close 1000 {code}")
        })?,
    };
    // RFC 6455 §7.4: what an endpoint may send.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(format!(
            "/close: {code} can't be sent; codes are 1000 to 1003, 1007 to 1014, and 3000 to 4999"
        ));
    }
    if reason.len() > 123 {
        return Err(format!("/close: a reason takes 123 bytes, this has {}", reason.len()));
    }
    Ok(Input::Close(CloseCode::new(code), reason.to_owned()))
}

/// Parses the bytes of `/binary`.
fn binary(argument: &str) -> Result<Bytes, String> {
    if let Some(text) = argument.strip_prefix("base64:") {
        let text: String = text.split_whitespace().collect();
        let bytes = BASE64_STANDARD
            .decode(text.trim_end_matches('='))
            .or_else(|_| BASE64_STANDARD.decode(&text));
        return bytes.map(Bytes::from).map_err(|error| format!("/binary base64: {error}"));
    }
    let digits =
        argument.replace("0x", "").replace(|c: char| c.is_whitespace() || c == ',' || c == ':', "");
    let digit = |c: char| {
        c.to_digit(16).ok_or_else(|| {
            let base64 = "Base64 begins with base64:";
            format!("/binary: {c:?} is not a hexadecimal digit; {base64}")
        })
    };
    let digits: Vec<u32> = digits.chars().map(digit).collect::<Result<_, _>>()?;
    match digits.len() {
        0 => Err("/binary HEX: which bytes? Such as /binary 00 ff, or /binary base64:AP8=".into()),
        len if len % 2 == 1 => Err(format!("/binary: {len} digits, an odd number")),
        _ => {
            let byte = |pair: &[u32]| u8::try_from(pair[0] << 4 | pair[1]).unwrap_or_default();
            Ok(digits.chunks(2).map(byte).collect::<Vec<u8>>().into())
        }
    }
}

/// Returns the help of all commands.
pub(crate) fn help() -> String {
    let mut text = String::from("A line is sent as a text message; //text sends /text.\n");
    for CommandHelp { name, arguments, help } in &COMMANDS {
        let usage = format!("/{name} {arguments}");
        // Writing to a string does not fail.
        let _ = writeln!(text, "{usage:24}{help}");
    }
    text.push_str(
        "Alt-Enter begins a new line in a message; the arrows show earlier lines, Ctrl-R searches\n\
         them. A line that begins with a space is not kept. Ctrl-D closes, Ctrl-C closes at once.",
    );
    text
}

/// Returns what the text up to the cursor may become: a command, a saved message, or a file.
pub(crate) fn complete(typed: &str, saved: &[String]) -> Vec<String> {
    let Some(rest) = typed.strip_prefix('/') else { return Vec::new() };
    let Some((name, argument)) = rest.split_once(' ') else {
        let names = COMMANDS.iter().filter(|command| command.name.starts_with(rest));
        let word = |command: &CommandHelp| match command.arguments {
            "" => format!("/{}", command.name),
            _ => format!("/{} ", command.name),
        };
        return names.map(word).collect();
    };
    match name {
        "send" => {
            let names = saved.iter().filter(|name| name.starts_with(argument));
            names.map(|name| format!("/send {name}")).collect()
        }
        "file" | "save" => complete_path(&typed[..typed.len() - argument.len()], argument),
        _ => Vec::new(),
    }
}

/// The most files of a folder that are looked at.
const MAX_FILES: usize = 10_000;

fn complete_path(before: &str, argument: &str) -> Vec<String> {
    let (option, argument) = match argument.strip_prefix("--binary ") {
        Some(rest) => ("--binary ", rest),
        None => ("", argument),
    };
    let (folder, start) = match argument.rfind('/') {
        Some(at) => argument.split_at(at + 1),
        None => ("", argument),
    };
    let Ok(place) = path("file", if folder.is_empty() { "./" } else { folder }) else {
        return Vec::new();
    };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut words: Vec<String> = entries
        .take(MAX_FILES)
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_hidden = name.starts_with('.') && !start.starts_with('.');
            let slash = if entry.path().is_dir() { "/" } else { "" };
            (name.starts_with(start) && !is_hidden)
                .then(|| format!("{before}{option}{folder}{name}{slash}"))
        })
        .collect();
    words.sort();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        for (line, expected) in [
            ("", Input::Nothing),
            ("hello /ping", Input::Text("hello /ping".into())),
            (" /ping", Input::Text(" /ping".into())),
            ("//etc/hosts", Input::Text("/etc/hosts".into())),
            ("/ping", Input::Ping(Bytes::new())),
            ("/ping a b ", Input::Ping("a b".into())),
            ("/pong x", Input::Pong("x".into())),
            ("/close", Input::Close(CloseCode::NORMAL, String::new())),
            ("/close 4001  bye bye", Input::Close(CloseCode::new(4001), "bye bye".into())),
            ("/quit", Input::Close(CloseCode::NORMAL, String::new())),
            ("/binary 00 fF,0x10", Input::Binary(Bytes::from_static(b"\x00\xff\x10"))),
            ("/binary base64:AP8=", Input::Binary(Bytes::from_static(b"\x00\xff"))),
            ("/file a b.txt", Input::File { path: "a b.txt".into(), is_binary: false }),
            ("/file --binary a", Input::File { path: "a".into(), is_binary: true }),
            ("/grep a b", Input::Grep(Some("a b".into()))),
            ("/grep", Input::Grep(None)),
            ("/send hello", Input::Send("hello".into())),
            ("/save x", Input::Save("x".into())),
            ("/info ", Input::Info),
            ("/frames", Input::Frames),
        ] {
            assert_eq!(Input::parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn commands_that_are_wrong_are_explained() {
        for (line, words) in [
            ("/pign x", &["/pign is not a command, and was not sent", "//text", "/help"][..]),
            ("/pingg", &["did you mean /ping?"]),
            ("/clos", &["did you mean /close?"]),
            ("/etc/hosts", &["//text"]),
            ("/", &["is not a command"]),
            ("/close bye", &["bye is not a number", "/close 1000 bye"]),
            ("/close 1005", &["1005 can't be sent"]),
            ("/close 999", &["999 can't be sent"]),
            ("/close 70000", &["70000 is not a number"]),
            ("/binary", &["which bytes"]),
            ("/binary 0", &["1 digits"]),
            ("/binary xyz", &["'x' is not a hexadecimal digit", "base64:"]),
            ("/binary base64:!", &["base64"]),
            ("/file", &["which file"]),
            ("/send", &["which message"]),
            ("/info x", &["takes nothing"]),
        ] {
            let why = Input::parse(line).unwrap_err();
            assert!(words.iter().all(|word| why.contains(word)), "{line}: {why}");
        }
        let long = "x".repeat(126);
        assert!(Input::parse(&format!("/ping {long}")).unwrap_err().contains("125"));
        assert!(Input::parse(&format!("/close 1000 {long}")).unwrap_err().contains("123"));
    }

    #[test]
    fn commands_are_completed_and_have_help() {
        let saved = ["subscribe".to_owned(), "stop".to_owned()];
        assert_eq!(complete("/pi", &saved), ["/ping "]);
        assert_eq!(complete("/h", &saved), ["/help"]);
        assert_eq!(complete("/p", &saved).len(), 3);
        assert_eq!(complete("/send su", &saved), ["/send subscribe"]);
        assert!(complete("x", &saved).is_empty() && complete("//", &saved).is_empty());
        for command in &COMMANDS {
            assert!(help().contains(&format!("/{} ", command.name)));
            let is_known = |line: &str| match Input::parse(line) {
                Ok(_) => true,
                Err(why) => !why.contains("is not a command"),
            };
            assert!(is_known(&format!("/{}", command.name)), "{}", command.name);
        }
    }

    #[test]
    fn paths_are_completed() {
        let folder = std::env::temp_dir().join(format!("fdx-complete-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(folder.join("input.json"), "").unwrap();
        let typed = format!("/file --binary {}/in", folder.display());
        let expected = ["ner/", "put.json"].map(|end| format!("{typed}{end}"));
        assert_eq!(complete(&typed, &[]), expected);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
