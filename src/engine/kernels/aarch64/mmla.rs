//! Matrix products with `usmmla` (processors with `i8mm`): six rows times sixteen columns at once.
//!
//! Owns: the inner loop and what it wants of packed rows. Does not own: blocking, requantisation (`matmul`).
//! Invariants: `usmmla` multiplies unsigned by signed, so activations stay as they lie. A register of rows is two rows
//! times eight values, one of weights two columns times eight, a sum two rows times two columns. All 32 vector
//! registers are spoken for; Rust's intrinsics for `usmmla` are not stable besides.

use core::arch::aarch64::{int32x4_t, vreinterpretq_s32_s64, vreinterpretq_s64_s32, vzip1q_s64, vzip2q_s64};
use core::arch::asm;

use super::matmul::{BYTES, Biases, CARRY, Job, PRELU, RAW, Tiles, finish};
use super::pack;

/// Weights lie as `[panel of 16 columns][depth / 8][column][8]`, biases doubled for both rows of a sum.
pub(super) static TILES: Tiles = Tiles {
    heights: &[6, 4, 2],
    columns: 16,
    unit: 8,
    step: 16,
    signed: false,
    biases: Biases::Pairs,
    block,
};

/// `usmmla` of a pair of rows and a pair of columns.
macro_rules! multiply {
    ($sum:literal, $rows:literal, $weights:literal) => {
        concat!("usmmla v", $sum, ".4s, v", $rows, ".16b, v", $weights, ".16b\n")
    };
}

/// Eight values of every pair of rows times sixteen columns.
macro_rules! half {
    ($($rows:literal: $s0:literal $s1:literal $s2:literal $s3:literal $s4:literal $s5:literal $s6:literal $s7:literal),*) => {
        concat!(
            "ldp q6, q7, [{b}], #32\n",
            $(multiply!($s0, $rows, 6), multiply!($s1, $rows, 7),)*
            "ldp q6, q7, [{b}], #32\n",
            $(multiply!($s2, $rows, 6), multiply!($s3, $rows, 7),)*
            "ldp q6, q7, [{b}], #32\n",
            $(multiply!($s4, $rows, 6), multiply!($s5, $rows, 7),)*
            "ldp q6, q7, [{b}], #32\n",
            $(multiply!($s6, $rows, 6), multiply!($s7, $rows, 7),)*
        )
    };
}

/// A packed block of pairs of rows times a panel of sixteen columns: the sums, eight vectors a pair.
macro_rules! tile {
    ($name:ident, $count:literal, $load:literal,
     $($rows:literal: $s0:literal $s1:literal $s2:literal $s3:literal $s4:literal $s5:literal $s6:literal $s7:literal),*;
     $($register:tt $sum:ident),*) => {
        /// # Safety
        /// `a` points to `steps` times sixteen values of every row and, if `tail` is not 0, eight more; `b` to
        /// `2 * steps + tail` times 128 bytes; `bias` to sixteen sums, twice each. `tail` is at most 1.
        #[inline]
        #[target_feature(enable = "neon,i8mm")]
        unsafe fn $name(
            a: *const u8, b: *const u8, steps: usize, tail: usize, bias: *const i32,
        ) -> [int32x4_t; $count] {
            $(let $sum: int32x4_t;)*
            // SAFETY: reads what the caller promises, writes no memory; every register it changes is an operand.
            unsafe {
                asm!(
                    $(concat!("ldp q", $s0, ", q", $s1, ", [{bias}]"),
                      concat!("ldp q", $s2, ", q", $s3, ", [{bias}, #32]"),
                      concat!("ldp q", $s4, ", q", $s5, ", [{bias}, #64]"),
                      concat!("ldp q", $s6, ", q", $s7, ", [{bias}, #96]"),)*
                    "cbz {steps}, 3f",
                    "2:",
                    $load,
                    half!($($rows: $s0 $s1 $s2 $s3 $s4 $s5 $s6 $s7),*),
                    $load,
                    half!($($rows: $s0 $s1 $s2 $s3 $s4 $s5 $s6 $s7),*),
                    "subs {steps}, {steps}, #1",
                    "b.ne 2b",
                    "3:",
                    "cbz {tail}, 4f",
                    $load,
                    half!($($rows: $s0 $s1 $s2 $s3 $s4 $s5 $s6 $s7),*),
                    "4:",
                    a = inout(reg) a => _, b = inout(reg) b => _, steps = inout(reg) steps => _,
                    tail = in(reg) tail, bias = in(reg) bias,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _,
                    out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                    $(out($register) $sum,)*
                    options(readonly, nostack)
                );
            }
            [$($sum),*]
        }
    };
}

tile!(tile6, 24, "ldp q0, q1, [{a}], #32\nldr q2, [{a}], #16",
    0: 8 9 10 11 12 13 14 15, 1: 16 17 18 19 20 21 22 23, 2: 24 25 26 27 28 29 30 31;
    "v8" s0, "v9" s1, "v10" s2, "v11" s3, "v12" s4, "v13" s5, "v14" s6, "v15" s7,
    "v16" s8, "v17" s9, "v18" s10, "v19" s11, "v20" s12, "v21" s13, "v22" s14, "v23" s15,
    "v24" s16, "v25" s17, "v26" s18, "v27" s19, "v28" s20, "v29" s21, "v30" s22, "v31" s23);
tile!(tile4, 16, "ldp q0, q1, [{a}], #32",
    0: 8 9 10 11 12 13 14 15, 1: 16 17 18 19 20 21 22 23;
    "v8" s0, "v9" s1, "v10" s2, "v11" s3, "v12" s4, "v13" s5, "v14" s6, "v15" s7,
    "v16" s8, "v17" s9, "v18" s10, "v19" s11, "v20" s12, "v21" s13, "v22" s14, "v23" s15);
tile!(tile2, 8, "ldr q0, [{a}], #16", 0: 8 9 10 11 12 13 14 15;
    "v8" s0, "v9" s1, "v10" s2, "v11" s3, "v12" s4, "v13" s5, "v14" s6, "v15" s7);

/// Sums of pairs of rows and columns, `[pair][column pair]`, to rows.
#[inline]
#[target_feature(enable = "neon")]
fn untangle<const N: usize>(sums: [int32x4_t; N]) -> [int32x4_t; N] {
    let mut rows = sums;
    for pair in 0..N / 8 {
        for i in 0..4 {
            let left = vreinterpretq_s64_s32(sums[8 * pair + 2 * i]);
            let right = vreinterpretq_s64_s32(sums[8 * pair + 2 * i + 1]);
            rows[8 * pair + i] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
            rows[8 * pair + 4 + i] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
        }
    }
    rows
}

/// Blocks of `height` rows times all panels of a job.
///
/// # Safety
/// As `Tiles::block` says; the processor has `i8mm`.
#[target_feature(enable = "neon,i8mm")]
unsafe fn block(height: usize, sink: u8, job: &Job<'_>) {
    // A copy of its own, so that its fields can stay in registers.
    let mut job = *job;
    /// All blocks and panels with one height and sink.
    macro_rules! blocks {
        ($height:literal $tile:ident, $sink:ident) => {
            for _ in 0..job.blocks {
                // SAFETY: the caller's promise, block by block and panel by panel.
                unsafe {
                    pack::paired::<{ $height / 2 }>(job.from, job.stride, job.depth, job.packed);
                    for panel in 0..job.panels {
                        let (weights, bias) = (job.weights(panel), job.bias.add(panel * 32));
                        let sums = $tile(job.packed, weights, job.steps, job.tail, bias);
                        finish::<_, $sink>(untangle(sums), &job, panel);
                    }
                }
                job.advance($height);
            }
        };
    }
    match (height, sink) {
        (6, BYTES) => blocks!(6 tile6, BYTES),
        (6, PRELU) => blocks!(6 tile6, PRELU),
        (6, RAW) => blocks!(6 tile6, RAW),
        (6, _) => blocks!(6 tile6, CARRY),
        (4, BYTES) => blocks!(4 tile4, BYTES),
        (4, PRELU) => blocks!(4 tile4, PRELU),
        (4, RAW) => blocks!(4 tile4, RAW),
        (4, _) => blocks!(4 tile4, CARRY),
        (_, BYTES) => blocks!(2 tile2, BYTES),
        (_, PRELU) => blocks!(2 tile2, PRELU),
        (_, RAW) => blocks!(2 tile2, RAW),
        (_, _) => blocks!(2 tile2, CARRY),
    }
}
