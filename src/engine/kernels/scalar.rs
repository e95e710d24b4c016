//! The meaning of every kernel, in portable code.
//!
//! Owns: the reference that all other sets equal bit for bit, and the set of a board that has nothing better. Loops
//! run over groups of `LANES` values in arrays, which compilers turn into whatever vectors the target has.
//! Does not own: the choice of a set (`super`).
//! Invariants: no `unsafe`; sums wrap as two's complement does (`super::MAX_DEPTH` says when they are exact).

use super::{
    Addition, Aligned, Depthwise, Kernels, LANES, Matmul, Packed, Product, Requant, Window, check, padded,
};

/// The portable set.
pub(super) static KERNELS: Kernels = Kernels {
    name: "scalar",
    pack_matmul,
    matmul,
    matmul_raw,
    pack_depthwise,
    depthwise,
    pack_depthwise_raw: pack_depthwise,
    depthwise_raw,
    add,
    multiply,
    multiply_pixel,
    max_pool,
    sum,
    lookup,
    scan,
};

/// A value each channel of a group.
type Group<T> = [T; LANES];

/// `[column group][depth][LANES]`.
fn pack_matmul(weights: &[i8], bias: &[i32], columns: usize, depth: usize) -> Packed {
    check::pack_matmul(weights, bias, columns, depth);
    let mut bytes = Aligned::zeroed(check::product(&[padded(columns), depth]));
    for (column, row) in weights.chunks_exact(depth.max(1)).enumerate() {
        let group = column / LANES * LANES * depth;
        for (k, &weight) in row.iter().enumerate() {
            bytes.bytes_mut()[group + k * LANES + column % LANES] = weight as u8;
        }
    }
    Packed { bytes, bias: lanes(bias, columns) }
}

fn matmul(op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [u8]) {
    let width = padded(op.columns);
    products(op, a, a_stride, rows, out.len(), |row, first, sums| {
        out[row * width + first..][..LANES].copy_from_slice(&requantise(&op.requant, first, sums));
    });
}

fn matmul_raw(op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [i32]) {
    let width = padded(op.columns);
    products(op, a, a_stride, rows, out.len(), |row, first, sums| {
        out[row * width + first..][..LANES].copy_from_slice(sums);
    });
}

/// Every row times every group of columns: `done(row, first column, sums)`.
fn products(
    op: &Matmul,
    a: &[u8],
    a_stride: usize,
    rows: usize,
    out: usize,
    mut done: impl FnMut(usize, usize, &Group<i32>),
) {
    check::matmul(op, a, a_stride, rows, out);
    let weights = op.weights.bytes.bytes();
    assert!(weights.len() == padded(op.columns) * op.depth, "weights are not of this set");
    for first in (0..op.columns).step_by(LANES) {
        let weights = &weights[first * op.depth..][..LANES * op.depth];
        for row in 0..rows {
            let mut sums = group(&op.weights.bias, first);
            let values = &a[row * a_stride..][..op.depth];
            for (value, weights) in values.iter().zip(weights.as_chunks().0) {
                multiply_add(&mut sums, &[*value; LANES], weights);
            }
            done(row, first, &sums);
        }
    }
}

/// `[tap][padded channels]`.
fn pack_depthwise(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed {
    check::pack_depthwise(weights, bias, channels, window);
    let width = padded(channels);
    let mut bytes = Aligned::zeroed(check::product(&[window.kernel[0], window.kernel[1], width]));
    for (tap, row) in weights.chunks_exact(channels.max(1)).enumerate() {
        for (channel, &weight) in row.iter().enumerate() {
            bytes.bytes_mut()[tap * width + channel] = weight as u8;
        }
    }
    Packed { bytes, bias: lanes(bias, channels) }
}

fn depthwise(op: &Depthwise, input: &[u8], out: &mut [u8]) {
    check::depthwise(op, input, out);
    let width = padded(op.channels);
    sums(op, input, |at, first, sums| {
        out[at * width + first..][..LANES].copy_from_slice(&requantise(&op.requant, first, sums));
    });
}

fn depthwise_raw(op: &Depthwise, input: &[u8], out: &mut [i32]) {
    check::depthwise(op, input, out);
    let width = padded(op.channels);
    sums(op, input, |at, first, sums| out[at * width + first..][..LANES].copy_from_slice(sums));
}

/// Every output pixel and group of channels: `done(pixel, first channel, sums)`.
fn sums(op: &Depthwise, input: &[u8], mut done: impl FnMut(usize, usize, &Group<i32>)) {
    let width = padded(op.channels);
    let weights = op.weights.bytes.bytes();
    assert!(weights.len() == op.window.taps() * width, "weights are not of this set");
    each_output(&op.window, |y, x, at| {
        for first in (0..op.channels).step_by(LANES) {
            let mut sums = group(&op.weights.bias, first);
            each_tap(&op.window, y, x, |tap, source| {
                let values = source.map_or(&op.outside[first..], |pixel| &input[pixel * width + first..]);
                multiply_add(&mut sums, &group(values, 0), &group(weights, tap * width + first));
            });
            done(at, first, &sums);
        }
    });
}

fn add(op: &Addition, a: &[u8], b: &[u8], out: &mut [u8]) {
    check::addition(op, a, b, out);
    let width = op.scale_a.len();
    for at in (0..out.len()).step_by(LANES) {
        let first = at % width;
        let (left, right) = (group(a, at), group(b, at));
        let (scale_a, zero_a) = (group(&op.scale_a, first), group(&op.zero_a, first));
        let (scale_b, zero_b) = (group(&op.scale_b, first), group(&op.zero_b, first));
        let values = std::array::from_fn(|i| {
            let left = i32::from(left[i]).wrapping_sub(zero_a[i]) as f32 * scale_a[i];
            let right = i32::from(right[i]).wrapping_sub(zero_b[i]) as f32 * scale_b[i];
            left + right
        });
        out[at..][..LANES].copy_from_slice(&narrow(&op.requant, first, &values));
    }
}

fn multiply(op: &Product, a: &[u8], b: &[u8], out: &mut [u8]) {
    check::multiplication(op, a, b, out);
    let width = op.zero_a.len();
    for at in (0..out.len()).step_by(LANES) {
        out[at..][..LANES].copy_from_slice(&times(op, at % width, &group(a, at), &group(b, at)));
    }
}

fn multiply_pixel(op: &Product, a: &[u8], pixel: &[u8], out: &mut [u8]) {
    check::pixel(op, a, pixel, out);
    let width = op.zero_a.len();
    for at in (0..out.len()).step_by(LANES) {
        let first = at % width;
        out[at..][..LANES].copy_from_slice(&times(op, first, &group(a, at), &group(pixel, first)));
    }
}

fn max_pool(window: &Window, channels: usize, input: &[u8], out: &mut [u8]) {
    check::window(window, channels, input, out);
    let width = padded(channels);
    each_output(window, |y, x, at| {
        for first in (0..channels).step_by(LANES) {
            let mut greatest = [0; LANES];
            each_tap(window, y, x, |_, source| {
                if let Some(pixel) = source {
                    let values: Group<u8> = group(input, pixel * width + first);
                    greatest = std::array::from_fn(|i| greatest[i].max(values[i]));
                }
            });
            out[at * width + first..][..LANES].copy_from_slice(&greatest);
        }
    });
}

fn sum(channels: usize, input: &[u8], out: &mut [i32]) {
    check::sum(channels, input, out);
    let width = padded(channels);
    out[..width].fill(0);
    for pixel in input.chunks_exact(width) {
        for (sum, &value) in out.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(i32::from(value));
        }
    }
}

fn lookup(table: &[u8; 256], input: &[u8], out: &mut [u8]) {
    check::lookup(input, out);
    for (to, &from) in out.iter_mut().zip(input) {
        *to = table[usize::from(from)];
    }
}

fn scan(probe: &[i8], matrix: &[i8], out: &mut [i32]) {
    check::scan(probe, matrix, out);
    if probe.is_empty() {
        out.fill(0);
        return;
    }
    for (dot, row) in out.iter_mut().zip(matrix.chunks_exact(probe.len())) {
        *dot = row
            .iter()
            .zip(probe)
            .fold(0, |sum: i32, (&m, &p)| sum.wrapping_add(i32::from(i16::from(m) * i16::from(p))));
    }
}

/// One product; every product of two bytes fits in 16 bits (255 * -128 = -32640).
fn multiply_add(sums: &mut Group<i32>, values: &Group<u8>, weights: &Group<u8>) {
    for i in 0..LANES {
        let product = i16::from(values[i]) * i16::from(weights[i] as i8);
        sums[i] = sums[i].wrapping_add(i32::from(product));
    }
}

/// `Product` of one group.
fn times(op: &Product, first: usize, a: &Group<u8>, b: &Group<u8>) -> Group<u8> {
    let (zero_a, zero_b) = (group(&op.zero_a, first), group(&op.zero_b, first));
    let products = std::array::from_fn(|i| {
        let left = i32::from(a[i]).wrapping_sub(zero_a[i]);
        left.wrapping_mul(i32::from(b[i]).wrapping_sub(zero_b[i]))
    });
    requantise(&op.requant, first, &products)
}

/// `Requant::apply` of one group.
fn requantise(op: &Requant, first: usize, sums: &Group<i32>) -> Group<u8> {
    let scale = group(&op.scale, first);
    let negative = if op.negative.is_empty() { scale } else { group(&op.negative, first) };
    let values = std::array::from_fn(|i| {
        let factor = if sums[i] < 0 { negative[i] } else { scale[i] };
        sums[i] as f32 * factor
    });
    narrow(op, first, &values)
}

/// From steps of the output to bytes.
fn narrow(op: &Requant, first: usize, values: &Group<f32>) -> Group<u8> {
    let (zero, low, high) = (group(&op.zero, first), group(&op.low, first), group(&op.high, first));
    std::array::from_fn(|i| {
        let value = values[i].max(low[i]).min(high[i]);
        // A sum of this size has no bits left for a fraction, so adding it rounds to the nearest, ties to even;
        // unlike `round_ties_even` it is one instruction on every processor.
        let rounded = (value + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i32;
        rounded.wrapping_add(zero[i]) as u8
    })
}

/// 1.5 * 2^23: right for values within 2^22 of zero, and no clamped value is beyond 255.
const ROUNDER: f32 = 12_582_912.0;

/// The values of a group.
fn group<T: Copy>(values: &[T], first: usize) -> Group<T> {
    *values[first..].first_chunk().expect("groups are whole")
}

/// A vector of `padded(count)` values.
fn lanes(values: &[i32], count: usize) -> Vec<i32> {
    let mut all = values.to_vec();
    all.resize(padded(count), 0);
    all
}

/// Output pixels in their order: row, column, index.
fn each_output(window: &Window, mut visit: impl FnMut(usize, usize, usize)) {
    let [height, width] = window.output;
    for y in 0..height {
        for x in 0..width {
            visit(y, x, y * width + x);
        }
    }
}

/// What an output pixel sees: the tap's index and the input pixel's, or none outside of the plane.
fn each_tap(window: &Window, y: usize, x: usize, mut visit: impl FnMut(usize, Option<usize>)) {
    for i in 0..window.kernel[0] {
        let row = window.source(0, y, i);
        for j in 0..window.kernel[1] {
            let pixel = row.zip(window.source(1, x, j)).map(|(row, column)| row * window.input[1] + column);
            visit(i * window.kernel[1] + j, pixel);
        }
    }
}
