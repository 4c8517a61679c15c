//! The protocol core without an operating system.

use crate::process::run as execute;
use crate::toolchain::{BARE, Toolchain};
use crate::{Outcome, Tally};

const BARE_METAL: &str = "fullduplex-bare-metal";

pub(crate) fn run() -> Outcome {
    bare_metal(&Toolchain::find()?)
}

/// The step with Debian's compiler, also where the own one would do.
pub(crate) fn run_with_debian() -> Outcome {
    bare_metal(&Toolchain::debian()?)
}

/// Compiles the example for a target without an operating system, where nothing of `std` is.
fn bare_metal(toolchain: &Toolchain) -> Outcome {
    let build = ["build", "--quiet", "--locked", "-p", BARE_METAL];
    execute(&mut toolchain.cargo(&build, BARE))?;
    Ok(Tally::PASSED)
}
