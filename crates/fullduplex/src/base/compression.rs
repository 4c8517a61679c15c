//! What differs in a build without the feature `deflate`.

use fullduplex_proto::{Config, DeflateConfig, PerMessageDeflate, Receiver, Session};

/// Returns the settings for compression, if it is to be negotiated.
#[cfg(feature = "deflate")]
pub(crate) fn settings(config: &Config) -> Option<DeflateConfig> {
    config.deflate
}

/// Returns `None`: without the feature nothing is negotiated.
#[cfg(not(feature = "deflate"))]
pub(crate) fn settings(_: &Config) -> Option<DeflateConfig> {
    None
}

/// Enables what was negotiated.
#[cfg(feature = "deflate")]
pub(crate) fn enable(
    negotiated: &PerMessageDeflate,
    session: Session,
    receiver: Receiver,
) -> (Session, Receiver) {
    (session.with_deflate(negotiated), receiver.with_deflate(negotiated))
}

/// Panics, as the peer would send compressed messages.
#[cfg(not(feature = "deflate"))]
pub(crate) fn enable(_: &PerMessageDeflate, _: Session, _: Receiver) -> (Session, Receiver) {
    panic!("compression was negotiated, but the feature `deflate` of fullduplex is off")
}
