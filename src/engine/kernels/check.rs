//! What must hold of lengths and shapes before a kernel touches memory.
//!
//! Owns: the assertions that every set runs first, so that each function of a table is safe to call.
//! Does not own: the length of packed weights, which each set lays out for itself.
//! Invariant: after a check, no index that the geometry gives lies outside of its slice, and no product of sizes
//! overflowed on the way.

use super::{Addition, Depthwise, Matmul, Product, Requant, Window, padded};

/// The product of sizes, or a panic instead of a small wrong number.
pub(super) fn product(sizes: &[usize]) -> usize {
    sizes.iter().try_fold(1_usize, |all, &size| all.checked_mul(size)).expect("sizes of a plane overflow")
}

/// Vectors of at least `lanes` values; `scale` is left to the operations that use it.
fn requant(op: &Requant, lanes: usize, scaled: bool) {
    assert!(
        op.zero.len() >= lanes && op.low.len() >= lanes && op.high.len() >= lanes,
        "requantisation is short"
    );
    if scaled {
        assert!(op.scale.len() >= lanes, "scales are short");
        assert!(op.negative.is_empty() || op.negative.len() >= lanes, "slopes are short");
    }
}

/// The left side is readable, the right side belongs to it; `out` values are there for every row.
pub(super) fn matmul(op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: usize) {
    let lanes = padded(op.columns);
    requant(&op.requant, lanes, true);
    assert!(op.weights.bias.len() >= lanes, "biases are short");
    assert!(a_stride >= op.depth, "rows overlap");
    if let Some(before) = rows.checked_sub(1) {
        let reads = product(&[before, a_stride]).checked_add(op.depth.next_multiple_of(4));
        assert!(reads.is_some_and(|reads| reads <= a.len()), "left side is short");
    }
    assert!(out >= product(&[rows, lanes]), "output is short");
}

/// Both planes have the size that the window says.
pub(super) fn depthwise<T>(op: &Depthwise, input: &[u8], out: &[T]) {
    let lanes = padded(op.channels);
    requant(&op.requant, lanes, true);
    assert!(op.weights.bias.len() >= lanes, "biases are short");
    assert!(op.outside.len() >= lanes, "outside is short");
    window(&op.window, op.channels, input, out);
}

/// Planes as the window says, and coordinates that stay within `isize`.
pub(super) fn window<T>(window: &Window, channels: usize, input: &[u8], out: &[T]) {
    let lanes = padded(channels);
    assert!(input.len() >= product(&[window.input[0], window.input[1], lanes]), "input is short");
    assert!(out.len() >= product(&[window.output[0], window.output[1], lanes]), "output is short");
    for axis in 0..2 {
        let reach = [
            product(&[window.output[axis], window.stride[axis]]),
            product(&[window.kernel[axis], window.dilation[axis]]),
            window.pad[axis],
            window.input[axis],
        ];
        // Bounds far beyond any picture, and far below where a coordinate times a pixel could wrap.
        assert!(reach.iter().all(|&r| r <= 1 << 24), "the window is out of all proportion");
    }
}

/// Three planes of one shape; the count of their pixels.
pub(super) fn addition(op: &Addition, a: &[u8], b: &[u8], out: &[u8]) -> usize {
    let lanes = op.scale_a.len();
    requant(&op.requant, lanes, false);
    assert!(
        op.zero_a.len() >= lanes && op.scale_b.len() >= lanes && op.zero_b.len() >= lanes,
        "scales are short"
    );
    pixels(lanes, a.len(), b.len(), out.len())
}

/// The same for a product; `b` is a plane like `a`.
pub(super) fn multiplication(op: &Product, a: &[u8], b: &[u8], out: &[u8]) -> usize {
    let lanes = factors(op);
    pixels(lanes, a.len(), b.len(), out.len())
}

/// The same where `b` is one pixel.
pub(super) fn pixel(op: &Product, a: &[u8], b: &[u8], out: &[u8]) -> usize {
    let lanes = factors(op);
    assert!(b.len() >= lanes, "pixel is short");
    pixels(lanes, a.len(), a.len(), out.len())
}

/// Lanes of a product.
fn factors(op: &Product) -> usize {
    let lanes = op.zero_a.len();
    requant(&op.requant, lanes, true);
    assert!(op.zero_b.len() >= lanes, "zero points are short");
    lanes
}

/// Whole pixels of full lanes, as many in each.
fn pixels(lanes: usize, a: usize, b: usize, out: usize) -> usize {
    assert!(lanes > 0 && lanes.is_multiple_of(super::LANES), "lanes come in groups");
    assert!(a.is_multiple_of(lanes), "a plane is made of whole pixels");
    assert!(a == b && a == out, "planes differ in size");
    a / lanes
}

/// A plane of whole pixels and a value for each lane; the count of its pixels.
pub(super) fn sum(channels: usize, input: &[u8], out: &[i32]) -> usize {
    let lanes = padded(channels);
    assert!(lanes > 0 && input.len().is_multiple_of(lanes), "a plane is made of whole pixels");
    assert!(out.len() >= lanes, "output is short");
    input.len() / lanes
}

/// As many bytes out as in.
pub(super) fn lookup(input: &[u8], out: &[u8]) {
    assert!(input.len() == out.len(), "planes differ in size");
}

/// A row of the matrix for each result.
pub(super) fn scan(probe: &[i8], matrix: &[i8], out: &[i32]) {
    assert!(matrix.len() == product(&[probe.len(), out.len()]), "a row of the matrix for each result");
}

/// Weights and biases of a matrix product, to pack.
pub(super) fn pack_matmul(weights: &[i8], bias: &[i32], columns: usize, depth: usize) {
    assert!(depth <= super::MAX_DEPTH, "sums of so many products do not fit");
    assert!(
        weights.len() == product(&[columns, depth]) && bias.len() == columns,
        "weights are not of their shape"
    );
}

/// Weights and biases of a depthwise convolution, to pack.
pub(super) fn pack_depthwise(weights: &[i8], bias: &[i32], channels: usize, window: &Window) {
    let taps = product(&window.kernel);
    assert!(taps <= super::MAX_DEPTH, "sums of so many products do not fit");
    assert!(
        weights.len() == product(&[taps, channels]) && bias.len() == channels,
        "weights are not of their shape"
    );
}
