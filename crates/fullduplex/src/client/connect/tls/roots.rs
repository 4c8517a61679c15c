//! The root certificates that a client trusts.

/// The root certificates that a client trusts.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::{ClientTls, RootCertificates};
///
/// // The same in every container, whatever is installed there.
/// let tls = ClientTls::new().roots(RootCertificates::WebPki);
/// let client = Client::builder().tls(tls).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootCertificates {
    /// The certificate authorities of the operating system. Default.
    #[default]
    Platform,
    /// Mozilla's certificate authorities, compiled in (`webpki-roots`).
    WebPki,
    /// Only the authorities added by
    /// [`ClientTls::add_authorities`](crate::client::ClientTls::add_authorities).
    None,
}
