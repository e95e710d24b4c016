//! A network as a list of steps over one arena, and their execution.
//!
//! Owns: the steps, the arena, the order. Does not own: the arithmetic (`kernels`), how a model becomes steps
//! (`lower`).
//! Invariants: a run allocates nothing (float islands apart: tract does); places of a step's operands never overlap.

use std::fmt;
use std::ops::Range;

use super::EngineError;
use super::gather::Gather;
use super::island::Island;
use super::kernels::{Addition, Aligned, Depthwise, Kernels, Matmul, Product, Window, padded};
use super::lower::post::{self, Post, Quant};
use super::view::View;

/// Places in the arenas.
pub(super) type Span = Range<usize>;

/// One step. `Span`s named `floats` lie in the float arena, all others in the arena of bytes.
pub(super) enum Kind {
    /// Pixels of three bytes through a table a channel; `None` where the table changes nothing.
    Input {
        tables: Option<Box<[[u8; 256]; 3]>>,
        out: Span,
    },
    /// A matrix product over pixels as they lie.
    Matmul {
        op: Matmul,
        stride: usize,
        rows: usize,
        input: Span,
        sink: Sink,
    },
    /// The same over windows gathered first.
    Gathered {
        op: Matmul,
        gather: Gather,
        input: Span,
        sink: Sink,
    },
    Depthwise {
        op: Depthwise,
        input: Span,
        sink: Sink,
    },
    Add {
        op: Addition,
        a: Span,
        b: Span,
        out: Span,
    },
    Multiply {
        op: Product,
        a: Span,
        b: Span,
        out: Span,
    },
    MultiplyPixel {
        op: Product,
        a: Span,
        pixel: Span,
        out: Span,
    },
    /// One table for all channels.
    Lookup {
        table: Box<[u8; 256]>,
        input: Span,
        out: Span,
    },
    /// A table a channel; pixels `strides` apart in input and output.
    LookupChannels {
        tables: Vec<[u8; 256]>,
        strides: [usize; 2],
        input: Span,
        out: Span,
    },
    MaxPool {
        window: Window,
        channels: usize,
        input: Span,
        out: Span,
    },
    /// Sums over the whole plane.
    Sum {
        channels: usize,
        input: Span,
        sink: Sink,
    },
    /// Sums over windows; what lies outside counts as the zero point.
    WindowSum {
        window: Window,
        channels: usize,
        zeros: Vec<i32>,
        input: Span,
        sink: Sink,
    },
    /// Each pixel `times` as wide and high.
    Enlarge {
        size: [usize; 2],
        times: [usize; 2],
        pixel: usize,
        input: Span,
        out: Span,
    },
    /// Planes side by side, channel after channel: (place, bytes a pixel, channels, table).
    Join {
        parts: Vec<Part>,
        pixels: usize,
        pixel: usize,
        out: Span,
    },
    /// Bytes to floats, tightly packed.
    Dequantise {
        quant: Quant,
        posts: Vec<Post>,
        channels: usize,
        stride: usize,
        input: Span,
        floats: Span,
    },
    /// Floats in any order to bytes.
    Quantise {
        view: View,
        posts: Vec<Post>,
        quant: Quant,
        channels: usize,
        floats: Span,
        out: Span,
    },
    /// Floats in any order to floats in this order.
    Copy {
        view: View,
        posts: Vec<Post>,
        floats: Span,
        out_floats: Span,
    },
    /// A part of the network that tract runs.
    Island {
        island: Box<Island>,
        inputs: Vec<(Span, Vec<usize>)>,
        outputs: Vec<Span>,
    },
    /// A result of the network.
    Output {
        view: View,
        posts: Vec<Post>,
        floats: Span,
        index: usize,
    },
}

/// One of the planes that are joined.
pub(super) struct Part {
    pub input: Span,
    pub stride: usize,
    pub channels: usize,
    pub table: Option<Box<[u8; 256]>>,
}

/// Where accumulators go.
pub(super) enum Sink {
    /// Requantised by the kernel itself.
    Bytes(Span),
    /// Through real numbers to bytes.
    Finished { scale: Vec<f32>, posts: Vec<Post>, quant: Quant, out: Span },
    /// To real numbers, tightly packed.
    Floats { scale: Vec<f32>, posts: Vec<Post>, floats: Span },
}

/// What a step is, for the listing.
#[derive(Clone, Debug)]
pub struct StepInfo {
    /// Name of the ONNX node that it ends with.
    pub name: String,
    /// What is done.
    pub what: String,
    /// Multiply-adds of one run.
    pub macs: u64,
    /// Whether tract runs it in floats.
    pub island: bool,
}

/// A step and what is told of it.
pub(super) struct Step {
    pub kind: Kind,
    pub info: StepInfo,
}

/// A planned network with its memory.
pub(super) struct Program {
    pub steps: Vec<Step>,
    pub kernels: &'static Kernels,
    pub arena: Aligned,
    pub floats: Vec<f32>,
    /// Accumulators of the step under way.
    pub raw: Vec<i32>,
    /// Gathered windows of the step under way.
    pub windows: Aligned,
    pub outputs: Vec<Vec<f32>>,
}

impl Program {
    /// Runs all steps; `after` is told the number of each step that has ended.
    pub(super) fn run(&mut self, pixels: &[u8], after: &mut dyn FnMut(usize)) -> Result<(), EngineError> {
        let Self { steps, kernels, arena, floats, raw, windows, outputs } = self;
        let mut memory =
            Memory { kernels, arena: arena.bytes_mut(), floats, raw, windows: windows.bytes_mut() };
        for (number, step) in steps.iter_mut().enumerate() {
            memory.step(&mut step.kind, pixels, outputs)?;
            after(number);
        }
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({} steps, {} bytes)", self.steps.len(), self.arena.bytes().len())
    }
}

/// The memory of a run.
struct Memory<'a> {
    kernels: &'static Kernels,
    arena: &'a mut [u8],
    floats: &'a mut [f32],
    raw: &'a mut [i32],
    windows: &'a mut [u8],
}

impl Memory<'_> {
    fn step(&mut self, kind: &mut Kind, pixels: &[u8], outputs: &mut [Vec<f32>]) -> Result<(), EngineError> {
        let set = self.kernels;
        match kind {
            Kind::Input { tables: None, out } => self.arena[out.clone()].copy_from_slice(pixels),
            Kind::Input { tables: Some(tables), out } => {
                let out = self.arena[out.clone()].as_chunks_mut::<3>().0;
                for (to, from) in out.iter_mut().zip(pixels.as_chunks::<3>().0) {
                    *to = core::array::from_fn(|c| tables[c][usize::from(from[c])]);
                }
            }
            Kind::Matmul { op, stride, rows, input, sink } => {
                if let Sink::Bytes(out) = sink {
                    let [input, out] = two(self.arena, reach(input), out);
                    (set.matmul)(op, input, *stride, *rows, out);
                } else {
                    let raw = &mut self.raw[..*rows * padded(op.columns)];
                    (set.matmul_raw)(op, &self.arena[reach(input)], *stride, *rows, raw);
                    self.finish(op.columns, *rows, sink);
                }
            }
            Kind::Gathered { op, gather, input, sink } => self.gathered(op, gather, input, sink),
            Kind::Depthwise { op, input, sink } => {
                if let Sink::Bytes(out) = sink {
                    let [input, out] = two(self.arena, input.clone(), out);
                    (set.depthwise)(op, input, out);
                } else {
                    let pixels = op.window.output[0] * op.window.output[1];
                    let raw = &mut self.raw[..pixels * padded(op.channels)];
                    (set.depthwise_raw)(op, &self.arena[input.clone()], raw);
                    self.finish(op.channels, pixels, sink);
                }
            }
            Kind::Add { op, a, b, out } => {
                let ([a, b], out) = three(self.arena, a, b, out);
                (set.add)(op, a, b, out);
            }
            Kind::Multiply { op, a, b, out } => {
                let ([a, b], out) = three(self.arena, a, b, out);
                (set.multiply)(op, a, b, out);
            }
            Kind::MultiplyPixel { op, a, pixel, out } => {
                let ([a, pixel], out) = three(self.arena, a, pixel, out);
                (set.multiply_pixel)(op, a, pixel, out);
            }
            Kind::Lookup { table, input, out } => {
                let [input, out] = two(self.arena, input.clone(), out);
                (set.lookup)(table, input, out);
            }
            Kind::LookupChannels { tables, strides, input, out } => {
                let [input, out] = two(self.arena, input.clone(), out);
                for (from, to) in input.chunks(strides[0]).zip(out.chunks_mut(strides[1])) {
                    for ((to, from), table) in to.iter_mut().zip(from).zip(tables.iter()) {
                        *to = table[usize::from(*from)];
                    }
                }
            }
            Kind::MaxPool { window, channels, input, out } => {
                let [input, out] = two(self.arena, input.clone(), out);
                (set.max_pool)(window, *channels, input, out);
            }
            Kind::Sum { channels, input, sink } => {
                let raw = &mut self.raw[..padded(*channels)];
                (set.sum)(*channels, &self.arena[input.clone()], raw);
                self.finish(*channels, 1, sink);
            }
            Kind::WindowSum { window, channels, zeros, input, sink } => {
                let pixels = window.output[0] * window.output[1];
                let raw = &mut self.raw[..pixels * padded(*channels)];
                window_sums(window, *channels, zeros, &self.arena[input.clone()], raw);
                self.finish(*channels, pixels, sink);
            }
            Kind::Enlarge { size, times, pixel, input, out } => {
                let [input, out] = two(self.arena, input.clone(), out);
                enlarge(*size, *times, *pixel, input, out);
            }
            Kind::Join { parts, pixels, pixel, out } => self.join(parts, *pixels, *pixel, out),
            Kind::Dequantise { quant, posts, channels, stride, input, floats } => {
                let input = self.arena[input.clone()].chunks(*stride);
                for (to, from) in self.floats[floats.clone()].chunks_mut(*channels).zip(input) {
                    for (c, (to, from)) in to.iter_mut().zip(from).enumerate() {
                        *to = post::apply(posts, c, quant.dequantise(c, *from));
                    }
                }
            }
            Kind::Quantise { view, posts, quant, channels, floats, out } => {
                let (floats, out) = (&self.floats[floats.clone()], &mut self.arena[out.clone()]);
                let width = padded(*channels);
                view.for_each(|at, from| {
                    let c = at % *channels;
                    out[at / *channels * width + c] = quant.quantise(c, post::apply(posts, c, floats[from]));
                });
            }
            Kind::Copy { view, posts, floats, out_floats } => {
                let [from, to] = two(self.floats, floats.clone(), out_floats);
                view.for_each(|at, i| to[at] = post::apply(posts, 0, from[i]));
            }
            Kind::Island { island, inputs, outputs } => island.run(self.floats, inputs, outputs)?,
            Kind::Output { view, posts, floats, index } => {
                let (from, to) = (&self.floats[floats.clone()], &mut outputs[*index]);
                if posts.is_empty() && view.is_contiguous() {
                    let count = to.len();
                    to.copy_from_slice(&from[..count]);
                } else {
                    view.for_each(|at, i| to[at] = post::apply(posts, 0, from[i]));
                }
            }
        }
        Ok(())
    }

    /// A strip of windows at a time: gathered, multiplied, written.
    fn gathered(&mut self, op: &Matmul, gather: &Gather, input: &Span, sink: &mut Sink) {
        let width = padded(op.columns);
        if let Sink::Bytes(out) = sink {
            let [input, out] = two(self.arena, reach(input), out);
            for first in (0..gather.pixels()).step_by(Gather::STRIP) {
                let rows = Gather::STRIP.min(gather.pixels() - first);
                gather.fill(input, first, rows, self.windows);
                let out = &mut out[first * width..(first + rows) * width];
                (self.kernels.matmul)(op, self.windows, gather.stride(), rows, out);
            }
        } else {
            let input = &self.arena[reach(input)];
            for first in (0..gather.pixels()).step_by(Gather::STRIP) {
                let rows = Gather::STRIP.min(gather.pixels() - first);
                gather.fill(input, first, rows, self.windows);
                let raw = &mut self.raw[first * width..(first + rows) * width];
                (self.kernels.matmul_raw)(op, self.windows, gather.stride(), rows, raw);
            }
            self.finish(op.columns, gather.pixels(), sink);
        }
    }

    /// Accumulators of `pixels` pixels to where they go.
    fn finish(&mut self, channels: usize, pixels: usize, sink: &Sink) {
        let width = padded(channels);
        let raw = self.raw[..pixels * width].chunks(width);
        match sink {
            Sink::Bytes(_) => {}
            Sink::Finished { scale, posts, quant, out } => {
                for (to, from) in self.arena[out.clone()].chunks_mut(width).zip(raw) {
                    for c in 0..channels {
                        to[c] = quant.quantise(c, post::apply(posts, c, from[c] as f32 * scale[c]));
                    }
                }
            }
            Sink::Floats { scale, posts, floats } => {
                for (to, from) in self.floats[floats.clone()].chunks_mut(channels).zip(raw) {
                    for ((to, from), scale) in to.iter_mut().zip(from).zip(scale) {
                        *to = *from as f32 * scale;
                    }
                    if !posts.is_empty() {
                        to.iter_mut().enumerate().for_each(|(c, to)| *to = post::apply(posts, c, *to));
                    }
                }
            }
        }
    }

    fn join(&mut self, parts: &[Part], pixels: usize, pixel: usize, out: &Span) {
        let mut channel = 0;
        for part in parts {
            let [input, out] = two(self.arena, part.input.clone(), out);
            for i in 0..pixels {
                let from = &input[i * part.stride..][..part.channels];
                let to = &mut out[i * pixel + channel..][..part.channels];
                match &part.table {
                    None => to.copy_from_slice(from),
                    Some(table) => {
                        to.iter_mut().zip(from).for_each(|(to, from)| *to = table[usize::from(*from)]);
                    }
                }
            }
            channel += part.channels;
        }
    }
}

/// The slack that matrix products may read beyond a plane: the rest of a group of four.
pub(super) const SLACK: usize = 64;

/// A plane and the slack behind it; what lies there is multiplied by zero.
fn reach(span: &Span) -> Span {
    span.start..span.end + SLACK
}

/// A part to read and a part to write of one arena. The slack behind the first may reach into the second: then the
/// second is cut off it, which nothing needs that lies before its end.
fn two<'a, T>(arena: &'a mut [T], input: Span, out: &Span) -> [&'a mut [T]; 2] {
    let end = if input.start < out.start { input.end.min(out.start) } else { input.end };
    match arena.get_disjoint_mut([input.start..end, out.clone()]) {
        Ok(parts) => parts,
        Err(_) => unreachable!("the plan keeps operands of a step apart"),
    }
}

/// Two parts to read, which may be the same, and one to write.
fn three<'a>(arena: &'a mut [u8], a: &Span, b: &Span, out: &Span) -> ([&'a [u8]; 2], &'a mut [u8]) {
    if a == b {
        let [a, out] = two(arena, a.clone(), out);
        return ([a, a], out);
    }
    match arena.get_disjoint_mut([a.clone(), b.clone(), out.clone()]) {
        Ok([a, b, out]) => ([a, b], out),
        Err(_) => unreachable!("the plan keeps operands of a step apart"),
    }
}

fn window_sums(window: &Window, channels: usize, zeros: &[i32], input: &[u8], out: &mut [i32]) {
    let width = padded(channels);
    for (at, sums) in out.chunks_mut(width).enumerate() {
        sums.fill(0);
        let [y, x] = [at / window.output[1], at % window.output[1]];
        for (i, j) in (0..window.kernel[0]).flat_map(|i| (0..window.kernel[1]).map(move |j| (i, j))) {
            let row = (y * window.stride[0] + i * window.dilation[0]).checked_sub(window.pad[0]);
            let column = (x * window.stride[1] + j * window.dilation[1]).checked_sub(window.pad[1]);
            let inside = row.zip(column).filter(|(r, c)| *r < window.input[0] && *c < window.input[1]);
            match inside {
                None => sums.iter_mut().zip(zeros).for_each(|(sum, zero)| *sum += zero),
                Some((row, column)) => {
                    let pixel = &input[(row * window.input[1] + column) * width..][..width];
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += i32::from(*value));
                }
            }
        }
    }
}

fn enlarge(size: [usize; 2], times: [usize; 2], pixel: usize, input: &[u8], out: &mut [u8]) {
    let row = size[1] * times[1] * pixel;
    for y in 0..size[0] {
        let (first, rest) = out[y * times[0] * row..][..times[0] * row].split_at_mut(row);
        let from = input[y * size[1] * pixel..][..size[1] * pixel].chunks_exact(pixel);
        for (to, from) in first.chunks_exact_mut(pixel * times[1]).zip(from) {
            to.chunks_exact_mut(pixel).for_each(|to| to.copy_from_slice(from));
        }
        rest.chunks_exact_mut(row).for_each(|copy| copy.copy_from_slice(first));
    }
}
