//! Which part of a file a request asks for (RFC 9110 §14), where its `Range` counts.

use std::time::{Duration, SystemTime};

use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, Method};

/// What to send of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeSelection {
    /// All of it.
    Whole,
    /// From the first of these bytes to the last.
    Part(u64, u64),
    /// The request asks for nothing that there is: 416 (§15.5.17).
    Unsatisfiable,
}

/// The only value of `Range`, if the request is one for which it counts: §14.2 defines it for
/// GET alone.
pub(super) fn asked<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let mut values = headers.get_all(RANGE).iter();
    let value = values.next().filter(|_| *method == Method::GET)?;
    values.next().is_none().then_some(value.as_bytes())
}

/// What a `Range` wants of a file of this size (§14.1.2, §14.2). Of several parts there is no
/// multipart answer: the whole is one that any client takes.
pub(super) fn wanted(range: &[u8], size: u64) -> RangeSelection {
    // An unknown unit, and what is not a range at all, is ignored (§14.2).
    let Some(ranges) = std::str::from_utf8(range).ok().and_then(ranges_in_bytes) else {
        return RangeSelection::Whole;
    };
    let mut satisfiable = ranges.iter().filter_map(|range| range.within(size));
    match (satisfiable.next(), satisfiable.next()) {
        (Some((first, last)), None) => RangeSelection::Part(first, last),
        (Some(_), Some(_)) => RangeSelection::Whole,
        // An empty file has no part, and all of it is as short.
        (None, _) if size == 0 => RangeSelection::Whole,
        (None, _) => RangeSelection::Unsatisfiable,
    }
}

/// Whether a request has no `If-Range`, or one that names the file as it is (§13.1.5).
pub(super) fn still_is(request: &HeaderMap, file: &HeaderMap) -> bool {
    let Some(condition) = request.get(IF_RANGE) else { return true };
    let is = |name| file.get(name).is_some_and(|value| value == condition);
    let is_tag = condition.as_bytes().starts_with(b"\"") || condition.as_bytes().starts_with(b"W/");
    if is_tag {
        // A weak tag never is the strong one that it looks like (§8.8.3.2).
        return is(ETAG) && !condition.as_bytes().starts_with(b"W/");
    }
    is(LAST_MODIFIED) && is_strong(condition)
}

/// Whether a file can't have changed twice in the second that its date names (§8.8.2.2).
fn is_strong(date: &HeaderValue) -> bool {
    let date = date.to_str().ok().and_then(|date| httpdate::parse_http_date(date).ok());
    let age = date.and_then(|date| SystemTime::now().duration_since(date).ok());
    age.is_some_and(|age| age >= Duration::from_secs(2))
}

/// One part that is asked for.
#[derive(Debug, PartialEq, Eq)]
enum RangeSpec {
    From(u64, Option<u64>),
    /// So many bytes at the end.
    Suffix(u64),
}

impl RangeSpec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (number(first), number(last)) {
            (Some(first), None) if last.is_empty() => Some(Self::From(first, None)),
            // §14.1.1: a range that ends before it begins is not valid.
            (Some(first), Some(last)) => (first <= last).then_some(Self::From(first, Some(last))),
            (None, Some(length)) if first.is_empty() => Some(Self::Suffix(length)),
            _ => None,
        }
    }

    /// The first and the last byte of it that a file of this size has.
    fn within(&self, size: u64) -> Option<(u64, u64)> {
        let end = size.checked_sub(1)?;
        let (first, last) = match *self {
            Self::From(first, last) => (first, last.map_or(end, |last| last.min(end))),
            Self::Suffix(0) => return None,
            Self::Suffix(length) => (size.saturating_sub(length), end),
        };
        (first <= last).then_some((first, last))
    }
}

/// The parts of a `Range` in bytes, if all of it is valid.
fn ranges_in_bytes(text: &str) -> Option<Vec<RangeSpec>> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim_matches([' ', '\t']).eq_ignore_ascii_case("bytes") {
        return None;
    }
    // A list may have empty elements (§5.6.1.2).
    let parts = set.split(',').map(|part| part.trim_matches([' ', '\t']));
    let ranges: Vec<_> =
        parts.filter(|part| !part.is_empty()).map(RangeSpec::parse).collect::<Option<_>>()?;
    (!ranges.is_empty()).then_some(ranges)
}

/// A number of digits alone; one that is too large is larger than any file.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RangeSelection::{Part, Unsatisfiable, Whole};

    #[test]
    fn range_of_a_file_is_parsed() {
        for (range, of_ten, of_none) in [
            ("bytes=2-4", Part(2, 4), Whole),
            ("Bytes=2-4", Part(2, 4), Whole),
            ("bytes=2-", Part(2, 9), Whole),
            ("bytes=2-99999999999999999999999", Part(2, 9), Whole),
            ("bytes=-3", Part(7, 9), Whole),
            ("bytes=-999999999", Part(0, 9), Whole),
            ("bytes=-99999999999999999999999", Part(0, 9), Whole),
            ("bytes=-0", Unsatisfiable, Whole),
            ("bytes=10-", Unsatisfiable, Whole),
            ("bytes=20-30, 10-", Unsatisfiable, Whole),
            ("bytes=0-1,5-6", Whole, Whole),
            ("bytes=, 0-1 ,, 20-30", Part(0, 1), Whole),
            // None of these is a range.
            ("bytes=5-2", Whole, Whole),
            ("bytes=0-1,5-2", Whole, Whole),
            ("bytes=", Whole, Whole),
            ("bytes=-", Whole, Whole),
            ("bytes=a-b", Whole, Whole),
            ("bytes=+1-2", Whole, Whole),
            ("bytes 0-1", Whole, Whole),
            ("items=0-1", Whole, Whole),
            ("", Whole, Whole),
        ] {
            assert_eq!(wanted(range.as_bytes(), 10), of_ten, "{range}");
            assert_eq!(wanted(range.as_bytes(), 0), of_none, "{range} of nothing");
        }
        assert_eq!(wanted(b"bytes=0-\xff", 10), Whole);
    }

    #[test]
    fn range_counts_for_get_and_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked(&Method::GET, &headers), None);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(asked(&Method::GET, &headers), Some(&b"bytes=0-1"[..]));
        assert_eq!(asked(&Method::HEAD, &headers), None);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(asked(&Method::GET, &headers), None);
    }

    #[test]
    fn if_range_names_the_file_as_it_is() {
        let now = SystemTime::now();
        let old = httpdate::fmt_http_date(now - Duration::from_secs(10));
        let new = httpdate::fmt_http_date(now);
        for (condition, modified, expected) in [
            (r#""a""#, &old, true),
            (r#""b""#, &old, false),
            (r#"W/"a""#, &old, false),
            (&old[..], &old, true),
            // It may have changed again in this second.
            (&new[..], &new, false),
            ("Sun, 06 Nov 1994 08:49:37 GMT", &old, false),
            ("", &old, false),
        ] {
            let (mut request, mut file) = (HeaderMap::new(), HeaderMap::new());
            assert!(still_is(&request, &file));
            request.insert(IF_RANGE, condition.parse().unwrap());
            file.insert(ETAG, HeaderValue::from_static(r#""a""#));
            file.insert(LAST_MODIFIED, modified.parse().unwrap());
            assert_eq!(still_is(&request, &file), expected, "{condition}");
        }
    }
}
