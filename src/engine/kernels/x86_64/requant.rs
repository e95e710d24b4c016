//! From accumulators to bytes, in registers.
//!
//! Owns: the proof that fewer steps than `Requant::apply` writes down give the same byte. Does not own: where
//! accumulators come from.
//!
//! Rounding is monotonic, so clamping after it, to rounded bounds, is the same as before it; there it takes two
//! operations for a whole register of bytes. What must hold until then is that nothing wraps: conversion makes
//! `i32::MIN` of all that does not fit, which is right for values too low and for NaN (`max(low)` of the definition
//! takes the bound there, too) and wrong only for values too high. Those cannot occur while every factor is below 1,
//! and else are held at `CEILING` first. Every later step saturates.

use super::isa::Isa;
use crate::kernels::Requant;

/// Above every byte and below every overflow.
pub(super) const CEILING: f32 = 1_000_000_000.0;

/// Whether the plain path will do: no `PRelu`, no factor that could overflow the conversion.
#[inline(always)]
pub(super) fn is_plain(op: &Requant, lanes: usize) -> bool {
    op.negative.is_empty() && are_below(&op.scale[..lanes], 1.0)
}

/// Whether all are less than `bound` away from zero.
#[inline(always)]
pub(super) fn are_below(values: &[f32], bound: f32) -> bool {
    // Bits of positive floats are in the order of their values.
    values.iter().fold(0, |most: u32, value| most.max(value.abs().to_bits())) < bound.to_bits()
}

/// What one quad needs.
#[derive(Clone, Copy)]
pub(super) struct Narrow<S: Isa> {
    scale: [S::Float; 4],
    negative: [S::Float; 4],
    plain: bool,
    bounds: Bounds<S>,
}

/// Zero points and bounds of a quad, laid out as narrowing leaves bytes.
#[derive(Clone, Copy)]
pub(super) struct Bounds<S: Isa> {
    zero: [S::Int; 2],
    low: S::Int,
    high: S::Int,
}

impl<S: Isa> Narrow<S> {
    /// For a quad whose registers hold channels `order[0]`, `order[1]`, ... and on; lanes beyond the vectors are
    /// idle. With `crossed`, the quad is one that `unpack` made.
    #[inline(always)]
    pub(super) fn new(isa: S, op: &Requant, plain: bool, order: [usize; 4], crossed: bool) -> Self {
        let scale = floats(isa, &op.scale, order, crossed);
        let negative = if op.negative.is_empty() { scale } else { floats(isa, &op.negative, order, crossed) };
        Self { scale, negative, plain, bounds: Bounds::new(isa, op, order, crossed) }
    }

    /// A quad of accumulators to bytes, in the order that `Isa` names.
    #[inline(always)]
    pub(super) fn bytes(&self, isa: S, sums: [S::Int; 4]) -> S::Int {
        let below = [isa.float(sums[0]), isa.float(sums[1])];
        let above = [isa.float(sums[2]), isa.float(sums[3])];
        let [[below]] = self.shorts(isa, 0, [[below]]);
        let [[above]] = self.shorts(isa, 1, [[above]]);
        self.join(isa, below, above)
    }

    /// The first (0) or second (1) halves of many quads to 16 bits; the sums come as floats, and -0 counts as
    /// negative, which makes no difference. One branch for all of them: which way it goes is known for a whole plane.
    #[inline(always)]
    pub(super) fn shorts<const A: usize, const B: usize>(
        &self,
        isa: S,
        half: usize,
        mut values: [[[S::Float; 2]; B]; A],
    ) -> [[S::Int; B]; A] {
        let mut shorts = [[isa.every(0); B]; A];
        if self.plain {
            for a in 0..A {
                for b in 0..B {
                    for q in 0..2 {
                        values[a][b][q] = isa.times(values[a][b][q], self.scale[2 * half + q]);
                    }
                    shorts[a][b] = self.bounds.shorts::<true>(isa, half, values[a][b]);
                }
            }
        } else {
            for a in 0..A {
                for b in 0..B {
                    for q in 0..2 {
                        let (scale, negative) = (self.scale[2 * half + q], self.negative[2 * half + q]);
                        let factor = isa.where_negative(isa.bits(values[a][b][q]), negative, scale);
                        values[a][b][q] = isa.times(values[a][b][q], factor);
                    }
                    shorts[a][b] = self.bounds.shorts::<false>(isa, half, values[a][b]);
                }
            }
        }
        shorts
    }

    /// Both halves to bytes.
    #[inline(always)]
    pub(super) fn join(&self, isa: S, below: S::Int, above: S::Int) -> S::Int {
        self.bounds.join(isa, below, above)
    }
}

impl<S: Isa> Bounds<S> {
    /// As `Narrow::new`.
    #[inline(always)]
    pub(super) fn new(isa: S, op: &Requant, order: [usize; 4], crossed: bool) -> Self {
        let zero = quad(isa, &op.zero, order, crossed);
        Self {
            low: bound(isa, floats(isa, &op.low, order, crossed), zero),
            high: bound(isa, floats(isa, &op.high, order, crossed), zero),
            zero: [isa.to_shorts(zero[0], zero[1]), isa.to_shorts(zero[2], zero[3])],
        }
    }

    /// Half a quad of steps of the output to 16 bits, with the zero point; `FITS` where no value reaches 2^31.
    #[inline(always)]
    pub(super) fn shorts<const FITS: bool>(&self, isa: S, half: usize, values: [S::Float; 2]) -> S::Int {
        let ceiling = isa.every_float(CEILING);
        let mut steps = [isa.every(0); 2];
        for q in 0..2 {
            steps[q] = isa.round(if FITS { values[q] } else { isa.least(ceiling, values[q]) });
        }
        isa.add_short(isa.to_shorts(steps[0], steps[1]), self.zero[half])
    }

    /// Both halves to bytes within their bounds.
    #[inline(always)]
    pub(super) fn join(&self, isa: S, below: S::Int, above: S::Int) -> S::Int {
        isa.min_byte(isa.max_byte(isa.to_bytes(below, above), self.low), self.high)
    }
}

/// A bound as narrowing would leave it.
#[inline(always)]
fn bound<S: Isa>(isa: S, values: [S::Float; 4], zero: [S::Int; 4]) -> S::Int {
    let mut steps = zero;
    for q in 0..4 {
        steps[q] = isa.add(isa.round(values[q]), zero[q]);
    }
    isa.to_bytes(isa.to_shorts(steps[0], steps[1]), isa.to_shorts(steps[2], steps[3]))
}

/// The values of a quad; zeros where `order` leads beyond them.
#[inline(always)]
pub(super) fn quad<S: Isa>(isa: S, values: &[i32], order: [usize; 4], crossed: bool) -> [S::Int; 4] {
    let mut registers = [isa.every(0); 4];
    for q in 0..4 {
        if order[q] + S::LANES <= values.len() {
            // SAFETY: `LANES` values are there from `order[q]` on.
            registers[q] = unsafe { isa.load(values.as_ptr().add(order[q]).cast()) };
        }
    }
    if crossed { isa.crossed(registers) } else { registers }
}

/// The same of floats.
#[inline(always)]
pub(super) fn floats<S: Isa>(isa: S, values: &[f32], order: [usize; 4], crossed: bool) -> [S::Float; 4] {
    let mut registers = [isa.every(0); 4];
    for q in 0..4 {
        if order[q] + S::LANES <= values.len() {
            // SAFETY: `LANES` values are there from `order[q]` on.
            registers[q] = unsafe { isa.load(values.as_ptr().add(order[q]).cast()) };
        }
    }
    let registers = if crossed { isa.crossed(registers) } else { registers };
    let mut floats = [isa.every_float(0.0); 4];
    for q in 0..4 {
        floats[q] = isa.of_bits(registers[q]);
    }
    floats
}
