//! The certificates of the hosts whose TLS is looked into, as they are needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use fullduplex::server::tls::{CertificateAuthority, ServerTls};

use super::hosts::HostPort;
use crate::inspect::versions::Versions;

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
    /// By the host and its port.
    by_host: HashMap<String, Leaf>,
    /// How often one was asked for.
    uses: u64,
}

/// A host whose TLS is looked into.
#[derive(Clone)]
pub(super) struct DecryptedHost {
    /// The TLS of its clients.
    pub(super) tls: ServerTls,
    /// What is known of the host itself.
    pub(super) versions: Arc<Versions>,
}

struct Leaf {
    host: DecryptedHost,
    not_after: SystemTime,
    last_use: u64,
}

impl Leaves {
    pub(crate) fn new(authority: CertificateAuthority) -> Self {
        Self { authority, kept: Mutex::default() }
    }

    /// Returns a host with its TLS.
    pub(super) fn host(&self, to: &HostPort) -> Result<DecryptedHost, fullduplex::Error> {
        // Locked while one is made, so that each is made once. It takes less than a millisecond.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let (uses, key) = (kept.uses, to.authority(None));
        let earliest = SystemTime::now() + MIN_VALIDITY;
        if let Some(leaf) = kept.by_host.get_mut(&key).filter(|leaf| leaf.not_after > earliest) {
            leaf.last_use = uses;
            return Ok(leaf.host.clone());
        }
        let name = to.host.strip_suffix('.').unwrap_or(&to.host);
        let tls = ServerTls::builder().certificate(self.authority.issue([name])?).build()?;
        let not_after = tls.certificates().first().map_or(earliest, |info| info.not_after);
        if kept.by_host.len() >= MAX_KEPT {
            let oldest = kept.by_host.iter().min_by_key(|(_, leaf)| leaf.last_use);
            let oldest = oldest.map(|(host, _)| host.clone());
            oldest.map(|host| kept.by_host.remove(&host));
        }
        let made = DecryptedHost { tls, versions: Arc::default() };
        let leaf = Leaf { host: made.clone(), not_after, last_use: uses };
        kept.by_host.insert(key, leaf);
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_of_hosts_are_kept_in_bounded_number() {
        let leaves = Leaves::new(CertificateAuthority::new("Test").unwrap());
        let expiry = |host: &str| {
            let to = HostPort { host: host.into(), port: 443 };
            leaves.host(&to).unwrap().tls.certificates()[0].clone()
        };
        assert_eq!(expiry("a.example.").names, ["a.example"]);
        assert_eq!(expiry("127.0.0.1").names, [""; 0]);
        for number in 0..MAX_KEPT + 10 {
            expiry(&format!("host-{number}.example"));
            expiry("a.example.");
        }
        let kept = leaves.kept.lock().unwrap();
        assert_eq!(kept.by_host.len(), MAX_KEPT);
        assert!(kept.by_host.contains_key("a.example.:443"));
        assert!(!kept.by_host.contains_key("127.0.0.1:443"));
    }
}
