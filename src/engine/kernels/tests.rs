//! Every set equals `scalar` bit for bit, and `scalar` equals the definition in wide arithmetic.
//!
//! Owns: random operations with the values that hurt (0, 255, -128, 127, ties, factors that overflow), in memory that
//! ends at a guard page. `OSTIARY_KERNEL_CASES` sets how many cases each property tries (`make kernels-long`).
//! Does not own: networks (`engine::tests`).

mod guarded;
mod matmul;
mod planes;
mod windows;

use proptest::prelude::*;

use super::{Kernels, Requant, available, padded, scalar};
use guarded::Guarded;

/// What a result is filled with before a kernel writes it, and must still hold behind its end.
const CANARY: u8 = 0xA5;

/// Cases of each property.
fn cases() -> ProptestConfig {
    let cases = std::env::var("OSTIARY_KERNEL_CASES").ok().and_then(|n| n.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(48)) }
}

/// The sets of this machine besides the reference.
fn others() -> impl Iterator<Item = &'static Kernels> {
    available().into_iter().filter(|set| !std::ptr::eq(*set, &raw const scalar::KERNELS))
}

/// A small generator (xorshift*), so that a case is its seed and shrinks by its shape.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// Bytes all over the range, or only its ends, or all one.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        match self.below(4) {
            0 => vec![self.pick(&[0, 255, 128]); count],
            1 => (0..count).map(|_| self.pick(&[0, 255, 128, 127])).collect(),
            _ => (0..count).map(|_| self.next() as u8).collect(),
        }
    }

    fn weights(&mut self, count: usize) -> Vec<i8> {
        match self.below(4) {
            0 => vec![self.pick(&[-128, 127, 1]); count],
            1 => (0..count).map(|_| self.pick(&[-128, 127, -127, 0])).collect(),
            _ => (0..count).map(|_| self.next() as i8).collect(),
        }
    }

    /// Small ones, and as large as the interface allows.
    fn biases(&mut self, count: usize) -> Vec<i32> {
        let most = self.pick(&[0, 1000, 100_000, 1 << 30]);
        (0..count).map(|_| (self.next() % (2 * most + 1)) as i32 - most as i32).collect()
    }

    /// Factors that bring sums of about `reach` into a byte, and others that do not.
    fn factors(&mut self, count: usize, reach: f32) -> Vec<f32> {
        let kind = self.below(8);
        (0..count)
            .map(|_| match kind {
                0 => self.pick(&[f32::MAX, -f32::MAX, 1e30, 1.0, -1.0, 2.0, 0.0, f32::MIN_POSITIVE]),
                // Ties: sums are whole, so halves come up often.
                1 => self.pick(&[0.5, 0.25, 0.125, 1.5, -0.5, 0.031_25]),
                _ => (self.below(4000) as f32 / 2000.0) * 128.0 / reach,
            })
            .collect()
    }

    fn requant(&mut self, channels: usize, reach: f32) -> Requant {
        let count = padded(channels);
        let same = self.below(2) == 0;
        let first = self.next() as u8;
        let zero: Vec<i32> =
            (0..count).map(|_| i32::from(if same { first } else { self.next() as u8 })).collect();
        let kind = self.below(4);
        let low = zero.iter().map(|&z| match kind {
            0 | 1 => -z as f32,
            2 => 0.0,
            _ => -(self.below(z as usize + 1) as f32) + if z > 255 - z { 0.5 } else { 0.0 },
        });
        let low: Vec<f32> = low.collect();
        let high = zero.iter().map(|&z| match kind {
            0 | 2 => (255 - z) as f32,
            1 => self.below(256 - z as usize) as f32,
            _ => (self.below(256 - z as usize) as f32 - 0.5).max(0.0),
        });
        let high = high.collect();
        let negative = if self.below(2) == 0 { Vec::new() } else { self.factors(count, reach * 4.0) };
        Requant { scale: self.factors(count, reach), negative, zero, low, high }
    }
}

/// Whether a byte is what the definition gives for an exact sum, in `f64`; where the definition's single steps in
/// `f32` may fall on the other side of a tie, the neighbour will do.
fn is_requantised(byte: u8, sum: i64, channel: usize, op: &Requant) -> bool {
    let factor = if sum < 0 && !op.negative.is_empty() { op.negative[channel] } else { op.scale[channel] };
    is_rounded(byte, sum as f64 * f64::from(factor), sum.abs() as f64 * f64::from(factor.abs()), channel, op)
}

/// The same for a value whose parts are of size `size`.
fn is_rounded(byte: u8, value: f64, size: f64, channel: usize, op: &Requant) -> bool {
    let bound = |v: f64| v.max(f64::from(op.low[channel])).min(f64::from(op.high[channel]));
    let slack = size * 4.0 * f64::from(f32::EPSILON);
    let round = |v: f64| i64::from(op.zero[channel]) + bound(v).round_ties_even() as i64;
    [value, value - slack, value + slack].into_iter().any(|near| i64::from(byte) == round(near))
}

/// The channels' bytes of each pixel, without the lanes that nobody promised anything about.
fn channels_of<T: Copy>(plane: &[T], channels: usize) -> Vec<T> {
    plane.chunks_exact(padded(channels)).flat_map(|pixel| pixel[..channels].to_vec()).collect()
}

/// What `kernel` makes of a fresh result of `count` values that ends at a guard page.
fn result<T: Copy + PartialEq + std::fmt::Debug>(
    count: usize,
    canary: T,
    kernel: impl Fn(&mut [T]),
) -> Vec<T> {
    let mut out = Guarded::new(&vec![canary; count]);
    kernel(&mut out);
    out.to_vec()
}

#[test]
fn the_sets_have_their_names_and_scalar_is_last() {
    let names: Vec<&str> = available().iter().map(|set| set.name).collect();
    assert_eq!(names.last(), Some(&"scalar"));
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "{names:?}");
}
