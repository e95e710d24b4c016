//! A pixel's colours and their weights in fixed point, and the blend of four pixels.
//!
//! Owns: what a value and a weight count. Does not own: which pixels are blended, the vectors (`engine`).
//! Invariants: weights that belong together add up to at most 65,536, so no sum leaves 16 bits; every product is
//! rounded down, by less than one [`STEP`]th of a step of brightness.
#![expect(clippy::inline_always, reason = "a handful of instructions in the innermost loop")]

use super::manifest::Colour;
pub(super) use ostiary_engine::kernels::lanes::Lanes;

/// What one step of brightness counts.
pub(super) const STEP: u16 = 256;
/// The weight of a pixel that stands alone: 1 less a 65,536th.
pub(super) const WHOLE: u16 = u16::MAX;
/// The first three lanes: the left one of two pixels. The right one is in the next three.
pub(super) const LEFT: [u16; 8] = [WHOLE, WHOLE, WHOLE, 0, 0, 0, 0, 0];

/// Between four pixels, the right two weighed by `across`; the vectors weigh the rows. Not yet [`Lanes::folded`].
#[inline(always)]
pub(super) fn blend(top: u64, bottom: u64, across: u16, upper: Lanes, lower: Lanes) -> Lanes {
    // All ones less a weight is its complement, bit by bit.
    let sides = Lanes::splat(across).differing(Lanes::of(&LEFT));
    let rows = Lanes::of_bytes(top).part(upper).sum(Lanes::of_bytes(bottom).part(lower));
    rows.part(sides)
}

/// What the products of one [`blend`] lose on average, in [`STEP`]ths.
pub(super) const BLEND_LOSS: u16 = 2;

/// Writes the left pixel to the nearest step, in the order asked for; `loss` is what rounding down took before.
#[inline(always)]
pub(super) fn store(value: Lanes, loss: Lanes, colour: Colour, pixel: &mut [u8; 3]) {
    let value = value.sum(loss);
    let [a, b, c, ..] = match colour {
        Colour::Rgb => value.bytes(),
        Colour::Bgr => value.mirrored().bytes(),
    }
    .to_le_bytes();
    *pixel = [a, b, c];
}

/// The vector to be given to [`store`].
pub(super) fn rounding(loss: u16) -> Lanes {
    Lanes::splat(STEP / 2 + loss)
}

/// Eight bytes from `at` on; zeros behind the end.
#[inline(always)]
pub(super) fn eight(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(eight) => u64::from_le_bytes(*eight),
        None => few(bytes, at),
    }
}

#[cold]
#[inline(never)]
fn few(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(core::array::from_fn(|i| bytes.get(at + i).copied().unwrap_or(0)))
}

/// Two neighbours that begin at byte `at` of a row; at its end the last pixel is its own neighbour.
#[inline(always)]
pub(super) fn pair(row: &[u8], at: usize) -> u64 {
    match row.get(at..).and_then(<[u8]>::first_chunk) {
        Some(pair) => u64::from_le_bytes(*pair),
        None => doubled(row, at),
    }
}

#[cold]
#[inline(never)]
fn doubled(row: &[u8], at: usize) -> u64 {
    let byte = |i: usize| row.get(at + i).or_else(|| row.get(at + i % 3)).copied().unwrap_or(0);
    u64::from_le_bytes(core::array::from_fn(byte))
}
