//! The engine beside other services, and on every version of HTTP.
