//! The cost of implementations of DEFLATE: for messages of 1 KiB compressed separately and one
//! after the other, and for 1 MiB at once.

use std::sync::atomic::Ordering::Relaxed;

use crate::allocator::LIVE;
use crate::payload;
use crate::timing::least;

/// A compressor of some implementation.
trait Codec {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize;
    fn reset(&mut self);
    /// Sets the history before a compression; false if the implementation can't.
    fn recall(&mut self, history: &[u8]) -> bool;
}

struct ZlibRs(zlib_rs::Deflate);

impl Codec for ZlibRs {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        let before = self.0.total_out();
        self.0.compress(input, output, zlib_rs::DeflateFlush::SyncFlush).expect("room");
        (self.0.total_out() - before) as usize
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn recall(&mut self, history: &[u8]) -> bool {
        self.0.set_dictionary(history).is_ok()
    }
}

struct Miniz(Box<miniz_oxide::deflate::core::CompressorOxide>);

impl Codec for Miniz {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        let flush = miniz_oxide::MZFlush::Sync;
        miniz_oxide::deflate::stream::deflate(&mut self.0, input, output, flush).bytes_written
    }

    fn reset(&mut self) {
        self.0.reset();
    }

    fn recall(&mut self, _: &[u8]) -> bool {
        false
    }
}

struct Libdeflate(libdeflater::Compressor);

impl Codec for Libdeflate {
    fn compress(&mut self, input: &[u8], output: &mut [u8]) -> usize {
        self.0.deflate_compress(input, output).expect("room")
    }

    fn reset(&mut self) {}

    fn recall(&mut self, _: &[u8]) -> bool {
        false
    }
}

fn report(name: &str, make: impl Fn() -> Box<dyn Codec>, window_bits: u8) {
    let messages = payload::messages(1 << 10, 500);
    let long = messages.concat().repeat(2);
    let before = LIVE.load(Relaxed);
    let mut codec = make();
    let memory = LIVE.load(Relaxed) - before;
    let mut out = vec![0; 2 << 20];
    let (mut next, mut total) = (0, 0);
    let mut one = |codec: &mut Box<dyn Codec>, out: &mut [u8]| {
        next = (next + 1) % messages.len();
        total += codec.compress(&messages[next], out);
        if next == 0 { std::mem::take(&mut total) / messages.len() } else { 0 }
    };
    let mut size = [0; 2];
    let each = least(500, || {
        codec.reset();
        size[0] = size[0].max(one(&mut codec, &mut out));
    });
    codec.reset();
    let takeover = least(500, || size[1] = one(&mut codec, &mut out).max(size[1]));
    codec.reset();
    let mut len = 0;
    let whole = least(1, || {
        codec.reset();
        len = codec.compress(&long, &mut out);
    });
    let history = &long[..1 << window_bits];
    let recall = least(20, || {
        codec.reset();
        codec.recall(history);
    });
    println!(
        "| {name} | {:.1} µs, {} B | {:.1} µs, {} B | {:.0} MB/s, {:.3} | {:.1} µs | {:.0} KiB |",
        each / 1e3,
        size[0],
        takeover / 1e3,
        size[1],
        long.len() as f64 / whole * 1e3,
        len as f64 / long.len() as f64,
        recall / 1e3,
        memory as f64 / 1024.0,
    );
}

pub fn report_all() {
    println!("| compressor | 1 KiB | 1 KiB with takeover | 1 MB at once | recall | memory |");
    println!("|---|---|---|---|---|---|");
    for (level, window_bits, memory_level) in [
        (1, 15, 8),
        (2, 15, 8),
        (4, 15, 8),
        (5, 15, 8),
        (6, 15, 8),
        (9, 15, 8),
        (5, 15, 6),
        (5, 14, 6),
        (5, 13, 6),
        (5, 12, 6),
        (5, 11, 6),
        (5, 10, 6),
        (5, 9, 6),
    ] {
        let name =
            format!("zlib-rs, level {level}, {window_bits} bits, memory level {memory_level}");
        let make = || -> Box<dyn Codec> {
            Box::new(ZlibRs(zlib_rs::Deflate::new_with_config(zlib_rs::DeflateConfig {
                level,
                window_bits: -i32::from(window_bits),
                mem_level: memory_level,
                ..Default::default()
            })))
        };
        report(&name, make, window_bits);
    }
    for level in [1, 5, 9] {
        let make = || -> Box<dyn Codec> {
            let flags =
                miniz_oxide::deflate::core::create_comp_flags_from_zip_params(level, -15, 0);
            Box::new(Miniz(Box::new(miniz_oxide::deflate::core::CompressorOxide::new(flags))))
        };
        report(&format!("miniz_oxide, level {level}"), make, 15);
    }
    for level in [1, 2, 3, 6, 9] {
        let make = || -> Box<dyn Codec> {
            let level = libdeflater::CompressionLvl::new(level).expect("a level");
            Box::new(Libdeflate(libdeflater::Compressor::new(level)))
        };
        report(&format!("libdeflate, level {level}"), make, 15);
    }
    inflate();
}

/// Measures decompressing by zlib-rs, and by the shared workspace, which adds to that.
fn inflate() {
    let messages = payload::messages(1 << 10, 500);
    let mut zlib = ZlibRs(zlib_rs::Deflate::new(6, false, 15));
    let mut out = vec![0; 2 << 20];
    for takeover in [false, true] {
        zlib.reset();
        let compressed: Vec<Vec<u8>> = messages
            .iter()
            .map(|message| {
                if !takeover {
                    zlib.reset();
                }
                let len = zlib.compress(message, &mut out);
                out[..len].to_vec()
            })
            .collect();
        let mut next = 0;
        let mut reader = zlib_rs::Inflate::new(false, 15);
        let rs = least(500, || {
            if next == 0 || !takeover {
                reader.reset(false);
            }
            let flush = zlib_rs::InflateFlush::SyncFlush;
            reader.decompress(&compressed[next], &mut out, flush).expect("valid");
            next = (next + 1) % compressed.len();
        });
        println!("inflate 1 KiB, zlib-rs, takeover {takeover}: {:.2} µs", rs / 1e3);
    }
    let long = messages.concat().repeat(2);
    zlib.reset();
    let len = zlib.compress(&long, &mut out);
    let compressed = out[..len].to_vec();
    let mut reader = zlib_rs::Inflate::new(false, 15);
    let whole = least(1, || {
        reader.reset(false);
        reader.decompress(&compressed, &mut out, zlib_rs::InflateFlush::SyncFlush).expect("valid");
    });
    println!("inflate 1 MB, zlib-rs: {:.0} MB/s out", long.len() as f64 / whole * 1e3);
    let mut state =
        miniz_oxide::inflate::stream::InflateState::new_boxed(miniz_oxide::DataFormat::Raw);
    let whole = least(1, || {
        state.reset(miniz_oxide::DataFormat::Raw);
        let flush = miniz_oxide::MZFlush::None;
        let _ = miniz_oxide::inflate::stream::inflate(&mut state, &compressed, &mut out, flush);
    });
    println!("inflate 1 MB, miniz_oxide: {:.0} MB/s out", long.len() as f64 / whole * 1e3);
    for bits in [12, 15] {
        let history = &long[..1 << bits];
        let recall = least(100, || {
            reader.reset(false);
            reader.set_dictionary(history).expect("any time");
        });
        println!("recall of {bits} bits: {:.2} µs", recall / 1e3);
    }
}
