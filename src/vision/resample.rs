//! Scaling a frame, or a part of it, into a network's input.
//!
//! Owns: area-weighted letterbox scaling and plain bilinear scaling. Does not own: warps (`align`), what a network
//! makes of a pixel (`engine::Pixels`).
//! Invariants: tables and rows are kept and only grow when the frame's size changes; every pixel read lies
//! inside the frame; what comes out is rounded to the nearest whole step and in the network's order of colours.

use super::blend::{BLEND_LOSS, Lanes, STEP, WHOLE, blend, eight, pair, rounding, store};
use super::manifest::{Colour, Input};
use ostiary_domain::Frame;

/// How a frame was laid into the network's input: `frame = input / scale`, both from the top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Letterbox {
    /// Input pixels a frame pixel.
    pub scale: f32,
    /// Columns filled.
    pub width: usize,
    /// Rows filled.
    pub height: usize,
}

/// Scales whole frames into the top left of a network's input; the rest is black.
///
/// Downward each pixel is the mean of the area it covers, upward it is interpolated between pixel centres; by a
/// factor of two exactly that is also what interpolation gives.
pub struct Letterboxer {
    input: Input,
    source: (u32, u32),
    columns: Taps,
    rows: Taps,
    /// One row of the input's height and the frame's width, and room to read whole pairs of pixels past its end.
    line: Vec<[u16; 8]>,
    pixels: Vec<u8>,
    layout: Letterbox,
}

// Holds what the camera saw.
impl std::fmt::Debug for Letterboxer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Letterboxer(<redacted>)")
    }
}

impl Letterboxer {
    /// For one network's input.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self {
            input,
            source: (0, 0),
            columns: Taps::default(),
            rows: Taps::default(),
            line: Vec::new(),
            pixels: vec![0; 3 * input.width * input.height],
            layout: Letterbox { scale: 1.0, width: 0, height: 0 },
        }
    }

    /// The input's pixels and where the frame lies in them.
    pub fn fill(&mut self, frame: Frame<'_>) -> (&[u8], Letterbox) {
        if self.source != (frame.width(), frame.height()) {
            self.prepare(frame.width(), frame.height());
        }
        let stride = frame.width() as usize * 3;
        // Half a 256th a product.
        let loss = rounding((self.columns.each + self.rows.each).min(STEP as usize / 2) as u16 / 2);
        let colour = self.input.colour;
        let rows = self.pixels.chunks_exact_mut(self.input.width * 3).take(self.layout.height);
        for (y, out) in rows.enumerate() {
            let (first, weights) = self.rows.of(y);
            gather(&mut self.line, stride, &frame.rgb()[first * stride..], weights);
            let (out, _) = out[..self.layout.width * 3].as_chunks_mut::<3>();
            let line = self.line.as_flattened();
            match self.columns.each.div_ceil(2) {
                1 => spread::<1>(line, &self.columns, loss, colour, out),
                2 => spread::<2>(line, &self.columns, loss, colour, out),
                3 => spread::<3>(line, &self.columns, loss, colour, out),
                _ => spread::<0>(line, &self.columns, loss, colour, out),
            }
        }
        (&self.pixels, self.layout)
    }

    fn prepare(&mut self, width: u32, height: u32) {
        let by_width = self.input.width as f32 / width as f32;
        let by_height = self.input.height as f32 / height as f32;
        let scale = by_width.min(by_height);
        let side = |s: u32, most: usize| ((s as f32 * scale).round() as usize).clamp(1, most);
        self.layout = Letterbox {
            scale,
            width: side(width, self.input.width),
            height: side(height, self.input.height),
        };
        self.columns.prepare(width as usize, self.layout.width, scale);
        self.rows.prepare(height as usize, self.layout.height, scale);
        self.line.resize((width as usize * 3 + 8).div_ceil(8), [0; 8]);
        self.pixels.fill(0);
        self.source = (width, height);
    }
}

/// The weighted sum of as many rows as there are weights, in [`STEP`]ths; `rows` begins with the first.
fn gather(line: &mut [[u16; 8]], stride: usize, rows: &[u8], weights: &[u16]) {
    // Nearly every frame is gathered from one to four rows; what is known of its weights need not be looked up.
    match weights {
        [a] => sums(line, stride, rows, [*a]),
        [a, b] => sums(line, stride, rows, [*a, *b]),
        [a, b, c] => sums(line, stride, rows, [*a, *b, *c]),
        [a, b, c, d] => sums(line, stride, rows, [*a, *b, *c, *d]),
        _ => {
            line.fill([0; 8]);
            for (i, weight) in weights.iter().enumerate() {
                let (row, weight) = (rows.get(i * stride..).unwrap_or(&[]), Lanes::splat(*weight));
                for (group, sum) in line.iter_mut().enumerate() {
                    Lanes::of(sum).sum(Lanes::of_bytes(eight(row, group * 8)).part(weight)).write(sum);
                }
            }
        }
    }
}

fn sums<const N: usize>(line: &mut [[u16; 8]], stride: usize, rows: &[u8], weights: [u16; N]) {
    let weights = weights.map(Lanes::splat);
    let rows: [&[u8]; N] = core::array::from_fn(|i| rows.get(i * stride..).unwrap_or(&[]));
    for (group, sum) in line.iter_mut().enumerate() {
        let mut value = Lanes::splat(0);
        for (row, weight) in rows.iter().zip(weights) {
            value = value.sum(Lanes::of_bytes(eight(row, group * 8)).part(weight));
        }
        value.write(sum);
    }
}

/// The row of the input that a gathered line makes; two columns of the frame weigh in at a time, `PAIRS` times, or
/// any number of times where that is 0.
fn spread<const PAIRS: usize>(
    line: &[u16],
    columns: &Taps,
    loss: Lanes,
    colour: Colour,
    out: &mut [[u8; 3]],
) {
    let pairs = if PAIRS == 0 { columns.pairs.len() / columns.first.len().max(1) } else { PAIRS };
    for ((first, weights), pixel) in columns.first.iter().zip(columns.pairs.chunks_exact(pairs)).zip(out) {
        let at = *first as usize * 3;
        let line = &line[at..at + pairs * 6 + 2];
        let mut value = Lanes::splat(0);
        for (i, weights) in weights.iter().enumerate() {
            if let Some(colours) = line[i * 6..].first_chunk() {
                value = value.sum(Lanes::of(colours).part(Lanes::of(weights)));
            }
        }
        store(value.folded(), loss, colour, pixel);
    }
}

/// For each target pixel the source pixels it is made of, and their weights.
#[derive(Debug, Default)]
struct Taps {
    /// Source pixels a target pixel, the same for all; those that do not count weigh nothing.
    each: usize,
    first: Vec<u32>,
    weights: Vec<u16>,
    /// The same as [`Lanes`] of two pixels take them.
    pairs: Vec<[u16; 8]>,
}

impl Taps {
    fn of(&self, target: usize) -> (usize, &[u16]) {
        (self.first[target] as usize, &self.weights[target * self.each..][..self.each])
    }

    fn prepare(&mut self, source: usize, target: usize, scale: f32) {
        let mut exact = Vec::new();
        let spans: Vec<_> = (0..target)
            .map(|t| {
                let at = exact.len();
                let first = if scale < 1.0 {
                    area(&mut exact, source, t, scale)
                } else {
                    linear(&mut exact, source, t, scale)
                };
                (first, at..exact.len())
            })
            .collect();
        self.each = spans.iter().map(|(_, span)| span.len()).max().unwrap_or(1);
        self.first.clear();
        self.weights.clear();
        self.weights.resize(target * self.each, 0);
        for ((first, span), weights) in spans.into_iter().zip(self.weights.chunks_exact_mut(self.each)) {
            // All spans are as long as the longest: one that would reach beyond the source begins earlier.
            let begin = first.min(source - self.each);
            self.first.push(begin as u32);
            quantise(&exact[span.clone()], &mut weights[first - begin..][..span.len()]);
        }
        self.pairs.clear();
        for weights in self.weights.chunks_exact(self.each) {
            let of = |i: usize| weights.get(i).copied().unwrap_or(0);
            self.pairs.extend((0..self.each).step_by(2).map(|i| {
                let (a, b) = (of(i), of(i + 1));
                [a, a, a, b, b, b, 0, 0]
            }));
        }
    }
}

/// Weights as parts of 65,536 that add up to exactly that; one alone is [`WHOLE`].
fn quantise(exact: &[f32], weights: &mut [u16]) {
    let all: f32 = exact.iter().sum();
    let (mut before, mut sum) = (0_u32, 0.0);
    for (weight, part) in weights.iter_mut().zip(exact) {
        sum += part / all;
        let until = (sum * 65_536.0).round() as u32;
        *weight = u16::try_from(until.min(65_536) - before).unwrap_or(WHOLE);
        before = until.min(65_536);
    }
}

/// The source interval `[t, t + 1) / scale`, pixels at its ends weighted by what of them it covers.
fn area(weights: &mut Vec<f32>, source: usize, t: usize, scale: f32) -> usize {
    let from = (t as f32 / scale).min(source as f32 - 1.0);
    let to = ((t + 1) as f32 / scale).min(source as f32);
    // Slivers of rounding are dropped.
    let first = (from + 1e-3) as usize;
    let last = (((to - 1e-3).ceil() as usize).max(first + 1)).min(source);
    weights.extend((first..last).map(|s| (to.min((s + 1) as f32) - from.max(s as f32)).max(0.0)));
    first
}

/// Between the two nearest pixel centres.
fn linear(weights: &mut Vec<f32>, source: usize, t: usize, scale: f32) -> usize {
    let (first, fraction) = nearest(t, 1.0 / scale, source);
    weights.push(1.0 - fraction);
    if first + 1 < source {
        weights.push(fraction);
    }
    first
}

/// The pixel left of target pixel `t` and the way from it, 0 to 1, for `step` source pixels a target pixel.
fn nearest(t: usize, step: f32, source: usize) -> (usize, f32) {
    let at = ((t as f32 + 0.5) * step - 0.5).clamp(0.0, source as f32 - 1.0);
    (at as usize, at.fract())
}

/// An upright part of a frame in whole pixels, inside of it and not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Left column.
    pub x: usize,
    /// Top row.
    pub y: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Scales crops to a network's input by plain bilinear interpolation without smoothing, values rounded to whole
/// steps: what the networks over crops were trained with.
pub struct Cropper {
    input: Input,
    /// Byte of the frame's row where the left pixel begins, and the right one's weight.
    columns: Vec<(u32, u16)>,
    pixels: Vec<u8>,
}

// Holds what the camera saw.
impl std::fmt::Debug for Cropper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cropper(<redacted>)")
    }
}

impl Cropper {
    /// For one network's input.
    #[must_use]
    pub fn new(input: Input) -> Self {
        Self {
            input,
            columns: Vec::with_capacity(input.width),
            pixels: vec![0; 3 * input.width * input.height],
        }
    }

    /// The input's pixels; `crop` is cut to the frame.
    pub fn fill(&mut self, frame: Frame<'_>, crop: Crop) -> &[u8] {
        let (frame_width, frame_height) = (frame.width() as usize, frame.height() as usize);
        let x0 = crop.x.min(frame_width - 1);
        let y0 = crop.y.min(frame_height - 1);
        let width = crop.width.clamp(1, frame_width - x0);
        let height = crop.height.clamp(1, frame_height - y0);
        let Input { width: across, height: down, colour, .. } = self.input;

        let step = width as f32 / across as f32;
        self.columns.clear();
        self.columns.extend((0..across).map(|t| {
            // The last pixel has no right neighbour in the crop; whatever stands there weighs nothing.
            let (left, fraction) = nearest(t, step, width);
            (((x0 + left) * 3) as u32, weight(fraction))
        }));
        let step = height as f32 / down as f32;
        let loss = rounding(BLEND_LOSS);
        let row = |y: usize| &frame.rgb()[(y0 + y) * frame_width * 3..][..frame_width * 3];
        for (ty, out) in self.pixels.chunks_exact_mut(across * 3).enumerate() {
            let (y, fraction) = nearest(ty, step, height);
            let (top, bottom) = (row(y), row((y + 1).min(height - 1)));
            let lower = weight(fraction);
            let (upper, lower) = (Lanes::splat(WHOLE - lower), Lanes::splat(lower));
            for ((at, right), pixel) in self.columns.iter().zip(out.as_chunks_mut::<3>().0) {
                let at = *at as usize;
                let value = blend(pair(top, at), pair(bottom, at), *right, upper, lower);
                store(value.folded(), loss, colour, pixel);
            }
        }
        &self.pixels
    }
}

/// A part of 0 to 1 as a weight.
fn weight(part: f32) -> u16 {
    (part * 65_536.0).round().min(f32::from(WHOLE)) as u16
}

// One step of brightness outweighs all that a blend can lose.
const _: () = assert!(BLEND_LOSS * 2 < STEP / 2);

#[cfg(test)]
#[path = "resample_tests.rs"]
mod tests;
