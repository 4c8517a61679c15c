//! Measures the cost of the codec, without any I/O: frames, masks, UTF-8, handshakes, deflate.
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml -p fullduplex-codec -- [frames] [deflate]
//!     times, of the codec and of the implementations of DEFLATE that come into question
//! … -p fullduplex-codec -- --instructions
//!     counts instructions with valgrind, and writes them to bench/instructions.txt
//! … -p fullduplex-codec -- --check [--tolerance PERCENT]
//!     counts again, and fails if anything takes more than was written (2% by default);
//!     ends with status 77 where counts can't be compared
//! ```
//!
//! A separate package, so that it builds without the peers of the other benchmarks.

mod allocator;
mod backends;
mod instructions;
#[path = "../../src/payload.rs"]
mod payload;
mod timing;
mod works;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let value = |word: &str| args.iter().skip_while(|arg| *arg != word).nth(1);
    if has(instructions::UNDER_VALGRIND) {
        instructions::under_valgrind();
        return ExitCode::SUCCESS;
    }
    if has("--instructions") {
        return instructions::write();
    }
    if has("--check") {
        let percent = value("--tolerance").and_then(|percent| percent.parse().ok());
        return instructions::check(percent.unwrap_or(2.0));
    }
    if args.is_empty() || has("frames") {
        timing::report();
    }
    if args.is_empty() || has("deflate") {
        backends::report_all();
    }
    ExitCode::SUCCESS
}
