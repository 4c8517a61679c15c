//! Proxies: choosing one for a connection, and opening a tunnel through it.

mod no_proxy;
mod proxies;
pub(crate) mod socks5;
pub(crate) mod tunnel;
mod url;

pub(crate) use proxies::ChosenProxy;
pub use proxies::Proxies;
pub use url::Proxy;
pub(crate) use url::ProxyScheme;
