//! Matrix products without dot products (cortex-a53, a72): four rows times four columns at once.
//!
//! Owns: the inner loop, and how many products may be added in 16 bits before they are widened. Does not own:
//! blocking, requantisation (`matmul`).
//! Invariants: a sum's register holds four partial sums of one row and column, added up at the end. Activations come
//! as signed bytes (`value ^ 0x80`, so within -128 to 127), 128 times the sum of a column's weights is in its bias.
//! `smull` and `smlal` add products of bytes in 16 bits; a chain of products fits where the magnitudes of its weights
//! sum up to 255 at most (128 * 255 < 2^15). Packing looks, for each panel and step of depth, whether chains of four
//! products fit (in trained networks two to four steps of five), else two, or (only with weights of -128) one. Fewer
//! widening steps are fewer instructions; the sums are the same.

use core::arch::aarch64::{
    int32x4_t, uint8x16_t, vdupq_n_f32, vgetq_lane_u32, vld1q_f32, vpaddq_s32, vreinterpretq_u32_u8,
    vst1q_s32,
};
use core::arch::asm;

use super::matmul::{BYTES, Biases, CARRY, Job, PRELU, RAW, Tiles};
use super::pack;
use super::requant::{narrow, scaled};

/// Weights lie as `[panel of 4 columns][depth / 16][column][16]`.
pub(super) static TILES: Tiles =
    Tiles { heights: &[4, 1], columns: 4, unit: 16, step: 32, signed: true, biases: Biases::Spread, block };

/// Steps of depth that one mask speaks for.
const MASK: usize = 64;

/// 32-bit words that `chains` makes of a panel.
pub(super) fn words(depth: usize) -> usize {
    1 + 2 * depth.div_ceil(MASK * 32)
}

/// Which products of a panel's weights may be added in 16 bits: the length of the chains that all of it allows (2 or
/// 1), and a bit for each step of 32 values, first step highest, where chains of four fit.
pub(super) fn chains(panel: &[u8]) -> Vec<i32> {
    let magnitude = |weight: &u8| u32::from((*weight as i8).unsigned_abs());
    // What two values of a column, eight apart, sum up to; a column's next sixteen are 64 bytes on.
    let pairs = |weights: &[u8; 16]| -> [u32; 8] {
        std::array::from_fn(|lane| magnitude(&weights[lane]) + magnitude(&weights[lane + 8]))
    };
    let (mut length, mut masks) = (2, Vec::new());
    for (index, step) in panel.chunks(128).enumerate() {
        let (first, second) = step.split_at(step.len().min(64));
        let mut fours = true;
        for (column, weights) in first.as_chunks::<16>().0.iter().enumerate() {
            let second = second.as_chunks::<16>().0.get(column).map_or([0; 8], pairs);
            for (a, b) in pairs(weights).into_iter().zip(second) {
                fours &= a + b <= 255;
                length = if a.max(b) > 255 { 1 } else { length };
            }
        }
        if index % MASK == 0 {
            masks.push(0_u64);
        }
        if let Some(mask) = masks.last_mut().filter(|_| fours) {
            *mask |= 1 << (MASK - 1 - index % MASK);
        }
    }
    let halves = masks.into_iter().flat_map(|mask| [mask as i32, (mask >> 32) as i32]);
    std::iter::once(length).chain(halves).collect()
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

/// 16 values of every row times a column: the row's register, its chain, its sum. With 4 the first half of a chain of
/// four, which goes on with `next`; else chains of two or one, widened at once.
macro_rules! column {
    (4, $b:literal; $($a:literal $t:literal $s:literal),*) => {
        concat!($(low!("smull" $t $a $b),)* $(high!("smlal" $t $a $b),)*)
    };
    (2, $b:literal; $($a:literal $t:literal $s:literal),*) => {
        concat!($(low!("smull" $t $a $b),)* $(high!("smlal" $t $a $b),)* $(widen!($s $t),)*)
    };
    (1, $b:literal; $($a:literal $t:literal $s:literal),*) => {
        concat!($(low!("smull" $t $a $b),)* $(widen!($s $t),)* $(high!("smull" $t $a $b),)* $(widen!($s $t),)*)
    };
}

/// The next 16 values.
macro_rules! next {
    (4, $b:literal; $($a:literal $t:literal $s:literal),*) => {
        concat!($(low!("smlal" $t $a $b),)* $(high!("smlal" $t $a $b),)* $(widen!($s $t),)*)
    };
    ($chain:tt, $b:literal; $($a:literal $t:literal $s:literal),*) => { column!($chain, $b; $($a $t $s),*) };
}

/// A step of 32 values of every row times four columns.
macro_rules! step {
    ($chain:tt; $($a0:literal $a1:literal $t:literal: $s0:literal $s1:literal $s2:literal $s3:literal),*) => {
        concat!(
            column!($chain, 8; $($a0 $t $s0),*),
            next!($chain, 14; $($a1 $t $s0),*),
            column!($chain, 9; $($a0 $t $s1),*),
            next!($chain, 15; $($a1 $t $s1),*),
            "ldp q8, q9, [{b}, #32]\n",
            "ldp q14, q15, [{b}, #96]\n",
            "add {b}, {b}, #128\n",
            column!($chain, 8; $($a0 $t $s2),*),
            next!($chain, 14; $($a1 $t $s2),*),
            column!($chain, 9; $($a0 $t $s3),*),
            next!($chain, 15; $($a1 $t $s3),*),
        )
    };
}

/// A packed block of rows times a panel of four columns: partial sums, a vector each row and column.
macro_rules! tile {
    ($name:ident, $long:tt $short:tt, $count:literal, $load:literal,
     $($a0:literal $a1:literal $t:literal: $s0:literal $s1:literal $s2:literal $s3:literal),*;
     $($register:tt $sum:ident),*) => {
        /// # Safety
        /// `a` points to `steps` times 32 values of every row and, if `tail` is not 0, as many again; `b` to `steps`
        /// times 128 and `tail` times 64 bytes; `bias` to four sums of four partial ones each. `tail` is at most 1, `steps`
        /// at most 64.
        #[inline]
        #[target_feature(enable = "neon")]
        unsafe fn $name(
            a: *const u8, b: *const u8, steps: usize, tail: usize, bias: *const i32, mask: u64,
        ) -> [int32x4_t; $count] {
            $(let $sum: int32x4_t;)*
            // SAFETY: reads what the caller promises, writes no memory; every register it changes is an operand.
            unsafe {
                asm!(
                    $(concat!("ldp q", $s0, ", q", $s1, ", [{bias}]"),
                      concat!("ldp q", $s2, ", q", $s3, ", [{bias}, #32]"),)*
                    "cbz {steps}, 3f",
                    "2:",
                    $load,
                    "ldp q8, q9, [{b}]",
                    "ldp q14, q15, [{b}, #64]",
                    // The next step's bit goes into the carry.
                    "adds {mask}, {mask}, {mask}",
                    "b.cc 5f",
                    step!($long; $($a0 $a1 $t: $s0 $s1 $s2 $s3),*),
                    "subs {steps}, {steps}, #1",
                    "b.ne 2b",
                    "b 3f",
                    "5:",
                    step!($short; $($a0 $a1 $t: $s0 $s1 $s2 $s3),*),
                    "subs {steps}, {steps}, #1",
                    "b.ne 2b",
                    "3:",
                    "cbz {tail}, 4f",
                    $load,
                    "ldp q8, q9, [{b}]",
                    "ldp q14, q15, [{b}, #32]",
                    column!($short, 8; $($a0 $t $s0),*),
                    column!($short, 9; $($a0 $t $s1),*),
                    column!($short, 14; $($a0 $t $s2),*),
                    column!($short, 15; $($a0 $t $s3),*),
                    "4:",
                    tail = in(reg) tail, mask = inout(reg) mask => _,
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

/// The tiles of two lengths of chains, the longer where the mask has a bit: four rows and one.
macro_rules! tiles {
    ($four:ident $one:ident $long:tt $short:tt) => {
        tile!($four, $long $short, 16,
            "ldp q0, q1, [{a}], #32\nldp q2, q3, [{a}], #32\nldp q4, q5, [{a}], #32\nldp q6, q7, [{a}], #32",
            0 1 10: 16 17 18 19, 2 3 11: 20 21 22 23, 4 5 12: 24 25 26 27, 6 7 13: 28 29 30 31;
            "v16" s0, "v17" s1, "v18" s2, "v19" s3, "v20" s4, "v21" s5, "v22" s6, "v23" s7,
            "v24" s8, "v25" s9, "v26" s10, "v27" s11, "v28" s12, "v29" s13, "v30" s14, "v31" s15);
        tile!($one, $long $short, 4, "ldp q0, q1, [{a}], #32", 0 1 10: 16 17 18 19;
            "v16" s0, "v17" s1, "v18" s2, "v19" s3);
    };
}
tiles!(four_long one_long 4 2);
tiles!(four_short one_short 1 1);

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

/// Blocks of `height` rows times all panels of a job.
///
/// # Safety
/// As `Tiles::block` says.
#[target_feature(enable = "neon")]
unsafe fn block(height: usize, sink: u8, job: &Job<'_>) {
    // A copy of its own, so that its fields can stay in registers.
    let mut job = *job;
    /// All blocks and panels with one height and sink.
    macro_rules! blocks {
        ($height:literal $long:ident $short:ident, $sink:ident) => {
            for _ in 0..job.blocks {
                // SAFETY: the caller's promise, block by block and panel by panel.
                unsafe {
                    pack::signed::<$height, 32>(job.from, job.stride, job.depth, job.packed);
                    for panel in 0..job.panels {
                        let (weights, bias) = (job.weights(panel), job.bias.add(panel * 16));
                        let chains = job.chains.add(panel * job.chain_words);
                        let mask = chains.add(1 + 2 * job.part).cast::<[u32; 2]>();
                        let [low, high] = if job.steps > 0 { mask.read() } else { [0, 0] };
                        let mask = u64::from(high) << 32 | u64::from(low);
                        let sums = if *chains > 1 {
                            $long(job.packed, weights, job.steps, job.tail, bias, mask)
                        } else {
                            $short(job.packed, weights, job.steps, job.tail, bias, mask)
                        };
                        finish::<_, $sink>(sums, &job, panel);
                    }
                }
                job.advance($height);
            }
        };
    }
    match (height, sink) {
        (4, BYTES) => blocks!(4 four_long four_short, BYTES),
        (4, PRELU) => blocks!(4 four_long four_short, PRELU),
        (4, RAW) => blocks!(4 four_long four_short, RAW),
        (4, _) => blocks!(4 four_long four_short, CARRY),
        (_, BYTES) => blocks!(1 one_long one_short, BYTES),
        (_, PRELU) => blocks!(1 one_long one_short, PRELU),
        (_, RAW) => blocks!(1 one_long one_short, RAW),
        (_, _) => blocks!(1 one_long one_short, CARRY),
    }
}
