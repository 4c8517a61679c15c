//! The certificates of a server.

use std::time::{Duration, SystemTime};

use fullduplex::server::tls::CertificateInfo;
use serde_json::{Value, json};

use crate::base::escape::printable;
use crate::client::verbose::fingerprint;

/// Returns the lines about a certificate: whose it is and who signed it, its validity, its
/// fingerprint.
pub(super) fn lines(der: &[u8], now: SystemTime) -> Vec<String> {
    let digest = format!("SHA-256 {}", fingerprint(der));
    let Ok(info) = CertificateInfo::of_der(der) else {
        return vec!["it can't be read".into(), digest];
    };
    let mut lines = Vec::new();
    let whose = match (info.names.as_slice(), info.subject.as_str()) {
        ([], "") => "no name".to_owned(),
        ([], subject) => subject.to_owned(),
        (names, _) => names.join(", "),
    };
    let issuer = if info.issuer == info.subject && !info.issuer.is_empty() {
        "itself".into()
    } else {
        info.issuer.clone()
    };
    lines.push(printable(&format!("for {whose}, issued by {issuer}")));
    lines.push(validity(&info, now));
    lines.push(digest);
    lines
}

/// Returns the validity, with the time left or past.
fn validity(info: &CertificateInfo, now: SystemTime) -> String {
    let days = |time: Duration| time.as_secs() / 86_400;
    let (from, to) = (date(info.not_before), date(info.not_after));
    let state = if let Ok(ahead) = info.not_before.duration_since(now)
        && !ahead.is_zero()
    {
        format!("NOT YET VALID, for {} days", days(ahead))
    } else if let Ok(left) = info.not_after.duration_since(now) {
        format!("{} days left", days(left))
    } else {
        let ago = now.duration_since(info.not_after).unwrap_or_default();
        format!("EXPIRED {} days ago", days(ago))
    };
    format!("valid from {from} to {to}: {state}")
}

/// Returns a day as `2026-01-31`, in UTC.
fn date(time: SystemTime) -> String {
    // The date of HTTP has the parts in words.
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, ..] = parts.as_slice() else { return text };
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| name == month).map_or(0, |index| index + 1);
    format!("{year}-{month:02}-{day}")
}

/// Returns a certificate for JSON.
pub(super) fn json(der: &[u8]) -> Value {
    let digest = fingerprint(der);
    match CertificateInfo::of_der(der) {
        Err(_) => json!({ "sha256": digest }),
        Ok(info) => json!({
            "names": info.names,
            "subject": info.subject,
            "issuer": info.issuer,
            "not_before": date(info.not_before),
            "not_after": date(info.not_after),
            "sha256": digest,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn certificate_date_is_that_of_the_day() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(951_782_400), "2000-02-29");
        assert_eq!(at(1_798_675_199), "2026-12-30");
    }

    #[test]
    fn certificate_that_is_none_has_a_fingerprint() {
        let said = lines(b"x", UNIX_EPOCH);
        assert!(said[0].contains("can't be read") && said[1].starts_with("SHA-256 2D:71:16:42"));
    }
}
