//! Dot products of one probe with every row of a gallery.
//!
//! Owns: four rows at once, so that the probe is loaded once for them. Does not own: what is done with the products.
//! Invariant: every slice has been measured by `check` before a pointer is taken.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddvq_s32, vdupq_n_s32, vget_low_s8, vld1q_s8, vmlal_high_s8, vmull_high_s8,
    vmull_s8, vpadalq_s16,
};
use core::arch::asm;

use super::super::{LANES, check};

/// `Kernels::scan` with `smull`.
pub(super) fn long(probe: &[i8], matrix: &[i8], out: &mut [i32]) {
    check::scan(probe, matrix, out);
    // Two products fit in 16 bits unless both are -128 squared.
    if probe.contains(&i8::MIN) {
        // SAFETY: every aarch64 processor has NEON; `check::scan` measured the matrix.
        each(probe, matrix, out, |rows, out| unsafe { long_rows::<false>(probe, rows, out) });
    } else {
        // SAFETY: as above.
        each(probe, matrix, out, |rows, out| unsafe { long_rows::<true>(probe, rows, out) });
    }
}

/// `Kernels::scan` with `sdot`, for sets that `available` gives only where the processor has it.
pub(super) fn dot(probe: &[i8], matrix: &[i8], out: &mut [i32]) {
    check::scan(probe, matrix, out);
    // SAFETY: the set is only there with `dotprod`; `check::scan` measured the matrix.
    each(probe, matrix, out, |rows, out| unsafe { dot_rows(probe, rows, out) });
}

/// Rows four by four, then one by one; what is behind the last sixteen values is added here.
fn each(probe: &[i8], matrix: &[i8], out: &mut [i32], rows: impl Fn([*const i8; 4], &mut [i32; 4])) {
    let len = probe.len();
    let whole = len - len % LANES;
    let row = |index: usize| &matrix[index * len..][..len];
    for (block, out) in out.chunks_mut(4).enumerate() {
        let at = |i: usize| row(4 * block + i.min(out.len() - 1));
        let four = [at(0), at(1), at(2), at(3)];
        let mut dots = [0; 4];
        rows(four.map(<[i8]>::as_ptr), &mut dots);
        if whole < len {
            for (dot, row) in dots.iter_mut().zip(four) {
                for (&m, &p) in row[whole..].iter().zip(&probe[whole..]) {
                    *dot += i32::from(m) * i32::from(p);
                }
            }
        }
        out.copy_from_slice(&dots[..out.len()]);
    }
}

/// # Safety
/// Every row has as many values as the probe. With `PAIRS` the probe has no -128.
#[target_feature(enable = "neon")]
unsafe fn long_rows<const PAIRS: bool>(probe: &[i8], rows: [*const i8; 4], out: &mut [i32; 4]) {
    let mut sums = [vdupq_n_s32(0); 4];
    for (at, probe) in probe.as_chunks::<LANES>().0.iter().enumerate() {
        // SAFETY: sixteen values, and the caller's promise.
        let (probe, rows) =
            unsafe { (vld1q_s8(probe.as_ptr()), rows.map(|row| vld1q_s8(row.add(at * LANES)))) };
        for (sum, row) in sums.iter_mut().zip(rows) {
            let product = vmull_s8(vget_low_s8(probe), vget_low_s8(row));
            *sum = if PAIRS {
                vpadalq_s16(*sum, vmlal_high_s8(product, probe, row))
            } else {
                vpadalq_s16(vpadalq_s16(*sum, product), vmull_high_s8(probe, row))
            };
        }
    }
    *out = sums.map(|sum| vaddvq_s32(sum));
}

/// # Safety
/// Every row has as many values as the probe.
#[target_feature(enable = "neon,dotprod")]
unsafe fn dot_rows(probe: &[i8], rows: [*const i8; 4], out: &mut [i32; 4]) {
    let mut sums = [vdupq_n_s32(0); 4];
    for (at, probe) in probe.as_chunks::<LANES>().0.iter().enumerate() {
        // SAFETY: sixteen values, and the caller's promise.
        let (probe, rows) =
            unsafe { (vld1q_s8(probe.as_ptr()), rows.map(|row| vld1q_s8(row.add(at * LANES)))) };
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = sdot(*sum, probe, row);
        }
    }
    *out = sums.map(|sum| vaddvq_s32(sum));
}

/// To each of four sums, four products.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: touches its operands only.
    unsafe {
        asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}
