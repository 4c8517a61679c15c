//! Settings of peers that are the same at both ends.

use yawc::{CompressionLevel, Options};

use crate::setup::{Deflate, MAX_MESSAGE};

/// yawc's, with the buffers of the benchmarks in its README: 128 KiB to read, 64 KiB of
/// backpressure.
pub fn yawc(deflate: Deflate) -> Options {
    let options = Options::default()
        .with_limits(MAX_MESSAGE, 2 * MAX_MESSAGE)
        .with_read_buffer_capacity(128 << 10)
        .with_backpressure_boundary(64 << 10)
        .with_utf8();
    match deflate {
        Deflate::Off => options.without_compression(),
        Deflate::Shared => options
            .with_compression_level(CompressionLevel::default())
            .server_no_context_takeover()
            .client_no_context_takeover(),
        Deflate::Dedicated | Deflate::Balanced => {
            options.with_compression_level(CompressionLevel::default())
        }
    }
}

/// sockudo-ws'.
pub fn sockudo() -> sockudo_ws::Config {
    sockudo_ws::Config::builder().max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).build()
}
