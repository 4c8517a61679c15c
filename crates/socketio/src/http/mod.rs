//! The HTTP side of the engine: a service, a layer, and what serves a `Server`.
