//! Sets for 64-bit Arm: none yet, so such a board runs `scalar`.
//!
//! Owns: the detection of what the processor has. Does not own: what an operation means (`super`).

use super::Kernels;

/// The sets that this processor runs, the best first.
pub(super) fn available() -> [&'static Kernels; 0] {
    []
}
