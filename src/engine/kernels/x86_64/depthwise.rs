//! Depthwise convolution: four taps of a channel in each 32-bit lane, so that `dot` sums them.
//!
//! Owns: the layout of packed weights and the general path, which takes any window four taps at a time. Does not own:
//! the paths for 3x3 with stride 1 and 2 (`three`).
//! Invariants: a block of `WIDTH` channels is worked on at once, in the order that `unpack` gives. The last block ends
//! with the channels, and overlaps the one before where they are not a multiple of `WIDTH`. Fewer channels than that
//! leave a part of the register idle, or are repeated in it where they divide it.

use std::ops::Range;

use super::isa::{Isa, unpack};
use super::requant::{Narrow, is_plain, quad};
use super::three;
use crate::kernels::{Aligned, Depthwise, Packed, Window, check, padded};

/// Taps whose places are worked out at once.
const TAPS: usize = 64;

/// `Kernels::pack_depthwise`: `[block][dot][register of the quad][lane][4]`; first come the dots of `three` where it
/// takes part, then those of the general path, four taps in a row each.
pub(super) fn pack<S: Isa>(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed {
    lay_out::<S>(weights, bias, channels, window, dots::<S>(window, padded(channels)))
}

/// `Kernels::pack_depthwise_raw`: the dots of the general path alone.
pub(super) fn pack_raw<S: Isa>(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed {
    lay_out::<S>(weights, bias, channels, window, [0, window.taps().div_ceil(4)])
}

fn lay_out<S: Isa>(
    weights: &[i8],
    bias: &[i32],
    channels: usize,
    window: &Window,
    [three, general]: [usize; 2],
) -> Packed {
    check::pack_depthwise(weights, bias, channels, window);
    let lanes = padded(channels);
    let dots = three + general;
    let mut bytes = Aligned::zeroed(check::product(&[lanes.div_ceil(S::WIDTH), dots, 4, S::WEIGHTS]));
    for (at, out) in bytes.bytes_mut().chunks_exact_mut(S::WEIGHTS).enumerate() {
        let (block, dot, q) = (at / (4 * dots), at / 4 % dots, at % 4);
        let mut group = [0; 64];
        for (at, weight) in group[..4 * S::LANES].iter_mut().enumerate() {
            let (lane, part) = (at / 4, at % 4);
            let channel = first::<S>(block, lanes) + 16 * (lane / 4) + 4 * q + lane % 4;
            let channel = if repeats::<S>(lanes) { channel % lanes } else { channel };
            let tap =
                if dot < three { three::tap(window, dot, part) } else { Some(4 * (dot - three) + part) };
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

/// `dot` operations a register of sums, of `three` and of the general path.
fn dots<S: Isa>(window: &Window, lanes: usize) -> [usize; 2] {
    let general = window.taps().div_ceil(4);
    match (three::takes(window), lanes >= S::WIDTH) {
        (true, true) => [three::dots(window), 0],
        (true, false) if repeats::<S>(lanes) && window.stride[0] == 1 => [three::dots(window), general],
        (true | false, true | false) => [0, general],
    }
}

/// The first channel of a block.
const fn first<S: Isa>(block: usize, lanes: usize) -> usize {
    match lanes.checked_sub(S::WIDTH) {
        Some(last) if block * S::WIDTH > last => last,
        _ => block * S::WIDTH,
    }
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
    let window = &op.window;
    let lanes = padded(op.channels);
    let [by_three, general] = dots::<S>(window, lanes);
    let work = Work::new::<S>(op, [by_three, general], input);
    for index in 0..work.blocks {
        let mut block = work.block::<S>(isa, op, index);
        // SAFETY: `check::depthwise` saw both planes and `outside`; `block` is one of this operation, with the dots that
        // each path takes; `table` was made for its window.
        unsafe {
            if by_three > 0 && general == 0 {
                if window.stride[0] == 1 {
                    three::block::<S, 1>(isa, op, &block, input, out);
                } else {
                    three::block::<S, 2>(isa, op, &block, input, out);
                }
                continue;
            }
            let mut done = window.output[1]..window.output[1];
            if by_three > 0 {
                done = three::side_by_side(isa, op, &block, input, out);
                block.weights = block.weights.add(by_three * 4 * S::WEIGHTS);
            }
            let to = out.as_mut_ptr();
            if lanes >= S::WIDTH {
                self::general::<S, true, false>(isa, op, &block, input, to, &work.table, done);
            } else {
                self::general::<S, false, false>(isa, op, &block, input, to, &work.table, done);
            }
        }
    }
}

/// `Kernels::depthwise_raw`.
#[inline(always)]
pub(super) fn raw<S: Isa>(isa: S, op: &Depthwise, input: &[u8], out: &mut [i32]) {
    check::depthwise(op, input, out);
    let to = out.as_mut_ptr().cast();
    let work = Work::new::<S>(op, [0, op.window.taps().div_ceil(4)], input);
    for index in 0..work.blocks {
        let block = work.block::<S>(isa, op, index);
        let none = op.window.output[1]..op.window.output[1];
        // SAFETY: as in `bytes`; `out` has a sum where that has a byte.
        unsafe {
            if padded(op.channels) >= S::WIDTH {
                general::<S, true, true>(isa, op, &block, input, to, &work.table, none);
            } else {
                general::<S, false, true>(isa, op, &block, input, to, &work.table, none);
            }
        }
    }
}

/// What all blocks share. No closure takes part: it would be compiled without the instructions of its caller.
struct Work {
    /// How many there are.
    blocks: usize,
    /// Bytes of the weights of one.
    size: usize,
    /// See `is_plain`.
    plain: bool,
    /// Where the general path finds its taps.
    table: [*const u8; TAPS],
}

impl Work {
    /// For weights laid out with so many dots of `three` and of the general path.
    #[inline(always)]
    fn new<S: Isa>(op: &Depthwise, [three, general]: [usize; 2], input: &[u8]) -> Self {
        let lanes = padded(op.channels);
        let (blocks, size) = (lanes.div_ceil(S::WIDTH), (three + general) * 4 * S::WEIGHTS);
        assert!(op.weights.bytes.bytes().len() == blocks * size, "weights are not of this set");
        let mut table = [input.as_ptr(); TAPS];
        if general > 0 {
            offsets(&op.window, lanes, &mut table);
        }
        Self { blocks, size, plain: is_plain(&op.requant, lanes), table }
    }

    /// One of them.
    #[inline(always)]
    fn block<S: Isa>(&self, isa: S, op: &Depthwise, index: usize) -> Block<S> {
        assert!(index < self.blocks);
        let lanes = padded(op.channels);
        let first = first::<S>(index, lanes);
        let at = |i: usize| if repeats::<S>(lanes) { i * S::LANES % lanes } else { first + i * S::LANES };
        let order = [at(0), at(1), at(2), at(3)];
        Block::<S> {
            first,
            groups: lanes.min(S::WIDTH) / 16,
            // SAFETY: `new` has found the weights of all blocks there.
            weights: unsafe { op.weights.bytes.bytes().as_ptr().add(index * self.size) },
            bias: quad(isa, &op.weights.bias, order, true),
            narrow: Narrow::new(isa, &op.requant, self.plain, order, true),
        }
    }
}

/// Rows and columns of taps in their order; the last one again and again when all have been named.
#[derive(Clone, Copy)]
struct Taps {
    kernel: [usize; 2],
    at: [usize; 2],
}

impl Taps {
    #[inline(always)]
    fn next(&mut self) -> [usize; 2] {
        let at = self.at;
        if at[1] + 1 < self.kernel[1] {
            self.at[1] += 1;
        } else if at[0] + 1 < self.kernel[0] {
            self.at = [at[0] + 1, 0];
        }
        at
    }
}

/// Adds to each place how far its tap is from the window's first.
fn offsets(window: &Window, lanes: usize, table: &mut [*const u8; TAPS]) {
    let mut taps = Taps { kernel: window.kernel, at: [0; 2] };
    for place in table.iter_mut().take(window.taps().next_multiple_of(4)) {
        let [i, j] = taps.next();
        *place =
            place.wrapping_add((i * window.dilation[0] * window.input[1] + j * window.dilation[1]) * lanes);
    }
}

/// The same reference, of which the compiler no longer knows what it refers to. Taken anew in every turn of a loop,
/// it leaves a block's weights and factors in memory, one operand of an instruction each. The compiler would rather
/// load them all before the loop, run out of registers, and spill them and the columns to misaligned places.
#[inline(always)]
pub(super) fn in_memory<T>(value: &T) -> &T {
    let mut at: *const T = value;
    // SAFETY: no instruction; the address stays what it was.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) at, options(readonly, nostack, preserves_flags));
        &*at
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

/// Any window, pixel by pixel, the taps four at a time; output columns `done` are left out. With `RAW` the sums go out
/// instead of bytes.
///
/// # Safety
/// `check::depthwise` has passed, `out` is the plane that it saw (of bytes, of `i32` with `RAW`), `block` is one of `op`, `inner` holds the offsets of its taps from `input`'s first
/// byte; with `FULL` all lanes of the block exist.
#[inline(always)]
unsafe fn general<S: Isa, const FULL: bool, const RAW: bool>(
    isa: S,
    op: &Depthwise,
    block: &Block<S>,
    input: &[u8],
    out: *mut u8,
    inner: &[*const u8; TAPS],
    done: Range<usize>,
) {
    let window = &op.window;
    let lanes = padded(op.channels);
    let taps = window.taps();
    let outside = op.outside.as_ptr();
    let mut edge = [outside; TAPS];
    for y in 0..window.output[0] {
        let row = window.inner(0, y);
        for x in (0..done.start).chain(done.end..window.output[1]) {
            let column = window.inner(1, x);
            let mut sums = block.bias;
            let mut from = 0;
            let mut places = Taps { kernel: window.kernel, at: [0; 2] };
            while from < taps {
                let count = (taps - from).min(TAPS);
                let (table, base) = match (row, column) {
                    (Some(row), Some(column)) if taps <= TAPS => {
                        (inner, (row * window.input[1] + column) * lanes)
                    }
                    _ => {
                        for place in edge.iter_mut().take(count.next_multiple_of(4)) {
                            let [i, j] = places.next();
                            *place = match (window.source(0, y, i), window.source(1, x, j)) {
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
            let at = (y * window.output[1] + x) * lanes + block.first;
            if RAW {
                let sums = isa.straight(sums);
                for i in 0..if FULL { 4 } else { block.groups * 16 / S::LANES } {
                    // SAFETY: an output pixel, of which the block's channels exist; each takes 4 bytes.
                    unsafe { isa.store(sums[i % 4], out.add((at + i * S::LANES) * 4)) };
                }
                continue;
            }
            let bytes = block.narrow.bytes(isa, sums);
            // SAFETY: an output pixel, of which the block's channels exist.
            unsafe { store::<S, FULL>(isa, bytes, out.add(at), block.groups) };
        }
    }
}
