//! Matrix products with `sdot` (cortex-a55, a76 and later): six rows times sixteen columns at once.
//!
//! Owns: the inner loop and what it wants of packed rows. Does not own: blocking, requantisation (`matmul`).
//! Invariants: activations come as signed bytes (`value ^ 0x80`), so that both sides are signed; 128 times the sum of
//! a column's weights is in its bias. All 32 vector registers are spoken for (24 of sums, six rows of sixteen values,
//! two of weights), hence the loop is one block of assembly; Rust's intrinsics for `sdot` are not stable besides.

use core::arch::aarch64::int32x4_t;
use core::arch::asm;

use super::matmul::{BYTES, Biases, CARRY, Job, PRELU, RAW, Tiles, finish};
use super::pack;

/// Weights lie as `[panel of 16 columns][depth / 4][column][4]`.
pub(super) static TILES: Tiles =
    Tiles { heights: &[6, 4, 1], columns: 16, unit: 4, step: 16, signed: true, biases: Biases::Plain, block };

/// `sdot` of four sums with a lane of a row.
macro_rules! dot {
    ($sum:literal, $weights:literal, $row:literal, $lane:literal) => {
        concat!("sdot v", $sum, ".4s, v", $weights, ".16b, v", $row, ".4b[", $lane, "]\n")
    };
}

/// Four values of every row times sixteen columns.
macro_rules! lane {
    ($lane:literal; $($row:literal: $s0:literal $s1:literal $s2:literal $s3:literal),*) => {
        concat!(
            "ldp q6, q7, [{b}], #32\n",
            $(dot!($s0, 6, $row, $lane), dot!($s1, 7, $row, $lane),)*
            "ldp q6, q7, [{b}], #32\n",
            $(dot!($s2, 6, $row, $lane), dot!($s3, 7, $row, $lane),)*
        )
    };
}

/// A packed block of rows times a panel of sixteen columns: the sums, four vectors a row.
macro_rules! tile {
    ($name:ident, $count:literal, $load:literal,
     $($row:literal: $s0:literal $s1:literal $s2:literal $s3:literal),*; $($register:tt $sum:ident),*) => {
        /// # Safety
        /// `a` points to `steps` times sixteen values of every row and, if `tail` is not 0, as many again; `b` to
        /// `4 * steps + tail` times 64 bytes; `bias` to sixteen sums. `tail` is at most 3.
        #[inline]
        #[target_feature(enable = "neon,dotprod")]
        unsafe fn $name(
            a: *const u8, b: *const u8, steps: usize, tail: usize, bias: *const i32,
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
                    lane!(0; $($row: $s0 $s1 $s2 $s3),*),
                    lane!(1; $($row: $s0 $s1 $s2 $s3),*),
                    lane!(2; $($row: $s0 $s1 $s2 $s3),*),
                    lane!(3; $($row: $s0 $s1 $s2 $s3),*),
                    "subs {steps}, {steps}, #1",
                    "b.ne 2b",
                    "3:",
                    "cbz {tail}, 4f",
                    $load,
                    lane!(0; $($row: $s0 $s1 $s2 $s3),*),
                    "cmp {tail}, #2",
                    "b.lo 4f",
                    lane!(1; $($row: $s0 $s1 $s2 $s3),*),
                    "b.eq 4f",
                    lane!(2; $($row: $s0 $s1 $s2 $s3),*),
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

tile!(tile6, 24, "ldp q0, q1, [{a}], #32\nldp q2, q3, [{a}], #32\nldp q4, q5, [{a}], #32",
    0: 8 9 10 11, 1: 12 13 14 15, 2: 16 17 18 19, 3: 20 21 22 23, 4: 24 25 26 27, 5: 28 29 30 31;
    "v8" s0, "v9" s1, "v10" s2, "v11" s3, "v12" s4, "v13" s5, "v14" s6, "v15" s7,
    "v16" s8, "v17" s9, "v18" s10, "v19" s11, "v20" s12, "v21" s13, "v22" s14, "v23" s15,
    "v24" s16, "v25" s17, "v26" s18, "v27" s19, "v28" s20, "v29" s21, "v30" s22, "v31" s23);
tile!(tile4, 16, "ldp q0, q1, [{a}], #32\nldp q2, q3, [{a}], #32",
    0: 8 9 10 11, 1: 12 13 14 15, 2: 16 17 18 19, 3: 20 21 22 23;
    "v8" s0, "v9" s1, "v10" s2, "v11" s3, "v12" s4, "v13" s5, "v14" s6, "v15" s7,
    "v16" s8, "v17" s9, "v18" s10, "v19" s11, "v20" s12, "v21" s13, "v22" s14, "v23" s15);
tile!(tile1, 4, "ldr q0, [{a}], #16", 0: 8 9 10 11; "v8" s0, "v9" s1, "v10" s2, "v11" s3);

/// Blocks of `height` rows times all panels of a job.
///
/// # Safety
/// As `Tiles::block` says; the processor has `dotprod`.
#[target_feature(enable = "neon,dotprod")]
unsafe fn block(height: usize, sink: u8, job: &Job<'_>) {
    // A copy of its own, so that its fields can stay in registers.
    let mut job = *job;
    /// All blocks and panels with one height and sink.
    macro_rules! blocks {
        ($height:literal $tile:ident, $sink:ident) => {
            for _ in 0..job.blocks {
                // SAFETY: the caller's promise, block by block and panel by panel.
                unsafe {
                    pack::signed::<$height, 16>(job.from, job.stride, job.depth, job.packed);
                    for panel in 0..job.panels {
                        let (weights, bias) = (job.weights(panel), job.bias.add(panel * 16));
                        let sums = $tile(job.packed, weights, job.steps, job.tail, bias);
                        finish::<_, $sink>(sums, &job, panel);
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
        (_, BYTES) => blocks!(1 tile1, BYTES),
        (_, PRELU) => blocks!(1 tile1, PRELU),
        (_, RAW) => blocks!(1 tile1, RAW),
        (_, _) => blocks!(1 tile1, CARRY),
    }
}
