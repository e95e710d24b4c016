//! Rows of the left side, laid out for an inner loop.
//!
//! Owns: the copies. Does not own: their buffer, which rows (`matmul`).
//! Invariant: reads at most the depth padded to four of each row; writes the depth padded to a step, zeros behind.

use core::arch::aarch64::{
    uint8x16_t, vdupq_n_u8, veorq_u8, vld1q_u8, vreinterpretq_u8_u64, vreinterpretq_u64_u8, vst1q_u8,
    vzip1q_u64, vzip2q_u64,
};

/// `[depth / STEP][row][STEP]`, every byte `^ 0x80`.
///
/// # Safety
/// `H` rows, `stride` apart, are readable for the depth padded to four; `out` has room for them padded to `STEP`.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn signed<const H: usize, const STEP: usize>(
    a: *const u8,
    stride: usize,
    depth: usize,
    out: *mut u8,
) {
    // SAFETY: `k + STEP <= depth` in the loop; behind it `last` reads as far as is promised. Writes go to `H` rows
    // of the depth padded to `STEP`.
    unsafe {
        let flip = vdupq_n_u8(0x80);
        let whole = depth - depth % STEP;
        let rows: [*const u8; H] = core::array::from_fn(|r| a.add(r * stride));
        let mut to = out;
        let mut k = 0;
        while k < whole {
            for row in rows {
                for at in (0..STEP).step_by(16) {
                    vst1q_u8(to.add(at), veorq_u8(vld1q_u8(row.add(k + at)), flip));
                }
                to = to.add(STEP);
            }
            k += STEP;
        }
        if whole < depth {
            for row in rows {
                last::<STEP>(row.add(whole), depth - whole, 0x8080_8080, to);
                to = to.add(STEP);
            }
        }
    }
}

/// `[depth / 16][half][pair of rows][row][8]`: a register holds eight values of two rows, `P` pairs of them.
///
/// # Safety
/// As `signed`, for twice `P` rows and sixteen.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn paired<const P: usize>(a: *const u8, stride: usize, depth: usize, out: *mut u8) {
    // SAFETY: as `signed`.
    unsafe {
        let whole = depth - depth % 16;
        let pairs: [[*const u8; 2]; P] =
            core::array::from_fn(|p| [a.add(2 * p * stride), a.add((2 * p + 1) * stride)]);
        let mut to = out;
        let mut k = 0;
        while k < whole {
            for (p, rows) in pairs.iter().enumerate() {
                let [low, high] = zip(vld1q_u8(rows[0].add(k)), vld1q_u8(rows[1].add(k)));
                vst1q_u8(to.add(16 * p), low);
                vst1q_u8(to.add(16 * (P + p)), high);
            }
            to = to.add(32 * P);
            k += 16;
        }
        if whole < depth {
            for (p, rows) in pairs.iter().enumerate() {
                let mut ends = [[0; 16]; 2];
                for (row, end) in rows.iter().zip(&mut ends) {
                    last::<16>(row.add(whole), depth - whole, 0, end.as_mut_ptr());
                }
                let [low, high] = zip(vld1q_u8(ends[0].as_ptr()), vld1q_u8(ends[1].as_ptr()));
                vst1q_u8(to.add(16 * p), low);
                vst1q_u8(to.add(16 * (P + p)), high);
            }
        }
    }
}

/// The lower and the upper halves of two rows.
#[inline]
#[target_feature(enable = "neon")]
fn zip(a: uint8x16_t, b: uint8x16_t) -> [uint8x16_t; 2] {
    let (a, b) = (vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b));
    [vreinterpretq_u8_u64(vzip1q_u64(a, b)), vreinterpretq_u8_u64(vzip2q_u64(a, b))]
}

/// The `count < STEP` bytes that are no whole step, word by word and flipped, zeros behind.
///
/// # Safety
/// `from` is readable for `count` padded to four bytes, `to` has room for `STEP`.
#[inline]
unsafe fn last<const STEP: usize>(from: *const u8, count: usize, flip: u32, to: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        to.write_bytes(0, STEP);
        for at in (0..count).step_by(4) {
            let word = from.add(at).cast::<u32>().read_unaligned();
            to.add(at).cast::<u32>().write_unaligned(word ^ flip);
        }
    }
}
