//! Proxies: which one a connection goes through, and the tunnel that it makes.

mod no_proxy;
mod proxies;
pub(crate) mod socks5;
pub(crate) mod tunnel;
mod url;

pub(crate) use proxies::ChosenProxy;
pub use proxies::Proxies;
pub use url::Proxy;
pub(crate) use url::ProxyScheme;
