//! The `--deflate` option.

use fullduplex::DeflateConfig;

pub(crate) const VALUE: &str = "SETTINGS";
pub(crate) const HELP: &str = "Compress messages (permessage-deflate), if the peer agrees";
pub(crate) const LONG_HELP: &str = "\
Compress messages (permessage-deflate), if the peer agrees

After a = sign: off, the default without the option; small, with no memory between messages;
balanced, the default with it; or smallest, with most memory; and, after commas, level=1..9,
memory=1..9, window=8..15, takeover=yes|no, min=BYTES. Window and takeover also as send-… and
receive-….";

/// The compression that the option asks for; `None` for `off`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeflateSetting(pub(crate) Option<DeflateConfig>);

/// Parses a preset with changes to it, such as `balanced,level=6,send-window=15`.
pub(crate) fn parse(text: &str) -> Result<DeflateSetting, String> {
    let mut parts = text.split(',').peekable();
    let preset = parts.next_if(|part| !part.contains('='));
    let mut config = match preset {
        None | Some("balanced" | "") => DeflateConfig::balanced(),
        Some("small") => DeflateConfig::small_memory(),
        Some("smallest") => DeflateConfig::smallest_bytes(),
        Some("off") if parts.peek().is_none() => return Ok(DeflateSetting(None)),
        Some("off") => return Err("off has no further settings".into()),
        Some(other) => {
            return Err(format!("{other:?} is not one of off, small, balanced, smallest"));
        }
    };
    for part in parts {
        let (name, value) =
            part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=VALUE"))?;
        set(&mut config, name, value)?;
    }
    Ok(DeflateSetting(Some(config)))
}

/// Returns a hint for a command line whose settings follow a space in place of a `=` sign.
pub(crate) fn hint(args: impl Iterator<Item = String>) -> Option<String> {
    let mut args = args.skip_while(|arg| arg != "--deflate").skip(1);
    let setting = args.next().filter(|setting| parse(setting).is_ok())?;
    Some(format!("the settings of --deflate follow a = sign: --deflate={setting}"))
}

fn set(config: &mut DeflateConfig, name: &str, value: &str) -> Result<(), String> {
    let number = |from: u8, to: u8| match value.parse() {
        Ok(number) if (from..=to).contains(&number) => Ok(number),
        _ => Err(format!("{name}={value}: a number from {from} to {to}")),
    };
    let yes = || match value {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("{name}={value}: yes or no")),
    };
    match name {
        "level" => config.level = number(1, 9)?,
        "memory" => config.memory_level = number(1, 9)?,
        "min" => {
            let size = value.parse();
            config.min_size = size.map_err(|_| format!("{name}={value}: a number of bytes"))?;
        }
        "window" => {
            config.send_window_bits = number(8, 15)?;
            config.receive_window_bits = config.send_window_bits;
        }
        "send-window" => config.send_window_bits = number(8, 15)?,
        "receive-window" => config.receive_window_bits = number(8, 15)?,
        "takeover" => {
            config.send_context_takeover = yes()?;
            config.receive_context_takeover = config.send_context_takeover;
        }
        "send-takeover" => config.send_context_takeover = yes()?,
        "receive-takeover" => config.receive_context_takeover = yes()?,
        _ => {
            return Err(format!(
                "{name:?} is not one of level, memory, min, window, takeover (send-…, receive-…)"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DeflateConfig {
        parse(text).unwrap().0.unwrap()
    }

    #[test]
    fn deflate_presets_can_be_changed() {
        assert!(parse("off").unwrap().0.is_none());
        assert_eq!(config("balanced"), DeflateConfig::balanced());
        assert_eq!(config("small"), DeflateConfig::small_memory());
        let mixed = config("smallest,level=3,window=10,receive-takeover=no,min=0");
        let expected = DeflateConfig::smallest_bytes()
            .level(3)
            .send_window_bits(10)
            .receive_window_bits(10)
            .receive_context_takeover(false)
            .min_size(0);
        assert_eq!(mixed, expected);
        assert_eq!(config("send-window=15").receive_window_bits, 12);
    }

    #[test]
    fn deflate_option_with_a_space_in_place_of_the_sign_is_named() {
        let hint = |line: &str| hint(line.split(' ').map(Into::into));
        let said = hint("fdx connect --deflate smallest,level=9 ws://a/").unwrap();
        assert!(said.ends_with("--deflate=smallest,level=9"), "{said}");
        for fine in ["fdx connect ws://a/", "fdx connect --deflate ws://a/", "fdx serve --deflate"]
        {
            assert_eq!(hint(fine), None);
        }
    }

    #[test]
    fn deflate_option_faults_are_named() {
        for (text, names) in [
            ("fast", "fast"),
            ("off,level=3", "off"),
            ("balanced,level", "level"),
            ("level=0", "1 to 9"),
            ("window=16", "8 to 15"),
            ("takeover=1", "yes or no"),
            ("x=1", "x"),
        ] {
            assert!(parse(text).unwrap_err().contains(names), "{text}");
        }
    }
}
