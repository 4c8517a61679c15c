//! The variables by which programs use the proxy, and trust its authority.

use std::ffi::OsString;
use std::net::SocketAddr;

use super::files::RunFiles;

/// The variables that name a proxy.
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The hosts that programs reach without the proxy: none.
const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The variables that name a file of all authorities: of OpenSSL and Go, of curl, of requests, of
/// pip, of websocket-client, of gRPC, of Git, of cargo, of the tools of AWS.
const BUNDLES: [&str; 9] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "WEBSOCKET_CLIENT_CA_BUNDLE",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
];

/// The variables that name a file of authorities besides the usual ones: of Node, of Deno.
const MORE_AUTHORITIES: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Returns the variables of a command that uses the proxy at this address.
pub(super) fn variables(proxy: SocketAddr, files: &RunFiles) -> Vec<(&'static str, OsString)> {
    let url: OsString = format!("http://{proxy}").into();
    let mut variables: Vec<(&str, OsString)> = Vec::new();
    variables.extend(PROXIES.map(|name| (name, url.clone())));
    variables.extend(NO_PROXIES.map(|name| (name, OsString::new())));
    variables.extend(BUNDLES.map(|name| (name, files.bundle().into())));
    variables.extend(MORE_AUTHORITIES.map(|name| (name, files.more().into())));
    // Node reads the others only then.
    variables.push(("NODE_USE_ENV_PROXY", "1".into()));
    variables.push(("JAVA_TOOL_OPTIONS", java_options(proxy, files)));
    variables
}

/// Returns the options of Java, with those that there are.
fn java_options(proxy: SocketAddr, files: &RunFiles) -> OsString {
    let mut options = std::env::var_os("JAVA_TOOL_OPTIONS").unwrap_or_default();
    let (host, port) = (proxy.ip(), proxy.port());
    for scheme in ["http", "https"] {
        options.push(format!(" -D{scheme}.proxyHost={host} -D{scheme}.proxyPort={port}"));
    }
    // By default localhost is reached without the proxy.
    options.push(" -Dhttp.nonProxyHosts= -Djavax.net.ssl.trustStoreType=PKCS12");
    options.push(" -Djavax.net.ssl.trustStore=");
    options.push(files.trust_store());
    options
}
