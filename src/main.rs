//! The binary: arguments in, exit code out.
//!
//! Owns: nothing but the way into `app`. Invariant: no panic reaches the caller as success.

use std::process::ExitCode;

fn main() -> ExitCode {
    ostiary::app::main()
}
