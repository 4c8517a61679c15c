//! The policies for hosts, origins and proxies, and the address of the client.

pub(crate) mod connect_info;
pub(crate) mod forwarded;
pub(crate) mod host;
pub(crate) mod origin;
pub(crate) mod peer;
pub(crate) mod proxy_protocol;
#[cfg(feature = "_tls")]
pub(crate) mod tls_info;

pub use forwarded::{
    AddressSource, ClientAddr, ForwardedError, ForwardedHeader, ForwardedProto, Forwarding,
};
pub use host::{HostError, HostPolicy, HostRule};
pub use origin::{Origin, OriginError, OriginPolicy, OriginSuffix};
pub use peer::{PeerAddr, TrustedProxies};
pub use proxy_protocol::{
    ProxyHeader, ProxyHeaderError, ProxyHeaderStatus, ProxyMode, ProxyProtocol, ProxyProtocolError,
    ProxyStatus, parse_proxy_header,
};
