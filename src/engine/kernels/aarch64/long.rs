//! Matrix products without dot products (cortex-a53, a72): four rows times four columns at once.
//!
//! Owns: the inner loop, and how many products may be added in 16 bits before they are widened. Does not own:
//! blocking, requantisation (`matmul`).
//! Invariants: a sum's register holds four partial sums of one row and column, added up at the end. Activations come
//! as signed bytes (`value ^ 0x80`, so within -128 to 127), 128 times the sum of a column's weights is in its bias.
//! `smull` and `smlal` add products of bytes in 16 bits; a chain of products fits where the magnitudes of its weights
//! sum up to 255 at most (128 * 255 < 2^15). Packing looks which chains fit in the whole panel: four products, two, or
//! (only with weights of -128) one. Fewer widening steps are fewer instructions; the sums are the same.

use core::arch::aarch64::{
    int32x4_t, uint8x16_t, vdupq_n_f32, vgetq_lane_u32, vld1q_f32, vpaddq_s32, vreinterpretq_u32_u8,
    vst1q_s32,
};
use core::arch::asm;

use super::matmul::{BYTES, Biases, CARRY, Job, PRELU, RAW, Tiles};
use super::pack;
use super::requant::{narrow, scaled};

/// Weights lie as `[panel of 4 columns][depth / 32][column][32]`.
pub(super) static TILES: Tiles = Tiles {
    heights: &[4, 1],
    columns: 4,
    unit: 32,
    step: 32,
    signed: true,
    biases: Biases::Spread,
    pack: pack::signed_rows::<32>,
    block,
};

/// How many products of a panel's weights may be added in 16 bits: 4, 2 or 1.
pub(super) fn chain(panel: &[u8]) -> i32 {
    let fits = |length: usize| {
        panel.as_chunks::<32>().0.iter().all(|weights| {
            (0..32).step_by(8 * length).all(|first| {
                (first..first + 8).all(|lane| {
                    let chain = weights[lane..].iter().step_by(8).take(length);
                    chain.map(|&w| u32::from((w as i8).unsigned_abs())).sum::<u32>() <= 255
                })
            })
        })
    };
    if fits(4) {
        4
    } else if fits(2) {
        2
    } else {
        1
    }
}

/// A product of lower halves, of upper halves, and the widening of a chain of them.
macro_rules! low {
    ($op:literal $t:literal $a:literal $b:literal) => {
        concat!($op, " v", $t, ".8h, v", $a, ".8b, v", $b, ".8b\n")
    };
}
macro_rules! high {
    ($op:literal $t:literal $a:literal $b:literal) => {
        concat!($op, "2 v", $t, ".8h, v", $a, ".16b, v", $b, ".16b\n")
    };
}
macro_rules! widen {
    ($s:literal $t:literal) => {
        concat!("sadalp v", $s, ".4s, v", $t, ".8h\n")
    };
}

/// 32 values of every row times a column, in chains of four, two or one. A row is its two registers, one for its
/// chain, one for its sum.
macro_rules! column {
    (4, $b0:literal $b1:literal; $($a0:literal $a1:literal $t:literal $s:literal),*) => {
        concat!(
            "ldp q", $b0, ", q", $b1, ", [{b}], #32\n",
            $(low!("smull" $t $a0 $b0),)* $(high!("smlal" $t $a0 $b0),)*
            $(low!("smlal" $t $a1 $b1),)* $(high!("smlal" $t $a1 $b1),)* $(widen!($s $t),)*
        )
    };
    (2, $b0:literal $b1:literal; $($a0:literal $a1:literal $t:literal $s:literal),*) => {
        concat!(
            "ldp q", $b0, ", q", $b1, ", [{b}], #32\n",
            $(low!("smull" $t $a0 $b0),)* $(high!("smlal" $t $a0 $b0),)* $(widen!($s $t),)*
            $(low!("smull" $t $a1 $b1),)* $(high!("smlal" $t $a1 $b1),)* $(widen!($s $t),)*
        )
    };
    (1, $b0:literal $b1:literal; $($a0:literal $a1:literal $t:literal $s:literal),*) => {
        concat!(
            "ldp q", $b0, ", q", $b1, ", [{b}], #32\n",
            $(low!("smull" $t $a0 $b0),)* $(widen!($s $t),)* $(high!("smull" $t $a0 $b0),)* $(widen!($s $t),)*
            $(low!("smull" $t $a1 $b1),)* $(widen!($s $t),)* $(high!("smull" $t $a1 $b1),)* $(widen!($s $t),)*
        )
    };
}

/// A packed block of rows times a panel of four columns: partial sums, a vector each row and column.
macro_rules! tile {
    ($name:ident, $chain:tt, $count:literal, $load:literal,
     $($a0:literal $a1:literal $t:literal: $s0:literal $s1:literal $s2:literal $s3:literal),*;
     $($register:tt $sum:ident),*) => {
        /// # Safety
        /// `a` points to `steps` times 32 values of every row, `b` to `steps` times 128 bytes, `bias` to four sums of
        /// four partial ones each.
        #[inline]
        #[target_feature(enable = "neon")]
        unsafe fn $name(a: *const u8, b: *const u8, steps: usize, bias: *const i32) -> [int32x4_t; $count] {
            $(let $sum: int32x4_t;)*
            // SAFETY: reads what the caller promises, writes no memory; every register it changes is an operand.
            unsafe {
                asm!(
                    $(concat!("ldp q", $s0, ", q", $s1, ", [{bias}]"),
                      concat!("ldp q", $s2, ", q", $s3, ", [{bias}, #32]"),)*
                    "cbz {steps}, 3f",
                    "2:",
                    $load,
                    column!($chain, 8 9; $($a0 $a1 $t $s0),*),
                    column!($chain, 14 15; $($a0 $a1 $t $s1),*),
                    column!($chain, 8 9; $($a0 $a1 $t $s2),*),
                    column!($chain, 14 15; $($a0 $a1 $t $s3),*),
                    "subs {steps}, {steps}, #1",
                    "b.ne 2b",
                    "3:",
                    a = inout(reg) a => _, b = inout(reg) b => _, steps = inout(reg) steps => _, bias = in(reg) bias,
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _,
                    out("v6") _, out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _,
                    out("v12") _, out("v13") _, out("v14") _, out("v15") _,
                    $(out($register) $sum,)*
                    options(readonly, nostack)
                );
            }
            [$($sum),*]
        }
    };
}

/// The tiles of one chain length: four rows and one.
macro_rules! tiles {
    ($four:ident $one:ident $chain:tt) => {
        tile!($four, $chain, 16,
            "ldp q0, q1, [{a}], #32\nldp q2, q3, [{a}], #32\nldp q4, q5, [{a}], #32\nldp q6, q7, [{a}], #32",
            0 1 10: 16 17 18 19, 2 3 11: 20 21 22 23, 4 5 12: 24 25 26 27, 6 7 13: 28 29 30 31;
            "v16" s0, "v17" s1, "v18" s2, "v19" s3, "v20" s4, "v21" s5, "v22" s6, "v23" s7,
            "v24" s8, "v25" s9, "v26" s10, "v27" s11, "v28" s12, "v29" s13, "v30" s14, "v31" s15);
        tile!($one, $chain, 4, "ldp q0, q1, [{a}], #32", 0 1 10: 16 17 18 19;
            "v16" s0, "v17" s1, "v18" s2, "v19" s3);
    };
}
tiles!(four_by_4 one_by_4 4);
tiles!(four_by_2 one_by_2 2);
tiles!(four_by_1 one_by_1 1);

/// What becomes of a panel of four columns: `N / 4` rows.
///
/// # Safety
/// `panel < job.panels`, and the job's pointers reach as far as its counts say.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn finish<const N: usize, const SINK: u8>(sums: [int32x4_t; N], job: &Job<'_>, panel: usize) {
    let column = panel * 4;
    // SAFETY: the caller's promise; a row has all columns of its panels.
    unsafe {
        let sums = job.carried::<N, SINK>(sums);
        let row = |r: usize| {
            let four = &sums[4 * r..];
            vpaddq_s32(vpaddq_s32(four[0], four[1]), vpaddq_s32(four[2], four[3]))
        };
        if SINK == RAW {
            let to = job.sums.add(column);
            for r in 0..N / 4 {
                vst1q_s32(to.add(r * job.width), row(r));
            }
        } else if SINK != CARRY {
            let group = job.bounds.quad(job.first + column);
            let scale = vld1q_f32(job.scale.add(column));
            let negative = if SINK == PRELU { vld1q_f32(job.negative.add(column)) } else { vdupq_n_f32(0.0) };
            let part = |r: usize| {
                let sum = row(r.min(N / 4 - 1));
                if SINK == PRELU {
                    scaled::<true>(sum, scale, negative)
                } else {
                    scaled::<false>(sum, scale, scale)
                }
            };
            let first = part(0);
            let bytes = if N == 16 {
                narrow([first, part(1), part(2), part(3)], &group)
            } else {
                narrow([first; 4], &group)
            };
            store::<N>(bytes, job.out.add(column), job.width);
        }
    }
}

/// Four bytes a row.
///
/// # Safety
/// `N / 4` rows, `width` bytes apart, have room for four bytes.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn store<const N: usize>(bytes: uint8x16_t, to: *mut u8, width: usize) {
    let words = vreinterpretq_u32_u8(bytes);
    // SAFETY: the caller's promise.
    unsafe {
        to.cast::<u32>().write_unaligned(vgetq_lane_u32::<0>(words));
        if N == 16 {
            to.add(width).cast::<u32>().write_unaligned(vgetq_lane_u32::<1>(words));
            to.add(2 * width).cast::<u32>().write_unaligned(vgetq_lane_u32::<2>(words));
            to.add(3 * width).cast::<u32>().write_unaligned(vgetq_lane_u32::<3>(words));
        }
    }
}

/// A block of `height` rows times all panels of a job.
///
/// # Safety
/// As `Tiles::block` says.
#[target_feature(enable = "neon")]
unsafe fn block(height: usize, sink: u8, job: &Job<'_>) {
    /// All panels with one height and sink.
    macro_rules! panels {
        ($by4:ident $by2:ident $by1:ident, $sink:ident) => {
            for panel in 0..job.panels {
                // SAFETY: the caller's promise, panel by panel.
                unsafe {
                    let (a, weights, bias) = (job.a, job.weights(panel), job.bias.add(panel * 16));
                    let sums = match *job.chains.add(panel) {
                        4 => $by4(a, weights, job.steps, bias),
                        2 => $by2(a, weights, job.steps, bias),
                        _ => $by1(a, weights, job.steps, bias),
                    };
                    finish::<_, $sink>(sums, job, panel);
                }
            }
        };
    }
    match (height, sink) {
        (4, BYTES) => panels!(four_by_4 four_by_2 four_by_1, BYTES),
        (4, PRELU) => panels!(four_by_4 four_by_2 four_by_1, PRELU),
        (4, RAW) => panels!(four_by_4 four_by_2 four_by_1, RAW),
        (4, _) => panels!(four_by_4 four_by_2 four_by_1, CARRY),
        (_, BYTES) => panels!(one_by_4 one_by_2 one_by_1, BYTES),
        (_, PRELU) => panels!(one_by_4 one_by_2 one_by_1, PRELU),
        (_, RAW) => panels!(one_by_4 one_by_2 one_by_1, RAW),
        (_, _) => panels!(one_by_4 one_by_2 one_by_1, CARRY),
    }
}
