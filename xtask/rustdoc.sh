#!/bin/sh
# rustdoc with what is unstable in it, for cargo's RUSTDOC: in the environment of cargo itself, the
# variable would have all dependencies compiled again.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
