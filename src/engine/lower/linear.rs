//! Convolutions and matrix products.
//!
//! Owns: their geometry, the folding of scales, zero points and biases into integer weights. Does not own: when they
//! are computed (`emit`).
//! Invariant: the accumulator of channel `c`, times `scale[c]`, is the real result, bias included.

use std::rc::Rc;

use super::post::{Affine, Post};
use super::{Base, Form, Lowered, Lowerer, Plane, Real};
use crate::graph::Node;
use crate::kernels::{MAX_DEPTH, Window, padded};

/// One layer, not computed yet.
pub(super) struct Linear {
    pub input: Plane,
    pub shape: Shape,
    /// Output channels.
    pub channels: usize,
    /// Height and width of the output.
    pub size: [usize; 2],
    /// `[channel][depth]`, or `[tap][channel]` of a depthwise layer.
    pub weights: Vec<i8>,
    /// What one step of the accumulator is worth.
    pub scale: Vec<f32>,
    /// In real units.
    pub bias: Vec<f32>,
    /// Multiply-adds.
    pub macs: u64,
}

/// How a layer reaches its input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Every pixel by itself.
    Pointwise,
    /// The whole plane at once, as one row.
    Flat,
    /// Windows over all channels.
    Windows(Window),
    /// Windows over each channel by itself.
    Depthwise(Window),
}

/// Largest bias, in steps of the accumulator: sums stay within `i32`.
const MAX_BIAS: f32 = (1 << 30) as f32;

/// Weights and bias in integers, after everything that was folded into them.
pub(super) struct Folded {
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub scale: Vec<f32>,
    pub rest: Vec<Post>,
}

impl Linear {
    /// Folds the leading sums and factors of `posts` and the input's zero points.
    pub(super) fn fold(&self, posts: &[Post]) -> Folded {
        let affine = Affine::split(posts, self.channels);
        let mut weights = self.weights.clone();
        let (mut bias, mut scale) = (Vec::new(), Vec::new());
        for c in 0..self.channels {
            let real = self.bias[c] * affine.factor[c] + affine.bias[c];
            let worth = self.scale[c] * affine.factor[c];
            let steps = real / worth;
            // Weights so small that the bias is beyond all of them together: the bias is the result.
            if !steps.is_finite() || steps.abs() > MAX_BIAS {
                self.row(c).for_each(|i| weights[i] = 0);
                let steps = 1_i32 << 20;
                bias.push(if real == 0.0 { 0 } else { steps });
                scale.push(if real == 0.0 { 1.0 } else { real / steps as f32 });
                continue;
            }
            let folded: i64 = self
                .row(c)
                .enumerate()
                .map(|(k, i)| i64::from(weights[i]) * i64::from(self.zero(c, k)))
                .sum();
            bias.push((steps.round_ties_even() as i64 - folded).clamp(-(1 << 30), 1 << 30) as i32);
            scale.push(worth);
        }
        Folded { weights, bias, scale, rest: affine.rest }
    }

    /// Where the weights of one output channel lie.
    fn row(&self, channel: usize) -> Box<dyn Iterator<Item = usize> + '_> {
        match self.shape {
            Shape::Depthwise(window) => {
                Box::new((0..window.taps()).map(move |tap| tap * self.channels + channel))
            }
            Shape::Pointwise | Shape::Flat | Shape::Windows(_) => {
                let depth = self.depth();
                Box::new(channel * depth..(channel + 1) * depth)
            }
        }
    }

    /// The input's zero point at weight `k` of an output channel.
    fn zero(&self, channel: usize, k: usize) -> i32 {
        let quant = &self.input.quant;
        match self.shape {
            Shape::Depthwise(_) => quant.zero(channel),
            Shape::Pointwise => quant.zero(k),
            Shape::Windows(_) => quant.zero(k % self.input.channels),
            Shape::Flat => {
                let c = k % self.input.stride;
                if c < self.input.channels { quant.zero(c) } else { 0 }
            }
        }
    }

    /// Weights of an output channel.
    pub(super) fn depth(&self) -> usize {
        match self.shape {
            Shape::Depthwise(window) => window.taps(),
            Shape::Pointwise => self.input.channels,
            Shape::Flat => self.input.height * self.input.width * self.input.stride,
            Shape::Windows(window) => window.taps() * self.input.channels,
        }
    }
}

impl Lowerer<'_> {
    /// `Conv` over a quantised plane with quantised weights.
    pub(super) fn conv(&mut self, node: &Node) -> Lowered<Form> {
        let input = self.plane(node, 0)?;
        let Some(Form::Weights(weights)) = node.input(1).and_then(|n| self.forms.get(n)).cloned() else {
            return Err("its weights are not quantised");
        };
        let [columns, depth, rows_k, columns_k] = weights.dims[..] else {
            return Err("its weights are not of two dimensions");
        };
        if input.dims.len() != 4 || input.height * input.width == 0 || columns == 0 {
            return Err("its input is no plane");
        }
        let group = node.int("group", 1);
        let kernel = [rows_k, columns_k];
        let window = window(node, [input.height, input.width], kernel)?;
        if weights.scale.len() > 1 && weights.axis != 0 {
            return Err("its weights' scales do not go by output channel");
        }
        let depthwise = group == input.channels as i64 && columns == input.channels && depth == 1;
        if !depthwise && (group != 1 || depth != input.channels) {
            return Err("its channels are in groups");
        }
        let taps = window.taps();
        // In the file's order, in ours, and as the kernels want them.
        self.take(padded(columns).saturating_mul(depth * taps).saturating_mul(3))?;
        let values = bytes(&weights.values)?;
        let pointwise =
            taps == 1 && window.stride == [1, 1] && window.pad == [0, 0] && window.output == window.input;
        let (shape, ordered) = if depthwise {
            let by_tap = (0..taps).flat_map(|t| (0..columns).map(move |c| c * taps + t));
            (Shape::Depthwise(window), by_tap.map(|i| values[i]).collect())
        } else if pointwise {
            (Shape::Pointwise, values)
        } else {
            let row = depth * taps;
            let order =
                (0..columns).flat_map(|n| (0..row).map(move |k| n * row + k % depth * taps + k / depth));
            (Shape::Windows(window), order.map(|i| values[i]).collect())
        };
        if !depthwise && !input.quant.scale.windows(2).all(|w| w[0].to_bits() == w[1].to_bits()) {
            return Err("its input has a scale a channel");
        }
        if depth * taps > MAX_DEPTH {
            return Err("its windows are too large");
        }
        let scale = (0..columns).map(|c| {
            let x = input.quant.scale(if depthwise { c } else { 0 });
            x * weights.scale[if weights.scale.len() == 1 { 0 } else { c }]
        });
        let bias = self.bias(node, 2, columns)?;
        let macs = [window.output[1], columns, depth, taps]
            .iter()
            .fold(window.output[0] as u64, |product, n| product.saturating_mul(*n as u64));
        self.spend(macs)?;
        let linear = Linear {
            scale: scale.collect(),
            channels: columns,
            size: window.output,
            shape,
            weights: ordered,
            bias,
            macs,
            input,
        };
        let dims = vec![1, columns, window.output[0], window.output[1]];
        Ok(linear.form(dims, node))
    }

    /// `Gemm` and `MatMul` of one row with quantised weights.
    pub(super) fn gemm(&mut self, node: &Node) -> Lowered<Form> {
        let input = self.plane(node, 0)?;
        let Some(Form::Weights(weights)) = node.input(1).and_then(|n| self.forms.get(n)).cloned() else {
            return Err("its weights are not quantised");
        };
        let [first, second] = weights.dims[..] else { return Err("its weights are no matrix") };
        let gemm = node.op == "Gemm";
        let plain = |name: &str| node.float(name, 1.0).to_bits() == 1.0_f32.to_bits();
        if gemm && (node.int("transA", 0) != 0 || !plain("alpha") || !plain("beta")) {
            return Err("its factors are not 1");
        }
        let across = gemm && node.int("transB", 0) != 0;
        let (columns, depth) = if across { (first, second) } else { (second, first) };
        let pixels = input.height * input.width;
        if input.dims.len() != 2
            || input.dims[0] != 1
            || input.dims[1] != depth
            || pixels * input.channels != depth
        {
            return Err("its input is no row");
        }
        if weights.scale.len() > 1 && weights.axis != usize::from(!across) {
            return Err("its weights' scales do not go by output channel");
        }
        if !input.quant.is_uniform() {
            return Err("its input has a scale a channel");
        }
        let width = pixels * input.stride;
        if width > MAX_DEPTH || columns == 0 {
            return Err("its rows are too long");
        }
        self.take(padded(columns).saturating_mul(width).saturating_mul(3))?;
        self.spend((columns * width) as u64)?;
        let values = bytes(&weights.values)?;
        // The graph counts channel by channel, the plane lies pixel by pixel with padding.
        let mut ordered = vec![0_i8; columns * width];
        for (n, row) in ordered.chunks_exact_mut(width).enumerate() {
            for k in 0..depth {
                let (c, pixel) = (k / pixels, k % pixels);
                row[pixel * input.stride + c] = values[if across { n * depth + k } else { k * columns + n }];
            }
        }
        let scale = (0..columns)
            .map(|c| input.quant.scale(0) * weights.scale[if weights.scale.len() == 1 { 0 } else { c }]);
        let linear = Linear {
            scale: scale.collect(),
            channels: columns,
            size: [1, 1],
            shape: Shape::Flat,
            weights: ordered,
            bias: if gemm { self.bias(node, 2, columns)? } else { vec![0.0; columns] },
            macs: (columns * depth) as u64,
            input,
        };
        Ok(linear.form(vec![1, columns], node))
    }

    fn bias(&self, node: &Node, index: usize, columns: usize) -> Lowered<Vec<f32>> {
        let Some(name) = node.input(index) else { return Ok(vec![0.0; columns]) };
        let (_, values) = self.constant(name).ok_or("its bias is not a constant")?;
        match values.len() {
            n if n == columns => Ok(values),
            1 => Ok(vec![values[0]; columns]),
            _ => Err("its bias has another length"),
        }
    }
}

impl Linear {
    fn form(self, dims: Vec<usize>, node: &Node) -> Form {
        Form::Real(Real {
            base: Base::Linear(Rc::new(self)),
            posts: Vec::new(),
            dims,
            name: node.name.clone(),
        })
    }
}

/// Weights less their zero point, where they fit a byte.
fn bytes(values: &[i32]) -> Lowered<Vec<i8>> {
    values.iter().map(|v| i8::try_from(*v).map_err(|_| "its weights do not fit a byte")).collect()
}

/// The window of a `Conv` or a pool, as ONNX gives it.
pub(super) fn window(node: &Node, input: [usize; 2], kernel: [usize; 2]) -> Lowered<Window> {
    let pair = |name: &str| -> Lowered<[usize; 2]> {
        let Some(values) = node.ints(name) else { return Ok([1, 1]) };
        let [a, b] = values else { return Err("its window is not of two dimensions") };
        let size = |v: i64| usize::try_from(v).ok().filter(|v| (1..=MAX_EDGE).contains(v));
        size(*a).zip(size(*b)).map(|(a, b)| [a, b]).ok_or("its window is out of range")
    };
    if node.ints("kernel_shape").is_some_and(|k| k != [kernel[0] as i64, kernel[1] as i64]) {
        return Err("its window is not that of its weights");
    }
    let (stride, dilation) = (pair("strides")?, pair("dilations")?);
    if kernel.iter().chain(&input).any(|v| *v == 0 || *v > MAX_EDGE) || node.int("ceil_mode", 0) != 0 {
        return Err("its window is out of range");
    }
    let reach: [usize; 2] = core::array::from_fn(|i| (kernel[i] - 1) * dilation[i] + 1);
    let pads: [usize; 4] = match node.text("auto_pad").unwrap_or(b"NOTSET") {
        b"NOTSET" | b"" => match node.ints("pads") {
            None => [0; 4],
            Some(values) => {
                let pad = |i: usize| {
                    values.get(i).and_then(|v| usize::try_from(*v).ok()).filter(|v| *v <= MAX_EDGE)
                };
                let all = [pad(0), pad(1), pad(2), pad(3)];
                let [Some(a), Some(b), Some(c), Some(d)] = all else {
                    return Err("its pads are out of range");
                };
                [a, b, c, d]
            }
        },
        b"VALID" => [0; 4],
        mode @ (b"SAME_UPPER" | b"SAME_LOWER") => {
            let total: [usize; 2] = core::array::from_fn(|i| {
                let out = input[i].div_ceil(stride[i]);
                ((out - 1) * stride[i] + reach[i]).saturating_sub(input[i])
            });
            let (less, more) = (total.map(|t| t / 2), total.map(|t| t.div_ceil(2)));
            if mode == b"SAME_UPPER" {
                [less[0], less[1], more[0], more[1]]
            } else {
                [more[0], more[1], less[0], less[1]]
            }
        }
        _ => return Err("its padding is not understood"),
    };
    let mut output = [0; 2];
    for i in 0..2 {
        let room = input[i] + pads[i] + pads[i + 2];
        output[i] = room.checked_sub(reach[i]).ok_or("its window is larger than its input")? / stride[i] + 1;
    }
    Ok(Window { input, output, kernel, stride, dilation, pad: [pads[0], pads[1]] })
}

/// Largest height, width, kernel, stride or pad.
const MAX_EDGE: usize = 16_384;
