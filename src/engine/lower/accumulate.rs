//! Layers and means: everything that ends in accumulators.
//!
//! Owns: the step of a layer, where its accumulators go (bytes by the kernel, bytes through floats, floats).
//! Does not own: the weights (`linear`).

use super::linear::{Linear, Shape};
use super::post::{self, Post, Quant};
use super::{BufferId, Layout, Lowered, Lowerer, Plane, Real, Stored, place};
use crate::gather::Gather;
use crate::kernels::{Depthwise, Matmul, Packed, Requant, Window, padded};
use crate::program::{Kind, Sink, StepInfo};

/// Where the accumulators of a step shall go.
pub(super) enum Target<'q> {
    Bytes(&'q Quant),
    Floats,
}

/// Where they went.
pub(super) enum Made {
    Bytes(Plane),
    Floats(Stored),
}

/// A sink, as far as it is known before the layout.
enum DraftSink {
    Bytes(Plane),
    Finished { scale: Vec<f32>, posts: Vec<Post>, plane: Plane },
    Floats { scale: Vec<f32>, posts: Vec<Post>, stored: Stored },
}

impl Lowerer<'_> {
    /// A sum over a plane or over windows, divided.
    pub(super) fn emit_mean(
        &mut self,
        real: &Real,
        plane: &Plane,
        window: Option<Window>,
        target: &Target<'_>,
    ) -> Lowered<Made> {
        let count = window.map_or(plane.height * plane.width, |w| w.taps()) as f32;
        let channels = plane.channels;
        if plane.stride != padded(channels) {
            return Err("its input is the picture itself");
        }
        let scale: Vec<f32> = (0..channels).map(|c| plane.quant.scale(c) / count).collect();
        let mut posts: Vec<Post> = vec![Post::Add(
            (0..channels).map(|c| -(plane.quant.zero(c) as f32) * plane.quant.scale(c)).collect(),
        )];
        posts.extend(real.posts.iter().cloned());
        let size = window.map_or([1, 1], |w| w.output);
        let sums = count as u64 * (size[0] as u64).saturating_mul(size[1] as u64);
        self.spend(sums.saturating_mul(channels as u64))?;
        self.raw = self.raw.max(size[0].saturating_mul(size[1]).saturating_mul(padded(channels)));
        let sink = self.draft_sink(scale, posts, size, channels, target);
        let info = StepInfo {
            name: real.name.clone(),
            what: "mean".into(),
            macs: (size[0] * size[1] * channels) as u64 * count as u64,
            island: false,
        };
        let (bytes, floats) = sink.buffers();
        let made = sink.made();
        let from = plane.clone();
        let zeros = plane.quant.zeros(channels);
        self.step(info, &[&[plane.buffer], bytes.as_slice()].concat(), floats.as_slice(), move |l, f| {
            let (input, sink) = (place(l, &from), sink.done(l, f));
            match window {
                None => Kind::Sum { channels, input, sink },
                Some(window) => Kind::WindowSum { window, channels, zeros, input, sink },
            }
        });
        Ok(made)
    }

    /// A convolution or matrix product.
    pub(super) fn emit_linear(&mut self, real: &Real, linear: &Linear, target: &Target<'_>) -> Lowered<Made> {
        let folded = linear.fold(&real.posts);
        let channels = linear.channels;
        let requant = match target {
            Target::Bytes(quant) => {
                post::requant(&folded.scale, &folded.rest, quant).filter(requant_is_finite)
            }
            Target::Floats => None,
        };
        let sink = if let (Target::Bytes(quant), Some(_)) = (target, &requant) {
            let dims = vec![1, channels, linear.size[0], linear.size[1]];
            let quant = Quant::clone(quant);
            DraftSink::Bytes(self.new_plane(linear.size[0], linear.size[1], dims, channels, quant))
        } else {
            self.raw =
                self.raw.max(linear.size[0].saturating_mul(linear.size[1]).saturating_mul(padded(channels)));
            self.draft_sink(folded.scale.clone(), folded.rest.clone(), linear.size, channels, target)
        };
        let direct = requant.is_some();
        let requant = requant.unwrap_or_else(|| nothing(channels));
        let input = linear.input.clone();
        let (bytes, floats) = sink.buffers();
        let made = sink.made();
        let what = describe(linear, &real.posts, direct);
        let info = StepInfo { name: real.name.clone(), what, macs: linear.macs, island: false };
        let touched = [&[input.buffer], bytes.as_slice()].concat();
        if let Shape::Depthwise(window) = linear.shape {
            let set = self.kernels;
            let pack = if direct { set.pack_depthwise } else { set.pack_depthwise_raw };
            let weights = pack(&folded.weights, &folded.bias, channels, &window);
            let outside = input.quant.zeros(channels).iter().map(|z| *z as u8).collect();
            if input.stride != padded(channels) {
                return Err("it works on the picture itself");
            }
            let op = Depthwise { window, channels, weights, outside, requant };
            self.step(info, &touched, floats.as_slice(), move |l, f| Kind::Depthwise {
                op,
                input: place(l, &input),
                sink: sink.done(l, f),
            });
            return Ok(made);
        }
        let depth = linear.depth();
        let weights: Packed = (self.kernels.pack_matmul)(&folded.weights, &folded.bias, channels, depth);
        let op = Matmul { depth, columns: channels, weights, requant };
        match linear.shape {
            Shape::Windows(window) => {
                let outside = (0..input.channels).map(|c| input.quant.zero(c) as u8).collect();
                let gather = Gather::new(window, input.channels, input.stride, outside);
                self.windows = self.windows.max(gather.strip_bytes());
                self.step(info, &touched, floats.as_slice(), move |l, f| Kind::Gathered {
                    op,
                    gather,
                    input: place(l, &input),
                    sink: sink.done(l, f),
                });
            }
            Shape::Pointwise | Shape::Flat | Shape::Depthwise(_) => {
                let flat = linear.shape == Shape::Flat;
                let rows = if flat { 1 } else { input.height * input.width };
                let stride = if flat { depth } else { input.stride };
                self.step(info, &touched, floats.as_slice(), move |l, f| Kind::Matmul {
                    op,
                    stride,
                    rows,
                    input: place(l, &input),
                    sink: sink.done(l, f),
                });
            }
        }
        Ok(made)
    }

    /// Accumulators through real numbers.
    fn draft_sink(
        &mut self,
        scale: Vec<f32>,
        posts: Vec<Post>,
        size: [usize; 2],
        channels: usize,
        target: &Target<'_>,
    ) -> DraftSink {
        match target {
            Target::Bytes(quant) => {
                let dims = vec![1, channels, size[0], size[1]];
                let plane = self.new_plane(size[0], size[1], dims, channels, Quant::clone(quant));
                DraftSink::Finished { scale, posts, plane }
            }
            Target::Floats => {
                let stored = self.new_stored(size, channels);
                DraftSink::Floats { scale, posts, stored }
            }
        }
    }
}

impl DraftSink {
    fn buffers(&self) -> (Vec<BufferId>, Vec<BufferId>) {
        match self {
            Self::Bytes(plane) | Self::Finished { plane, .. } => (vec![plane.buffer], Vec::new()),
            Self::Floats { stored, .. } => (Vec::new(), vec![stored.buffer]),
        }
    }

    fn made(&self) -> Made {
        match self {
            Self::Bytes(plane) | Self::Finished { plane, .. } => Made::Bytes(plane.clone()),
            Self::Floats { stored, .. } => Made::Floats(stored.clone()),
        }
    }

    fn done(self, bytes: &Layout, floats: &Layout) -> Sink {
        match self {
            Self::Bytes(plane) => Sink::Bytes(place(bytes, &plane)),
            Self::Finished { scale, posts, plane } => {
                let quant = Quant::clone(&plane.quant);
                Sink::Finished { scale, posts, quant, out: place(bytes, &plane) }
            }
            Self::Floats { scale, posts, stored } => {
                Sink::Floats { scale, posts, floats: floats.of(stored.buffer) }
            }
        }
    }
}

/// The requantisation of accumulators that are not requantised by the kernel.
fn nothing(channels: usize) -> Requant {
    let width = padded(channels);
    Requant {
        scale: vec![0.0; width],
        negative: Vec::new(),
        zero: vec![0; width],
        low: vec![0.0; width],
        high: vec![0.0; width],
    }
}

/// Whether all numbers are finite: a scale of a hostile file may be next to nothing.
pub(super) fn requant_is_finite(requant: &Requant) -> bool {
    let all = [&requant.scale, &requant.negative, &requant.low, &requant.high];
    all.iter().all(|v| v.iter().all(|x| x.is_finite()))
}

fn describe(linear: &Linear, posts: &[Post], direct: bool) -> String {
    let size = format!("{}x{}x{}", linear.size[0], linear.size[1], linear.channels);
    let kind = match linear.shape {
        Shape::Pointwise => format!("pointwise {} to {size}", linear.input.channels),
        Shape::Flat => format!("matrix {} to {}", linear.depth(), linear.channels),
        Shape::Windows(w) => format!(
            "convolution {}x{} stride {} of {} to {size}",
            w.kernel[0], w.kernel[1], w.stride[0], linear.input.channels
        ),
        Shape::Depthwise(w) => {
            format!("depthwise {}x{} stride {} to {size}", w.kernel[0], w.kernel[1], w.stride[0])
        }
    };
    let folded = posts
        .iter()
        .map(|p| match p {
            Post::Add(_) => ", sum",
            Post::Mul(_) => ", factor",
            Post::Clip(..) => ", clip",
            Post::PRelu(_) => ", PRelu",
            Post::Sigmoid => ", sigmoid",
            Post::HardSigmoid(..) => ", hard sigmoid",
            Post::HardSwish => ", hard swish",
            Post::Tanh => ", tanh",
        })
        .collect::<String>();
    format!("{kind}{folded}{}", if direct { "" } else { ", through floats" })
}
