//! The certificates of the hosts whose TLS is looked into, as they are needed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fullduplex::server::tls::{CertificateAuthority, ServerTls};

/// The most hosts whose certificates are kept.
const MAX_KEPT: usize = 256;

/// The time that a kept certificate must still be valid.
const MIN_VALIDITY: Duration = Duration::from_secs(86_400);

/// An authority, and the certificates that it has signed.
pub(crate) struct Leaves {
    authority: CertificateAuthority,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_host: HashMap<String, Leaf>,
    /// How often one was asked for.
    uses: u64,
}

struct Leaf {
    tls: ServerTls,
    not_after: SystemTime,
    last_use: u64,
}

impl Leaves {
    pub(crate) fn new(authority: CertificateAuthority) -> Self {
        Self { authority, kept: Mutex::default() }
    }

    /// Returns the TLS of a host.
    pub(super) fn tls(&self, host: &str) -> Result<ServerTls, fullduplex::Error> {
        // Locked while one is made, so that each is made once. It takes less than a millisecond.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        let earliest = SystemTime::now() + MIN_VALIDITY;
        if let Some(leaf) = kept.by_host.get_mut(host).filter(|leaf| leaf.not_after > earliest) {
            leaf.last_use = uses;
            return Ok(leaf.tls.clone());
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let tls = ServerTls::builder().certificate(self.authority.issue([name])?).build()?;
        let not_after = tls.certificates().first().map_or(earliest, |info| info.not_after);
        if kept.by_host.len() >= MAX_KEPT {
            let oldest = kept.by_host.iter().min_by_key(|(_, leaf)| leaf.last_use);
            let oldest = oldest.map(|(host, _)| host.clone());
            oldest.map(|host| kept.by_host.remove(&host));
        }
        let leaf = Leaf { tls: tls.clone(), not_after, last_use: uses };
        kept.by_host.insert(host.to_owned(), leaf);
        Ok(tls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_hosts_are_kept_in_bounded_number() {
        let leaves = Leaves::new(CertificateAuthority::new("Test").unwrap());
        let expiry = |host: &str| leaves.tls(host).unwrap().certificates()[0].clone();
        assert_eq!(expiry("a.example.").names, ["a.example"]);
        assert_eq!(expiry("127.0.0.1").names, [""; 0]);
        for number in 0..MAX_KEPT + 10 {
            expiry(&format!("host-{number}.example"));
            expiry("a.example.");
        }
        let kept = leaves.kept.lock().unwrap();
        assert_eq!(kept.by_host.len(), MAX_KEPT);
        assert!(kept.by_host.contains_key("a.example."));
        assert!(!kept.by_host.contains_key("127.0.0.1"));
    }
}
