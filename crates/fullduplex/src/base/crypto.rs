//! The cryptography of TLS: that of aws-lc-rs if its feature is on, or else that of ring.
//!
//! It is named wherever a configuration is built. rustls's default of the process is left alone:
//! an application may have set another provider, and rustls has no default if two are compiled in.

#[cfg(all(feature = "tls", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as chosen;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as chosen;

#[cfg(not(any(feature = "tls", feature = "aws-lc-rs")))]
compile_error!("this needs TLS: add the feature `tls` (with ring) or `aws-lc-rs` of fullduplex");

#[cfg(feature = "server")]
pub(crate) use chosen::Ticketer;
pub(crate) use chosen::default_provider;

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    /// Only aws-lc-rs has the group of post-quantum keys.
    #[test]
    fn crypto_is_that_of_aws_lc_rs_if_its_feature_is_on() {
        let groups = default_provider().kx_groups;
        let has_hybrid = groups.iter().any(|group| group.name() == NamedGroup::X25519MLKEM768);
        assert_eq!(has_hybrid, cfg!(feature = "aws-lc-rs"));
    }
}
