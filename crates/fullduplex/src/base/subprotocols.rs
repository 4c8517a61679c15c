//! The subprotocols that a client offers.

use fullduplex_proto::handshake::is_token;

use crate::base::error::{Error, ErrorKind};

/// Checks the names of subprotocols that a client offers: each is a token, and none is there twice
/// (RFC 6455 §4.1; the WHATWG's WebSocket has the same rules).
pub(crate) fn checked<I>(names: I) -> Result<Vec<String>, Error>
where
    I: IntoIterator<Item: Into<String>>,
{
    let mut offered = Vec::new();
    for name in names.into_iter().map(Into::into) {
        let fault = if !is_token(name.as_bytes()) {
            "is not a token"
        } else if offered.contains(&name) {
            "is offered twice"
        } else {
            offered.push(name);
            continue;
        };
        let message = format!("subprotocol {name:?} {fault} (RFC 6455 §4.1)");
        return Err(Error::new(ErrorKind::Misuse, message));
    }
    Ok(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subprotocols_are_tokens_and_differ() {
        assert_eq!(checked(["chat", "Chat", "v2.chat"]).unwrap(), ["chat", "Chat", "v2.chat"]);
        assert!(checked::<[&str; 0]>([]).unwrap().is_empty());
        for (names, fault) in [
            (["", "chat"], "\"\" is not a token"),
            (["a b", "chat"], "\"a b\" is not a token"),
            (["a,b", "chat"], "not a token"),
            (["é", "chat"], "not a token"),
            (["chat", "chat"], "\"chat\" is offered twice"),
        ] {
            let error = checked(names).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse);
            assert!(error.to_string().contains(fault), "{error}");
        }
    }
}
