//! Sets for x86-64, written once over the width of the registers.
//!
//! Owns: the detection of what the processor has, and the tables. Does not own: what an operation means (`super`).
//! Invariant: a table leaves this module only where every instruction that it uses was detected.
#![expect(unsafe_code, reason = "vector instructions and addresses; slices are checked before")]
#![allow(
    clippy::needless_range_loop,
    reason = "loops over registers unroll; iterators over them do not always"
)]
#![allow(clippy::wildcard_imports, reason = "intrinsics by the dozen")]
#![allow(clippy::inline_always, reason = "instructions need the caller's target features")]

mod depthwise;
mod isa;
mod matmul;
mod narrow;
mod planes;
mod requant;
mod scan;
mod three;
mod wide;

use super::{Addition, Depthwise, Kernels, Matmul, Product, Window};

/// A table and its detection. The functions cannot be called before `detect` has found the processor fit, because
/// only then is the table handed out.
macro_rules! set {
    ($d:tt $module:ident, $isa:ty, $name:literal, $features:literal) => {
        mod $module {
            use super::*;

            /// The table, if the processor can run it.
            pub(super) fn detect() -> Option<&'static Kernels> {
                <$isa>::detect().map(|_| &KERNELS)
            }

            /// A function of a table: the generic one, compiled for these instructions.
            macro_rules! inside {
                ($function:path, $d($arg:ident: $kind:ty),*) => { |$d($arg),*| {
                    #[target_feature(enable = $features)]
                    fn inside(isa: $isa, $d($arg: $kind),*) {
                        $function(isa, $d($arg),*);
                    }
                    // SAFETY: whoever has this table got it from `detect`.
                    unsafe { inside(<$isa>::detected(), $d($arg),*) }
                } };
            }

            static KERNELS: Kernels = Kernels {
                name: $name,
                pack_matmul: matmul::pack::<$isa>,
                matmul: inside!(matmul::bytes, op: &Matmul, a: &[u8], stride: usize, rows: usize, out: &mut [u8]),
                matmul_raw: inside!(matmul::raw, op: &Matmul, a: &[u8], stride: usize, rows: usize, out: &mut [i32]),
                pack_depthwise: depthwise::pack::<$isa>,
                depthwise: inside!(depthwise::bytes, op: &Depthwise, input: &[u8], out: &mut [u8]),
                pack_depthwise_raw: depthwise::pack_raw::<$isa>,
                depthwise_raw: inside!(depthwise::raw, op: &Depthwise, input: &[u8], out: &mut [i32]),
                add: inside!(planes::add, op: &Addition, a: &[u8], b: &[u8], out: &mut [u8]),
                multiply: inside!(planes::multiply, op: &Product, a: &[u8], b: &[u8], out: &mut [u8]),
                multiply_pixel: inside!(planes::multiply_pixel, op: &Product, a: &[u8], b: &[u8], out: &mut [u8]),
                max_pool: inside!(planes::max_pool, window: &Window, channels: usize, input: &[u8], out: &mut [u8]),
                sum: inside!(planes::sum, channels: usize, input: &[u8], out: &mut [i32]),
                lookup: inside!(planes::lookup, table: &[u8; 256], input: &[u8], out: &mut [u8]),
                scan: inside!(scan::dots, probe: &[i8], matrix: &[i8], out: &mut [i32]),
            };
        }
    };
}

set!($ avx512vnni, wide::Avx512, "avx512vnni", "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni");
set!($ avxvnni, narrow::AvxVnni, "avxvnni", "avx2,avxvnni");
// The tests prove the 256-bit kernels with it on machines that have no other encoding.
#[cfg(test)]
set!($ avx512vnni256, narrow::Avx512Vnni256, "avxvnni", "avx2,avx512f,avx512vl,avx512vnni");
set!($ avx2, narrow::Avx2, "avx2", "avx2");

/// The sets that this processor runs, the best first.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    let avxvnni = avxvnni::detect();
    #[cfg(test)]
    let avxvnni = avxvnni.or_else(avx512vnni256::detect);
    [avx512vnni::detect(), avxvnni, avx2::detect()].into_iter().flatten()
}
