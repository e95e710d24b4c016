//! Integer arithmetic of the engine: one table of functions an instruction set, chosen once.
//!
//! Owns: the layout of planes, the meaning of each operation, the choice of the set. Does not own: which operations
//! a network needs (`lower`), where its tensors lie (`plan`).
//! Invariants: every table gives the same bytes as `scalar` for every input; every function checks the lengths of
//! its slices before it touches them, so that each is safe to call.
//!
//! A *plane* is `height x width` pixels, row-major, of `padded(channels)` bytes each (NHWC). A byte is an unsigned
//! quantised value; `i8` tensors of a model are stored plus 128. What the lanes between `channels` and
//! `padded(channels)` hold is unspecified, and no result depends on it.
//!
//! Rounding is to the nearest, ties to even, as ONNX `QuantizeLinear` says. All floating-point steps are single IEEE
//! operations in the order written here (no fused multiply-add), which is why all sets agree bit for bit.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod aligned;
mod check;
mod copy;
pub mod lanes;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::sync::OnceLock;

pub use aligned::Aligned;
pub(crate) use copy::{REGISTER, copy_registers};

/// Channels of a pixel are stored in groups of this many.
pub const LANES: usize = 16;

/// Most products a sum of bytes may have. With a bias within 2^30 of zero no such sum leaves `i32`:
/// 32768 * 255 * 128 + 2^30 < 2^31. Beyond it sums wrap, in every set alike.
pub const MAX_DEPTH: usize = 32_768;

/// Bytes that a pixel of so many channels takes.
#[must_use]
pub const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// From an accumulator to a byte, for each output channel (all vectors have `padded(channels)` values):
/// `zero + round(clamp(acc * factor, low, high))`, where `factor` is `negative` for accumulators below zero
/// (`PRelu`) and `scale` otherwise.
#[derive(Debug, Clone)]
pub struct Requant {
    /// Steps of the output a step of the accumulator is worth; finite.
    pub scale: Vec<f32>,
    /// The same below zero; empty where it is `scale` everywhere.
    pub negative: Vec<f32>,
    /// The output's zero point, 0 to 255.
    pub zero: Vec<i32>,
    /// Least value before `zero` is added; `low + zero >= 0`.
    pub low: Vec<f32>,
    /// Most; `high + zero <= 255`.
    pub high: Vec<f32>,
}

impl Requant {
    /// One value: the meaning that every set keeps.
    #[must_use]
    pub fn apply(&self, channel: usize, acc: i32) -> u8 {
        let factor = if acc < 0 && !self.negative.is_empty() { &self.negative } else { &self.scale };
        let value = (acc as f32 * factor[channel]).max(self.low[channel]).min(self.high[channel]);
        (value.round_ties_even() as i32 + self.zero[channel]) as u8
    }
}

/// A matrix product: pointwise convolution, any other convolution after gathering its windows, Gemm.
/// `acc[n] = bias[n] + sum over k of a[k] * weights[n][k]`, `a` unsigned bytes as they lie (zero points are folded
/// into `bias` by whoever builds this).
#[derive(Debug)]
pub struct Matmul {
    /// Values of a row of the left side.
    pub depth: usize,
    /// Output channels.
    pub columns: usize,
    /// As `Kernels::pack_matmul` laid them out.
    pub weights: Packed,
    /// To bytes.
    pub requant: Requant,
}

/// Weights and bias in the order one set of kernels reads them.
#[derive(Debug)]
pub struct Packed {
    /// Weights.
    pub bytes: Aligned,
    /// A value each padded output channel, with whatever constant the set's arithmetic needs folded in.
    pub bias: Vec<i32>,
}

/// A depthwise convolution over a whole plane.
/// `acc[c] = bias[c] + sum over taps of (x at tap, or zero_point[c] outside the plane) * weights[tap][c]`.
#[derive(Debug)]
pub struct Depthwise {
    /// Geometry; `channels` is that of input and output.
    pub window: Window,
    /// Channels.
    pub channels: usize,
    /// As `Kernels::pack_depthwise` laid them out.
    pub weights: Packed,
    /// What stands outside the plane: the input's zero point of each padded channel.
    pub outside: Vec<u8>,
    /// To bytes.
    pub requant: Requant,
}

/// Where a sliding window goes. Output pixel (y, x) sees input pixels
/// (`y * stride + i * dilation - pad_top`, `x * stride + j * dilation - pad_left`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Input height and width.
    pub input: [usize; 2],
    /// Output height and width.
    pub output: [usize; 2],
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal.
    pub stride: [usize; 2],
    /// Vertical and horizontal.
    pub dilation: [usize; 2],
    /// Top and left (below and right follow from the output's size).
    pub pad: [usize; 2],
}

impl Window {
    /// Input coordinate that tap `tap` of output coordinate `at` sees along an axis (0 vertical, 1 horizontal);
    /// none outside of the plane.
    #[must_use]
    pub const fn source(&self, axis: usize, at: usize, tap: usize) -> Option<usize> {
        match (at * self.stride[axis] + tap * self.dilation[axis]).checked_sub(self.pad[axis]) {
            Some(place) if place < self.input[axis] => Some(place),
            _ => None,
        }
    }

    /// Input coordinate of the first tap of output coordinate `at` along an axis, when all its taps are in the plane.
    #[must_use]
    #[inline]
    pub const fn inner(&self, axis: usize, at: usize) -> Option<usize> {
        let reach = self.kernel[axis].saturating_sub(1) * self.dilation[axis];
        match (at * self.stride[axis]).checked_sub(self.pad[axis]) {
            Some(first) if first + reach < self.input[axis] => Some(first),
            _ => None,
        }
    }

    /// Values of the kernel for one channel.
    #[must_use]
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

/// `zero + round(clamp((a - zero_a) * scale_a + (b - zero_b) * scale_b, low, high))`, a value each padded channel;
/// both products are rounded to `f32` before they are added.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Steps of the output a step of `a` is worth.
    pub scale_a: Vec<f32>,
    /// Zero point of `a`.
    pub zero_a: Vec<i32>,
    /// Steps of the output a step of `b` is worth.
    pub scale_b: Vec<f32>,
    /// Zero point of `b`.
    pub zero_b: Vec<i32>,
    /// `scale` and `negative` are not used.
    pub requant: Requant,
}

/// `Requant::apply` of `(a - zero_a) * (b - zero_b)`.
#[derive(Debug, Clone)]
pub struct Product {
    /// Zero point of `a`.
    pub zero_a: Vec<i32>,
    /// Zero point of `b`.
    pub zero_b: Vec<i32>,
    /// To bytes.
    pub requant: Requant,
}

/// The functions of one instruction set.
pub struct Kernels {
    /// As `OSTIARY_KERNELS` and the bench name it.
    pub name: &'static str,
    /// Weights `[columns][depth]` row-major and a bias a column, for `matmul`.
    pub pack_matmul: fn(weights: &[i8], bias: &[i32], columns: usize, depth: usize) -> Packed,
    /// Each of `rows` rows of `a` (row i starts at `i * a_stride`, `a_stride >= depth`; reads may go up to
    /// `depth.next_multiple_of(4)` and the last row must be readable so far) to a pixel of
    /// `padded(columns)` bytes in `out`.
    pub matmul: fn(op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [u8]),
    /// The accumulators instead: `padded(columns)` values a row.
    pub matmul_raw: fn(op: &Matmul, a: &[u8], a_stride: usize, rows: usize, out: &mut [i32]),
    /// Weights `[kernel height * width][channels]` and a bias a channel, for `depthwise`.
    pub pack_depthwise: fn(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed,
    /// A plane to a plane.
    pub depthwise: fn(op: &Depthwise, input: &[u8], out: &mut [u8]),
    /// As `pack_depthwise`, for `depthwise_raw`.
    pub pack_depthwise_raw: fn(weights: &[i8], bias: &[i32], channels: usize, window: &Window) -> Packed,
    /// The accumulators instead: `padded(channels)` values an output pixel. For the few places where no byte follows,
    /// such as a detector's last layers.
    pub depthwise_raw: fn(op: &Depthwise, input: &[u8], out: &mut [i32]),
    /// Two planes of one shape to a third.
    pub add: fn(op: &Addition, a: &[u8], b: &[u8], out: &mut [u8]),
    /// Plane times plane, of one shape.
    pub multiply: fn(op: &Product, a: &[u8], b: &[u8], out: &mut [u8]),
    /// Plane times one pixel (squeeze and excitation).
    pub multiply_pixel: fn(op: &Product, a: &[u8], pixel: &[u8], out: &mut [u8]),
    /// The greatest byte of each window; what lies outside the plane does not count.
    pub max_pool: fn(window: &Window, channels: usize, input: &[u8], out: &mut [u8]),
    /// The sum of each channel over the whole plane, `padded(channels)` values.
    pub sum: fn(channels: usize, input: &[u8], out: &mut [i32]),
    /// Bytes through a table.
    pub lookup: fn(table: &[u8; 256], input: &[u8], out: &mut [u8]),
    /// `rows` dot products of `probe` with the rows of `matrix` (`probe.len()` apart), for the gallery's scan.
    pub scan: fn(probe: &[i8], matrix: &[i8], out: &mut [i32]),
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kernels({})", self.name)
    }
}

/// Every set that this machine can run, the best first, `scalar` last.
#[must_use]
pub fn available() -> Vec<&'static Kernels> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    sets.extend(x86_64::available());
    #[cfg(target_arch = "aarch64")]
    sets.extend(aarch64::available());
    sets.push(&scalar::KERNELS);
    sets
}

/// The set in use: the best of this machine, or the one that the environment variable `OSTIARY_KERNELS` names.
/// A name that this machine cannot run is passed over; `ostiary doctor` says so.
#[must_use]
pub fn chosen() -> &'static Kernels {
    static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let sets = available();
        let wanted = std::env::var("OSTIARY_KERNELS").ok();
        let named = wanted.and_then(|name| sets.iter().copied().find(|k| k.name == name));
        named.unwrap_or(sets[0])
    })
}
