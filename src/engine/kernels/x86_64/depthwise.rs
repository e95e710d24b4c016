//! Depthwise convolution: four taps of a channel in each 32-bit lane, so that `dot` sums them.
//!
//! Owns: the layout of packed weights and the general path, which takes any window four taps at a time. Does not own:
//! the path for 3x3 with stride 1 (`same`).
//! Invariants: a block of `WIDTH` channels is worked on at once, in the order that `unpack` gives; where the channels
//! fill a part of a register that divides it, they are repeated in the rest of it, else the rest is idle.

use super::isa::{Isa, unpack};
use super::requant::{Narrow, is_plain, quad};
use super::same;
use crate::engine::kernels::{Aligned, Depthwise, Packed, Window, check, padded};

/// Taps whose places are worked out at once.
const TAPS: usize = 64;

/// `Kernels::pack_depthwise`: `[block][dot][register of the quad][lane][4]`, where a dot is four taps in a row, or
/// as `same` wants it.
pub(super) fn pack<S: Isa>(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed {
    check::pack_depthwise(weights, bias, channels, window);
    let (lanes, dots) = (padded(channels), dots(window));
    let blocks = lanes.div_ceil(S::WIDTH);
    let mut bytes = Aligned::zeroed(check::product(&[blocks, dots, 4, S::WEIGHTS]));
    for (at, out) in bytes.bytes_mut().chunks_exact_mut(S::WEIGHTS).enumerate() {
        let (block, dot, q) = (at / (4 * dots), at / 4 % dots, at % 4);
        let mut group = [0; 64];
        for (at, weight) in group[..4 * S::LANES].iter_mut().enumerate() {
            let (lane, part) = (at / 4, at % 4);
            let channel = block * S::WIDTH + 16 * (lane / 4) + 4 * q + lane % 4;
            let channel = if repeats::<S>(lanes) { channel % lanes } else { channel };
            let tap = if same::takes(window) { same::tap(dot, part) } else { Some(4 * dot + part) };
            if let Some(tap) = tap.filter(|&tap| tap < window.taps() && channel < channels) {
                *weight = weights[tap * channels + channel];
            }
        }
        S::lay_out(&group[..4 * S::LANES], out);
    }
    let mut all = bias.to_vec();
    all.resize(lanes, 0);
    Packed { bytes, bias: all }
}

/// `dot` operations a register of sums.
fn dots(window: &Window) -> usize {
    if same::takes(window) { same::DOTS } else { window.taps().div_ceil(4) }
}

/// Whether the pixels of so many lanes fill a register a whole number of times.
pub(super) const fn repeats<S: Isa>(lanes: usize) -> bool {
    lanes < S::WIDTH && lanes > 0 && S::WIDTH.is_multiple_of(lanes)
}

/// One block of channels.
#[derive(Clone, Copy)]
pub(super) struct Block<S: Isa> {
    /// Its first channel.
    pub(super) first: usize,
    /// Groups of 16 that exist.
    pub(super) groups: usize,
    /// Its weights.
    pub(super) weights: *const u8,
    /// What sums begin with.
    pub(super) bias: [S::Int; 4],
    /// To bytes.
    pub(super) narrow: Narrow<S>,
}

/// `Kernels::depthwise`.
#[inline(always)]
pub(super) fn bytes<S: Isa>(isa: S, op: &Depthwise, input: &[u8], out: &mut [u8]) {
    check::depthwise(op, input, out);
    let lanes = padded(op.channels);
    let dots = dots(&op.window);
    let weights = op.weights.bytes.bytes();
    assert!(weights.len() == lanes.div_ceil(S::WIDTH) * dots * 4 * S::WEIGHTS, "weights are not of this set");
    let plain = is_plain(&op.requant, lanes);
    let mut table = [input.as_ptr(); TAPS];
    offsets(&op.window, lanes, &mut table);
    for first in (0..lanes).step_by(S::WIDTH) {
        let at = |i: usize| if repeats::<S>(lanes) { i * S::LANES % lanes } else { first + i * S::LANES };
        let order = [at(0), at(1), at(2), at(3)];
        let block = Block::<S> {
            first,
            groups: (lanes - first).min(S::WIDTH) / 16,
            // SAFETY: the length above is that of all blocks.
            weights: unsafe { weights.as_ptr().add(first / S::WIDTH * dots * 4 * S::WEIGHTS) },
            bias: quad(isa, &op.weights.bias, order, true),
            narrow: Narrow::new(isa, &op.requant, order, true),
        };
        // SAFETY: `check::depthwise` saw both planes and `outside`; `block` is one of this operation; `table` was
        // made for its window.
        unsafe {
            if same::takes(&op.window) {
                match (plain, block.groups * 16 == S::WIDTH) {
                    (true, true) => same::block::<S, true, true>(isa, op, block, input, out),
                    (true, false) => same::block::<S, true, false>(isa, op, block, input, out),
                    (false, true) => same::block::<S, false, true>(isa, op, block, input, out),
                    (false, false) => same::block::<S, false, false>(isa, op, block, input, out),
                }
            } else {
                match (plain, block.groups * 16 == S::WIDTH) {
                    (true, true) => general::<S, true, true>(isa, op, block, input, out, &table),
                    (true, false) => general::<S, true, false>(isa, op, block, input, out, &table),
                    (false, true) => general::<S, false, true>(isa, op, block, input, out, &table),
                    (false, false) => general::<S, false, false>(isa, op, block, input, out, &table),
                }
            }
        }
    }
}

/// Adds to each place how far its tap is from the window's first; places beyond the last tap repeat it.
fn offsets(window: &Window, lanes: usize, table: &mut [*const u8; TAPS]) {
    for (tap, place) in table.iter_mut().enumerate() {
        let tap = tap.min(window.taps().saturating_sub(1));
        let (i, j) = (tap / window.kernel[1].max(1), tap % window.kernel[1].max(1));
        *place =
            place.wrapping_add((i * window.dilation[0] * window.input[1] + j * window.dilation[1]) * lanes);
    }
}

/// A load of a block's bytes.
///
/// # Safety
/// `from` is readable for `groups` times 16 bytes, and for `WIDTH` with `FULL`.
#[inline(always)]
pub(super) unsafe fn load<S: Isa, const FULL: bool>(isa: S, from: *const u8, groups: usize) -> S::Int {
    // SAFETY: passed on.
    unsafe { if FULL { isa.load(from) } else { isa.load_groups(from, groups) } }
}

/// A store of a block's bytes.
///
/// # Safety
/// `to` is writable for `groups` times 16 bytes, and for `WIDTH` with `FULL`.
#[inline(always)]
pub(super) unsafe fn store<S: Isa, const FULL: bool>(isa: S, value: S::Int, to: *mut u8, groups: usize) {
    // SAFETY: passed on.
    unsafe { if FULL { isa.store(value, to) } else { isa.store_groups(value, to, groups) } }
}

/// Any window, pixel by pixel, the taps four at a time.
///
/// # Safety
/// `check::depthwise` has passed, `block` is one of `op`, `inner` holds the offsets of its taps from `input`'s first
/// byte; with `FULL` all lanes of the block exist.
#[inline(always)]
unsafe fn general<S: Isa, const PLAIN: bool, const FULL: bool>(
    isa: S,
    op: &Depthwise,
    block: Block<S>,
    input: &[u8],
    out: &mut [u8],
    inner: &[*const u8; TAPS],
) {
    let window = &op.window;
    let lanes = padded(op.channels);
    let taps = window.taps();
    let outside = op.outside.as_ptr();
    let mut edge = [outside; TAPS];
    let first_tap = |axis: usize, at: usize| (at * window.stride[axis]).checked_sub(window.pad[axis]);
    let is_inner = |axis: usize, from: Option<usize>| {
        let reach = window.kernel[axis].saturating_sub(1) * window.dilation[axis];
        from.filter(|from| from + reach < window.input[axis])
    };
    for y in 0..window.output[0] {
        let row = is_inner(0, first_tap(0, y));
        for x in 0..window.output[1] {
            let column = is_inner(1, first_tap(1, x));
            let mut sums = block.bias;
            let mut from = 0;
            while from < taps {
                let count = (taps - from).min(TAPS);
                let (table, base) = match (row, column) {
                    (Some(row), Some(column)) if taps <= TAPS => {
                        (inner, (row * window.input[1] + column) * lanes)
                    }
                    _ => {
                        for (at, place) in edge.iter_mut().enumerate().take(count.next_multiple_of(4)) {
                            let tap = (from + at).min(taps - 1);
                            let row = window.source(0, y, tap / window.kernel[1]);
                            let column = window.source(1, x, tap % window.kernel[1]);
                            *place = match (row, column) {
                                (Some(row), Some(column)) => {
                                    input.as_ptr().wrapping_add((row * window.input[1] + column) * lanes)
                                }
                                _ => outside,
                            };
                        }
                        (&edge, 0)
                    }
                };
                for dot in 0..count.div_ceil(4) {
                    let mut rows = block.bias;
                    for r in 0..4 {
                        // SAFETY: a pixel of `input` (all taps of an inner pixel are inside, `source` says so of the
                        // others) or `outside`; the block's channels exist in both.
                        rows[r] = unsafe {
                            let place = table[(4 * dot + r) % TAPS].wrapping_add(base + block.first);
                            load::<S, FULL>(isa, place, block.groups)
                        };
                    }
                    let bytes = unpack(isa, rows);
                    for q in 0..4 {
                        // SAFETY: the block has `taps.div_ceil(4)` dots.
                        sums[q] = unsafe {
                            let weights = block.weights.add(((from / 4 + dot) * 4 + q) * S::WEIGHTS);
                            isa.dot(sums[q], isa.ready(bytes[q]), isa.weights(weights))
                        };
                    }
                }
                from += count;
            }
            let bytes = block.narrow.bytes::<PLAIN>(isa, sums);
            // SAFETY: an output pixel, of which the block's channels exist.
            unsafe {
                let to = out.as_mut_ptr().add((y * window.output[1] + x) * lanes + block.first);
                store::<S, FULL>(isa, bytes, to, block.groups);
            }
        }
    }
}
