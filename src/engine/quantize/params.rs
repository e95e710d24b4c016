//! From ranges to bytes: scales and zero points of activations, and weights of a byte each.
//!
//! Owns: that arithmetic, exactly as ONNX `QuantizeLinear` and `DequantizeLinear` have it. Does not own: the ranges.
//! Invariants: a scale is positive and finite; 0 is a byte; weights are symmetric, -127 to 127, one scale a row.

use super::net::Constant;

/// Parts of the greatest weight that are tried as the end of a row's range.
const WEIGHT_ENDS: u16 = 24;
/// The least end tried, in 1/64 of the greatest weight.
const LEAST_END: f32 = 40.0 / 64.0;
/// Most steps that a bias may have: well within 32 bits.
const BIAS_STEPS: f32 = 1_073_741_824.0;

/// How the bytes of one tensor stand for reals: `scale * (byte - zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Params {
    pub(super) scale: f32,
    pub(super) zero: u8,
}

impl Params {
    /// 256 steps over a range that holds 0.
    pub(super) fn over(low: f32, high: f32) -> Self {
        let width = high.max(0.0) - low.min(0.0);
        let scale = width / 255.0;
        if !scale.is_normal() {
            return Self { scale: 1.0, zero: 0 };
        }
        Self { scale, zero: (-low.min(0.0) / scale).round_ties_even().clamp(0.0, 255.0) as u8 }
    }

    /// The real that the byte of `value` stands for.
    pub(super) fn rounded(self, value: f32) -> f32 {
        let zero = f32::from(self.zero);
        let byte = ((value / self.scale).round_ties_even() + zero).clamp(0.0, 255.0);
        (byte - zero) * self.scale
    }
}

/// Weights as bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bytes {
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<i8>,
    /// One a row.
    pub(super) scales: Vec<f32>,
}

impl Bytes {
    /// Rounds weights; each row has the scale with the least square error. `input_scale` and `bias` keep the scale of
    /// nearly empty rows large enough for the bias to fit into 32 bits.
    pub(super) fn of(weights: &Constant, input_scale: f32, bias: &[f32]) -> Self {
        let row_len = weights.row_len().max(1);
        let (mut values, mut scales) = (Vec::with_capacity(weights.values.len()), Vec::new());
        for (row, bias) in weights.values.chunks(row_len).zip(bias) {
            let least = (bias.abs() / BIAS_STEPS / input_scale).max(f32::MIN_POSITIVE);
            let scale = row_scale(row).max(least);
            values.extend(row.iter().map(|w| byte(*w, scale)));
            scales.push(scale);
        }
        Self { dims: weights.dims.clone(), values, scales }
    }

    /// The weights that the bytes stand for.
    pub(super) fn reals(&self) -> Constant {
        let row_len: usize = self.dims.iter().skip(1).product::<usize>().max(1);
        let rows = self.values.chunks(row_len).zip(&self.scales);
        let values = rows.flat_map(|(row, s)| row.iter().map(move |b| f32::from(*b) * s)).collect();
        Constant { dims: self.dims.clone(), values }
    }
}

fn byte(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}

fn row_scale(row: &[f32]) -> f32 {
    let greatest = row.iter().fold(0.0_f32, |m, w| m.max(w.abs()));
    if greatest <= 0.0 {
        return 1.0;
    }
    let (mut best, mut least) = (greatest / 127.0, f64::INFINITY);
    for step in 0..=WEIGHT_ENDS {
        let part = 1.0 - f32::from(step) / f32::from(WEIGHT_ENDS) * (1.0 - LEAST_END);
        let scale = greatest * part / 127.0;
        let error = |w: &f32| f64::from(w - f32::from(byte(*w, scale)) * scale).powi(2);
        let error: f64 = row.iter().map(error).sum();
        if error < least {
            (best, least) = (scale, error);
        }
    }
    best
}
