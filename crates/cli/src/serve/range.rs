//! Range requests (RFC 9110 §14): the part of a file that a request asks for.

use std::time::{Duration, SystemTime};

use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue, Method};

/// The part of a file to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RangeSelection {
    /// The whole file.
    Whole,
    /// From the first to the last of these byte positions.
    Part(u64, u64),
    /// No part of the file: 416 (§15.5.17).
    Unsatisfiable,
}

/// Returns the value of `Range`, if the request has one and its method is GET: §14.2 defines it for
/// no other method.
pub(super) fn header<'a>(method: &Method, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let mut values = headers.get_all(RANGE).iter();
    let value = values.next().filter(|_| *method == Method::GET)?;
    values.next().is_none().then_some(value.as_bytes())
}

/// Selects the part of a file of `size` bytes that a `Range` asks for (§14.1.2, §14.2). Several
/// parts select the whole file, which any client accepts: there is no multipart response.
pub(super) fn select(range: &[u8], size: u64) -> RangeSelection {
    // Unknown units and malformed ranges are ignored (§14.2).
    let Some(ranges) = std::str::from_utf8(range).ok().and_then(ranges_in_bytes) else {
        return RangeSelection::Whole;
    };
    let mut satisfiable = ranges.iter().filter_map(|range| range.within(size));
    match (satisfiable.next(), satisfiable.next()) {
        (Some((first, last)), None) => RangeSelection::Part(first, last),
        (Some(_), Some(_)) => RangeSelection::Whole,
        // An empty file has no parts; the whole file is as short.
        (None, _) if size == 0 => RangeSelection::Whole,
        (None, _) => RangeSelection::Unsatisfiable,
    }
}

/// Whether a request has no `If-Range`, or one that matches the file (§13.1.5).
pub(super) fn if_range_matches(request: &HeaderMap, file: &HeaderMap) -> bool {
    let Some(condition) = request.get(IF_RANGE) else { return true };
    let matches = |name| file.get(name).is_some_and(|value| value == condition);
    let is_tag = condition.as_bytes().starts_with(b"\"") || condition.as_bytes().starts_with(b"W/");
    if is_tag {
        // A weak tag never matches (§8.8.3.2).
        return matches(ETAG) && !condition.as_bytes().starts_with(b"W/");
    }
    matches(LAST_MODIFIED) && is_strong(condition)
}

/// Whether a date is a strong validator: at least 2 s old, so that the file can't have changed
/// twice in the second that it names (§8.8.2.2).
fn is_strong(date: &HeaderValue) -> bool {
    let date = date.to_str().ok().and_then(|date| httpdate::parse_http_date(date).ok());
    let age = date.and_then(|date| SystemTime::now().duration_since(date).ok());
    age.is_some_and(|age| age >= Duration::from_secs(2))
}

/// One element of a `Range` value.
#[derive(Debug, PartialEq, Eq)]
enum RangeSpec {
    From(u64, Option<u64>),
    /// The last `n` bytes.
    Suffix(u64),
}

impl RangeSpec {
    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-')?;
        match (parse_number(first), parse_number(last)) {
            (Some(first), None) if last.is_empty() => Some(Self::From(first, None)),
            // §14.1.1: a range that ends before it begins is not valid.
            (Some(first), Some(last)) => (first <= last).then_some(Self::From(first, Some(last))),
            (None, Some(length)) if first.is_empty() => Some(Self::Suffix(length)),
            _ => None,
        }
    }

    /// Returns the first and last byte positions of the part within a file of `size` bytes.
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

/// Parses the value of a `Range` in bytes; `None` if any part of it is not valid.
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

/// Parses a number of digits only. One that overflows becomes `u64::MAX`, larger than any file.
fn parse_number(text: &str) -> Option<u64> {
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
            assert_eq!(select(range.as_bytes(), 10), of_ten, "{range}");
            assert_eq!(select(range.as_bytes(), 0), of_none, "{range} of nothing");
        }
        assert_eq!(select(b"bytes=0-\xff", 10), Whole);
    }

    #[test]
    fn range_counts_for_get_and_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(header(&Method::GET, &headers), None);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(header(&Method::GET, &headers), Some(&b"bytes=0-1"[..]));
        assert_eq!(header(&Method::HEAD, &headers), None);
        headers.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        assert_eq!(header(&Method::GET, &headers), None);
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
            assert!(if_range_matches(&request, &file));
            request.insert(IF_RANGE, condition.parse().unwrap());
            file.insert(ETAG, HeaderValue::from_static(r#""a""#));
            file.insert(LAST_MODIFIED, modified.parse().unwrap());
            assert_eq!(if_range_matches(&request, &file), expected, "{condition}");
        }
    }
}
