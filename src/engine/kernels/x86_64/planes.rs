//! Operations from plane to plane: addition, products, the greatest of a window, sums, tables.
//!
//! Owns: the walk over planes and what is done with each register of bytes. Does not own: narrowing (`requant`).
//! Invariant: a byte and its zero point are whole numbers that floats hold exactly, and so are their difference and
//! the product of two such; they are therefore made floats at once, by putting the byte below the exponent of 2^23.

use super::depthwise::{load, repeats, store};
use super::isa::{Isa, unpack};
use super::requant::{Bounds, Narrow, are_below, floats, is_plain, quad};
use crate::kernels::{Addition, Product, Window, check, padded};

/// The upper byte of the float 2^23, and its value.
const EXPONENT: u8 = 0x4B;
const BASE: f32 = 8_388_608.0;

/// What is done with a register of bytes of each plane, in the order of `unpack`.
trait Each<S: Isa>: Copy {
    /// What is kept for a block of channels.
    type Kept: Copy;
    /// For the channels that begin in `order`.
    fn keep(self, isa: S, order: [usize; 4]) -> Self::Kept;
    /// One register.
    fn bytes(self, isa: S, kept: &Self::Kept, a: S::Int, b: S::Int) -> S::Int;
}

/// Bytes less their zero points, whose negatives less 2^23 are given.
#[inline(always)]
fn differences<S: Isa>(isa: S, bytes: S::Int, zero: &[S::Float; 4]) -> [S::Float; 4] {
    let nothing = isa.every(0);
    let parts = unpack(isa, [bytes, nothing, nothing, isa.every_byte(EXPONENT)]);
    let mut values = *zero;
    for q in 0..4 {
        values[q] = isa.plus(isa.of_bits(parts[q]), zero[q]);
    }
    values
}

/// Zero points as `differences` wants them.
#[inline(always)]
fn zeros<S: Isa>(isa: S, zero: &[i32], order: [usize; 4]) -> [S::Float; 4] {
    let zero = quad(isa, zero, order, true);
    let mut values = [isa.every_float(0.0); 4];
    for q in 0..4 {
        values[q] = isa.times(isa.plus(isa.float(zero[q]), isa.every_float(BASE)), isa.every_float(-1.0));
    }
    values
}

#[derive(Clone, Copy)]
struct Add<'a>(&'a Addition, bool);

#[derive(Clone, Copy)]
struct AddKept<S: Isa> {
    zero: [[S::Float; 4]; 2],
    scale: [[S::Float; 4]; 2],
    bounds: Bounds<S>,
}

impl<S: Isa> Each<S> for Add<'_> {
    type Kept = AddKept<S>;

    #[inline(always)]
    fn keep(self, isa: S, order: [usize; 4]) -> AddKept<S> {
        AddKept {
            zero: [zeros(isa, &self.0.zero_a, order), zeros(isa, &self.0.zero_b, order)],
            scale: [floats(isa, &self.0.scale_a, order, true), floats(isa, &self.0.scale_b, order, true)],
            bounds: Bounds::new(isa, &self.0.requant, order, true),
        }
    }

    #[inline(always)]
    fn bytes(self, isa: S, kept: &AddKept<S>, a: S::Int, b: S::Int) -> S::Int {
        let mut values = differences(isa, a, &kept.zero[0]);
        let other = differences(isa, b, &kept.zero[1]);
        for q in 0..4 {
            let (left, right) =
                (isa.times(values[q], kept.scale[0][q]), isa.times(other[q], kept.scale[1][q]));
            values[q] = isa.plus(left, right);
        }
        let (below, above) = ([values[0], values[1]], [values[2], values[3]]);
        let (below, above) = if self.1 {
            (kept.bounds.shorts::<true>(isa, 0, below), kept.bounds.shorts::<true>(isa, 1, above))
        } else {
            (kept.bounds.shorts::<false>(isa, 0, below), kept.bounds.shorts::<false>(isa, 1, above))
        };
        kept.bounds.join(isa, below, above)
    }
}

#[derive(Clone, Copy)]
struct Multiply<'a>(&'a Product, bool);

#[derive(Clone, Copy)]
struct MultiplyKept<S: Isa> {
    zero: [[S::Float; 4]; 2],
    narrow: Narrow<S>,
}

impl<S: Isa> Each<S> for Multiply<'_> {
    type Kept = MultiplyKept<S>;

    #[inline(always)]
    fn keep(self, isa: S, order: [usize; 4]) -> MultiplyKept<S> {
        MultiplyKept {
            zero: [zeros(isa, &self.0.zero_a, order), zeros(isa, &self.0.zero_b, order)],
            narrow: Narrow::new(isa, &self.0.requant, self.1, order, true),
        }
    }

    #[inline(always)]
    fn bytes(self, isa: S, kept: &MultiplyKept<S>, a: S::Int, b: S::Int) -> S::Int {
        let mut values = differences(isa, a, &kept.zero[0]);
        let other = differences(isa, b, &kept.zero[1]);
        for q in 0..4 {
            values[q] = isa.times(values[q], other[q]);
        }
        let [[below]] = kept.narrow.shorts(isa, 0, [[[values[0], values[1]]]]);
        let [[above]] = kept.narrow.shorts(isa, 1, [[[values[2], values[3]]]]);
        kept.narrow.join(isa, below, above)
    }
}

/// Three planes of `lanes` a pixel, or one of them (`b`) a pixel only.
struct Planes<'a> {
    lanes: usize,
    a: &'a [u8],
    b: &'a [u8],
    b_is_pixel: bool,
    out: &'a mut [u8],
}

impl Planes<'_> {
    /// All blocks of channels.
    ///
    /// # Safety
    /// All planes are as long as `out`, which is made of pixels of `lanes`; `b` is one such if `b_is_pixel`.
    #[inline(always)]
    unsafe fn each<S: Isa, E: Each<S>>(self, isa: S, each: E) {
        let (lanes, len) = (self.lanes, self.out.len());
        if repeats::<S>(lanes) {
            let at = |i: usize| i * S::LANES % lanes;
            let kept = each.keep(isa, [at(0), at(1), at(2), at(3)]);
            let mut from = 0;
            while from + S::WIDTH <= len {
                // SAFETY: `WIDTH` bytes are left; a pixel has `lanes`.
                unsafe {
                    let a = isa.load(self.a.as_ptr().add(from));
                    let b = if self.b_is_pixel {
                        isa.repeat_groups(self.b.as_ptr(), lanes / 16)
                    } else {
                        isa.load(self.b.as_ptr().add(from))
                    };
                    isa.store(each.bytes(isa, &kept, a, b), self.out.as_mut_ptr().add(from));
                }
                from += S::WIDTH;
            }
            if from < len {
                let groups = (len - from) / 16;
                // SAFETY: so many groups are left.
                unsafe {
                    let a = isa.load_groups(self.a.as_ptr().add(from), groups);
                    let b = if self.b_is_pixel {
                        isa.repeat_groups(self.b.as_ptr(), lanes / 16)
                    } else {
                        isa.load_groups(self.b.as_ptr().add(from), groups)
                    };
                    isa.store_groups(each.bytes(isa, &kept, a, b), self.out.as_mut_ptr().add(from), groups);
                }
            }
            return;
        }
        let out = self.out.as_mut_ptr();
        for first in (0..lanes).step_by(S::WIDTH) {
            let order = [first, first + S::LANES, first + 2 * S::LANES, first + 3 * S::LANES];
            let kept = each.keep(isa, order);
            let groups = ((lanes - first) / 16).min(S::WIDTH / 16);
            let b_step = if self.b_is_pixel { 0 } else { lanes };
            // SAFETY: the block's channels exist in every pixel.
            unsafe {
                let (a, b) = (self.a.as_ptr(), self.b.as_ptr());
                for pixel in 0..len / lanes {
                    let (a, b) = (a.add(pixel * lanes + first), b.add(pixel * b_step + first));
                    let to = out.add(pixel * lanes + first);
                    if groups * 16 == S::WIDTH {
                        isa.store(each.bytes(isa, &kept, isa.load(a), isa.load(b)), to);
                    } else {
                        let (a, b) = (isa.load_groups(a, groups), isa.load_groups(b, groups));
                        isa.store_groups(each.bytes(isa, &kept, a, b), to, groups);
                    }
                }
            }
        }
    }
}

/// `Kernels::add`.
#[inline(always)]
pub(super) fn add<S: Isa>(isa: S, op: &Addition, a: &[u8], b: &[u8], out: &mut [u8]) {
    check::addition(op, a, b, out);
    // Two terms of at most 255 steps stay below 2^31.
    let fits = are_below(&op.scale_a, 4e6) && are_below(&op.scale_b, 4e6);
    let planes = Planes { lanes: op.scale_a.len(), a, b, b_is_pixel: false, out };
    // SAFETY: the check has seen that the planes are of one length, in whole pixels.
    unsafe { planes.each(isa, Add(op, fits)) };
}

/// `Kernels::multiply`.
#[inline(always)]
pub(super) fn multiply<S: Isa>(isa: S, op: &Product, a: &[u8], b: &[u8], out: &mut [u8]) {
    check::multiplication(op, a, b, out);
    // SAFETY: as above.
    unsafe { products(isa, op, Planes { lanes: op.zero_a.len(), a, b, b_is_pixel: false, out }) }
}

/// `Kernels::multiply_pixel`.
#[inline(always)]
pub(super) fn multiply_pixel<S: Isa>(isa: S, op: &Product, a: &[u8], pixel: &[u8], out: &mut [u8]) {
    check::pixel(op, a, pixel, out);
    // SAFETY: as above, and that the pixel is one.
    unsafe { products(isa, op, Planes { lanes: op.zero_a.len(), a, b: pixel, b_is_pixel: true, out }) }
}

/// Both kinds of products.
///
/// # Safety
/// As `Planes::each`.
#[inline(always)]
unsafe fn products<S: Isa>(isa: S, op: &Product, planes: Planes<'_>) {
    let plain = is_plain(&op.requant, planes.lanes);
    // SAFETY: passed on.
    unsafe { planes.each(isa, Multiply(op, plain)) };
}

/// `Kernels::max_pool`.
#[inline(always)]
pub(super) fn max_pool<S: Isa>(isa: S, window: &Window, channels: usize, input: &[u8], out: &mut [u8]) {
    check::window(window, channels, input, out);
    let lanes = padded(channels);
    let to = out.as_mut_ptr();
    for y in 0..window.output[0] {
        for x in 0..window.output[1] {
            if lanes == 16 {
                let at = (y * window.output[1] + x) * 16;
                out[at..at + 16].copy_from_slice(&greatest_of_16(window, input, [y, x]));
                continue;
            }
            for first in (0..lanes).step_by(S::WIDTH) {
                let groups = ((lanes - first) / 16).min(S::WIDTH / 16);
                // SAFETY: the check has seen both planes, and `source` gives pixels of the input; the block's
                // channels exist in every pixel.
                unsafe {
                    let to = to.add((y * window.output[1] + x) * lanes + first);
                    if groups * 16 == S::WIDTH {
                        store::<S, true>(
                            isa,
                            greatest::<S, true>(isa, window, input, lanes, [y, x], first),
                            to,
                            0,
                        );
                    } else {
                        let most = greatest::<S, false>(isa, window, input, lanes, [y, x], first);
                        store::<S, false>(isa, most, to, groups);
                    }
                }
            }
        }
    }
}

/// The greatest bytes of a window where a pixel has 16: less than most registers, and loading a part of one is slow.
#[inline(always)]
fn greatest_of_16(window: &Window, input: &[u8], at: [usize; 2]) -> [u8; 16] {
    let pixels = input.as_chunks::<16>().0;
    let mut most = [0; 16];
    let mut see =
        |pixel: usize| most.iter_mut().zip(&pixels[pixel]).for_each(|(most, v)| *most = (*most).max(*v));
    if let (Some(row), Some(column)) = (window.inner(0, at[0]), window.inner(1, at[1])) {
        for i in 0..window.kernel[0] {
            let row = (row + i * window.dilation[0]) * window.input[1] + column;
            (0..window.kernel[1]).for_each(|j| see(row + j * window.dilation[1]));
        }
        return most;
    }
    for i in 0..window.kernel[0] {
        let Some(row) = window.source(0, at[0], i) else { continue };
        for j in 0..window.kernel[1] {
            let Some(column) = window.source(1, at[1], j) else { continue };
            see(row * window.input[1] + column);
        }
    }
    most
}

/// The greatest bytes of a window.
///
/// # Safety
/// `input` is the window's plane of `lanes` a pixel, `at` an output pixel, `first` begins a block of channels.
#[inline(always)]
unsafe fn greatest<S: Isa, const FULL: bool>(
    isa: S,
    window: &Window,
    input: &[u8],
    lanes: usize,
    at: [usize; 2],
    first: usize,
) -> S::Int {
    let groups = ((lanes - first) / 16).min(S::WIDTH / 16);
    let mut most = isa.every(0);
    // Nearly every window lies within the plane: then nothing is asked tap by tap.
    if let (Some(row), Some(column)) = (window.inner(0, at[0]), window.inner(1, at[1])) {
        for i in 0..window.kernel[0] {
            let row = (row + i * window.dilation[0]) * window.input[1] + column;
            for j in 0..window.kernel[1] {
                // SAFETY: a pixel of the plane, as its first and last tap are.
                most = unsafe {
                    let place = input.as_ptr().add((row + j * window.dilation[1]) * lanes + first);
                    isa.max_byte(most, load::<S, FULL>(isa, place, groups))
                };
            }
        }
        return most;
    }
    for i in 0..window.kernel[0] {
        let Some(row) = window.source(0, at[0], i) else { continue };
        for j in 0..window.kernel[1] {
            let Some(column) = window.source(1, at[1], j) else { continue };
            // SAFETY: a pixel of the plane.
            most = unsafe {
                let place = input.as_ptr().add((row * window.input[1] + column) * lanes + first);
                isa.max_byte(most, load::<S, FULL>(isa, place, groups))
            };
        }
    }
    most
}

/// `Kernels::sum`.
#[inline(always)]
pub(super) fn sum<S: Isa>(isa: S, channels: usize, input: &[u8], out: &mut [i32]) {
    let pixels = check::sum(channels, input, out);
    let lanes = padded(channels);
    let ones = isa.signed(isa.every_byte(1));
    for first in (0..lanes).step_by(S::WIDTH) {
        let groups = ((lanes - first) / 16).min(S::WIDTH / 16);
        let mut sums = [isa.every(0); 4];
        for pixel in (0..pixels).step_by(4) {
            let mut rows = [isa.every(0); 4];
            for r in 0..(pixels - pixel).min(4) {
                // SAFETY: a pixel of the plane, whose channels of the block exist.
                rows[r] = unsafe {
                    let place = input.as_ptr().add((pixel + r) * lanes + first);
                    if groups * 16 == S::WIDTH { isa.load(place) } else { isa.load_groups(place, groups) }
                };
            }
            let bytes = unpack(isa, rows);
            for q in 0..4 {
                sums[q] = isa.dot(sums[q], isa.ready(bytes[q]), ones);
            }
        }
        let sums = isa.straight(sums);
        for q in 0..4 {
            if first + q * S::LANES < lanes {
                // SAFETY: the check has seen `lanes` values, which are whole registers.
                unsafe { isa.store(sums[q], out.as_mut_ptr().add(first + q * S::LANES).cast()) };
            }
        }
    }
}

/// `Kernels::lookup`.
#[inline(always)]
pub(super) fn lookup<S: Isa>(isa: S, table: &[u8; 256], input: &[u8], out: &mut [u8]) {
    check::lookup(input, out);
    isa.lookup(table, input, out);
}
