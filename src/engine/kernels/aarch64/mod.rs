//! Sets for 64-bit Arm: plain NEON, dot products, and 8-bit matrix products.
//!
//! Owns: the three tables and the detection of what the processor has. Does not own: what an operation means
//! (`super`).
//! Invariant: a table with `dotprod` or `i8mm` instructions is given out only where the processor has them, which is
//! what makes its functions safe to call.
#![expect(unsafe_code, reason = "vector loads and stores, and instructions that intrinsics do not reach")]

mod dot;
mod long;
mod matmul;
mod mmla;
mod pack;
mod pairs;
mod planes;
mod requant;
mod scan;
mod three;
mod windows;

use std::arch::is_aarch64_feature_detected;

use super::Kernels;

/// Long multiplications, on every processor (cortex-a53, a72).
static NEON: Kernels = Kernels {
    name: "neon",
    pack_matmul: |weights, bias, columns, depth| matmul::pack(&long::TILES, weights, bias, columns, depth),
    matmul: |op, a, a_stride, rows, out| matmul::bytes(&long::TILES, op, a, a_stride, rows, out),
    matmul_raw: |op, a, a_stride, rows, out| matmul::raw(&long::TILES, op, a, a_stride, rows, out),
    pack_depthwise: windows::pack,
    depthwise: |op, input, out| windows::depthwise(op, input, out, windows::long),
    pack_depthwise_raw: super::scalar::KERNELS.pack_depthwise,
    depthwise_raw: super::scalar::KERNELS.depthwise_raw,
    add: planes::add,
    multiply: planes::multiply,
    multiply_pixel: planes::multiply_pixel,
    max_pool: windows::max_pool,
    sum: planes::sum,
    lookup: planes::lookup,
    scan: scan::long,
};

/// `sdot` (cortex-a55, a76, and all of Armv8.4).
static DOTPROD: Kernels = Kernels {
    name: "dotprod",
    pack_matmul: |weights, bias, columns, depth| matmul::pack(&dot::TILES, weights, bias, columns, depth),
    matmul: |op, a, a_stride, rows, out| matmul::bytes(&dot::TILES, op, a, a_stride, rows, out),
    matmul_raw: |op, a, a_stride, rows, out| matmul::raw(&dot::TILES, op, a, a_stride, rows, out),
    depthwise: |op, input, out| windows::depthwise(op, input, out, pairs::rows),
    scan: scan::dot,
    ..NEON
};

/// `usmmla` (cortex-a510, a710, neoverse-v1, and all of Armv8.6).
static I8MM: Kernels = Kernels {
    name: "i8mm",
    pack_matmul: |weights, bias, columns, depth| matmul::pack(&mmla::TILES, weights, bias, columns, depth),
    matmul: |op, a, a_stride, rows, out| matmul::bytes(&mmla::TILES, op, a, a_stride, rows, out),
    matmul_raw: |op, a, a_stride, rows, out| matmul::raw(&mmla::TILES, op, a, a_stride, rows, out),
    ..DOTPROD
};

/// The sets that this processor runs, the best first.
pub(super) fn available() -> impl Iterator<Item = &'static Kernels> {
    let dotprod = is_aarch64_feature_detected!("dotprod");
    let i8mm = dotprod && is_aarch64_feature_detected!("i8mm");
    [(&I8MM, i8mm), (&DOTPROD, dotprod), (&NEON, true)]
        .into_iter()
        .filter_map(|(set, has)| has.then_some(set))
}

#[cfg(test)]
mod tests {
    /// `scripts/cross` runs these tests on a processor of each kind and says what it must find there.
    #[test]
    fn a_processor_gets_its_best_set() {
        let best = super::available().next().map(|set| set.name);
        if let Ok(expected) = std::env::var("OSTIARY_BEST_KERNELS") {
            assert_eq!(best, Some(expected.as_str()));
        }
    }
}
