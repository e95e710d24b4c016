//! What happens to a real value between the arithmetic and the next quantisation.
//!
//! Owns: the pointwise operations, their folding into a requantisation, tables of bytes. Does not own: the arithmetic.
//! Invariant: folding changes nothing but the order of roundings.

use crate::kernels::{Requant, padded};

/// How bytes stand for reals: `real = scale * (byte - zero)`; one value, or one for each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quant {
    pub scale: Vec<f32>,
    /// 0 to 255; that of an `i8` tensor is 128 higher than in the file.
    pub zero: Vec<i32>,
}

impl Quant {
    pub(crate) fn scale(&self, channel: usize) -> f32 {
        self.scale[if self.scale.len() == 1 { 0 } else { channel }]
    }

    pub(crate) fn zero(&self, channel: usize) -> i32 {
        self.zero[if self.zero.len() == 1 { 0 } else { channel }]
    }

    /// One scale for all channels.
    pub(crate) fn is_uniform(&self) -> bool {
        self.scale.windows(2).all(|w| w[0].to_bits() == w[1].to_bits())
            && self.zero.windows(2).all(|w| w[0] == w[1])
    }

    /// ONNX `QuantizeLinear`: to the nearest, ties to even, saturated.
    pub(crate) fn quantise(&self, channel: usize, real: f32) -> u8 {
        let zero = self.zero(channel);
        let steps = (real / self.scale(channel)).round_ties_even();
        // A NaN becomes zero: a table is built from what a model file says.
        (steps.clamp(-512.0, 512.0) as i32 + zero).clamp(0, 255) as u8
    }

    pub(crate) fn dequantise(&self, channel: usize, byte: u8) -> f32 {
        (i32::from(byte) - self.zero(channel)) as f32 * self.scale(channel)
    }

    /// The zero point of every channel, padded: what lies outside a plane.
    pub(crate) fn zeros(&self, channels: usize) -> Vec<i32> {
        (0..padded(channels)).map(|c| if c < channels { self.zero(c) } else { 0 }).collect()
    }
}

/// One pointwise operation; vectors hold one value, or one for each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Post {
    Add(Vec<f32>),
    Mul(Vec<f32>),
    /// Least and most; Relu is 0 to infinity.
    Clip(f32, f32),
    /// The factor below zero.
    PRelu(Vec<f32>),
    Sigmoid,
    /// `clamp(alpha * x + beta, 0, 1)`.
    HardSigmoid(f32, f32),
    /// `x * clamp(x / 6 + 1 / 2, 0, 1)`.
    HardSwish,
    Tanh,
}

impl Post {
    /// The value after it.
    pub(crate) fn apply(&self, channel: usize, x: f32) -> f32 {
        let of = |values: &[f32]| values[if values.len() == 1 { 0 } else { channel }];
        match self {
            Self::Add(v) => x + of(v),
            Self::Mul(v) => x * of(v),
            Self::Clip(low, high) => x.max(*low).min(*high),
            Self::PRelu(v) => {
                if x < 0.0 {
                    x * of(v)
                } else {
                    x
                }
            }
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::HardSigmoid(alpha, beta) => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Tanh => x.tanh(),
        }
    }

    /// Whether it does the same to every channel.
    pub(crate) fn is_uniform(&self) -> bool {
        match self {
            Self::Add(v) | Self::Mul(v) | Self::PRelu(v) => v.len() == 1,
            Self::Clip(..) | Self::Sigmoid | Self::HardSigmoid(..) | Self::HardSwish | Self::Tanh => true,
        }
    }
}

/// All of them, in order.
pub(crate) fn apply(posts: &[Post], channel: usize, x: f32) -> f32 {
    posts.iter().fold(x, |x, post| post.apply(channel, x))
}

/// Posts whose sum and factor are folded away: `x * factor + bias` for each channel, then the rest.
pub(crate) struct Affine {
    pub factor: Vec<f32>,
    pub bias: Vec<f32>,
    pub rest: Vec<Post>,
}

impl Affine {
    /// Takes the leading sums and factors.
    pub(crate) fn split(posts: &[Post], channels: usize) -> Self {
        let (mut factor, mut bias) = (vec![1.0_f32; channels], vec![0.0_f32; channels]);
        let of = |values: &[f32], c: usize| values[if values.len() == 1 { 0 } else { c }];
        let mut taken = 0;
        for post in posts {
            match post {
                Post::Add(v) => bias.iter_mut().enumerate().for_each(|(c, b)| *b += of(v, c)),
                Post::Mul(v) => {
                    bias.iter_mut().enumerate().for_each(|(c, b)| *b *= of(v, c));
                    factor.iter_mut().enumerate().for_each(|(c, f)| *f *= of(v, c));
                }
                Post::Clip(..)
                | Post::PRelu(_)
                | Post::Sigmoid
                | Post::HardSigmoid(..)
                | Post::HardSwish
                | Post::Tanh => break,
            }
            taken += 1;
        }
        Self { factor, bias, rest: posts[taken..].to_vec() }
    }
}

/// A requantisation of accumulators worth `scale[c]` each, through at most one `PRelu` and then clips; `None` where the
/// posts ask for more.
pub(crate) fn requant(scale: &[f32], posts: &[Post], to: &Quant) -> Option<Requant> {
    let channels = scale.len();
    let (slopes, clips) = match posts.first() {
        Some(Post::PRelu(slopes)) => (Some(slopes), &posts[1..]),
        _ => (None, posts),
    };
    let (mut least, mut most) = (f32::NEG_INFINITY, f32::INFINITY);
    for post in clips {
        let Post::Clip(low, high) = post else { return None };
        (least, most) = (least.max(*low).min(*high), most.min(*high).max(*low));
    }
    // A negative factor turns the sign that PRelu asks about.
    if slopes.is_some() && scale.iter().any(|s| *s < 0.0) {
        return None;
    }
    let width = padded(channels);
    let each = |f: &dyn Fn(usize) -> f32| -> Vec<f32> {
        (0..width).map(|c| if c < channels { f(c) } else { 0.0 }).collect()
    };
    let zero = to.zeros(channels);
    Some(Requant {
        scale: each(&|c| scale[c] / to.scale(c)),
        negative: slopes.map_or_else(Vec::new, |v| {
            each(&|c| scale[c] * v[if v.len() == 1 { 0 } else { c }] / to.scale(c))
        }),
        low: each(&|c| (least / to.scale(c)).max(-(zero[c] as f32)).min((255 - zero[c]) as f32)),
        high: each(&|c| (most / to.scale(c)).min((255 - zero[c]) as f32).max(-(zero[c] as f32))),
        zero,
    })
}

/// The table of bytes of one channel: dequantise, posts, quantise.
pub(crate) fn table(channel: usize, from: &Quant, posts: &[Post], to: &Quant) -> [u8; 256] {
    core::array::from_fn(|byte| {
        let real = from.dequantise(channel, byte as u8);
        to.quantise(channel, apply(posts, channel, real))
    })
}
