//! The query of a request.

/// The parameters that the protocol uses. The first of a name counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    /// `EIO`: the version of the protocol.
    pub(super) version: Option<&'a str>,
    pub(super) transport: Option<&'a str>,
    pub(super) sid: Option<&'a str>,
}

impl<'a> Query<'a> {
    /// Parses a query. The parameters of the protocol need no percent-encoding, so it is not
    /// decoded.
    pub(super) fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let field = match name {
                "EIO" => &mut parsed.version,
                "transport" => &mut parsed.transport,
                "sid" => &mut parsed.sid,
                _ => continue,
            };
            field.get_or_insert(value);
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_takes_the_first_parameter_of_a_name() {
        let query = Query::parse("EIO=4&transport=polling&t=x1&sid=a-_&sid=b&b64");
        assert_eq!(query.version, Some("4"));
        assert_eq!(query.transport, Some("polling"));
        assert_eq!(query.sid, Some("a-_"));
        assert_eq!(Query::parse(""), Query::default());
        assert_eq!(Query::parse("sid").sid, Some(""));
    }
}
