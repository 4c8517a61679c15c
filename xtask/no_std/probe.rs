//! Compiles only where `fullduplex-proto` and what it depends on link no std, which has a panic
//! handler of its own.
#![no_std]

extern crate fullduplex_proto as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
