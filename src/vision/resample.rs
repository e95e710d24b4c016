//! Scaling a frame, or a part of it, into the planes of a network's input.
//!
//! Owns: area-weighted letterbox scaling and plain bilinear scaling. Does not own: warps (`align`).
//! Invariants: tables and rows are kept and only grow when the frame's size changes; every pixel read lies
//! inside the frame.

use super::manifest::{Colour, Input};
use crate::domain::Frame;

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
    line: Vec<f32>,
    planes: Vec<f32>,
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
            planes: vec![0.0; 3 * input.width * input.height],
            layout: Letterbox { scale: 1.0, width: 0, height: 0 },
        }
    }

    /// The input's planes and where the frame lies in them.
    pub fn fill(&mut self, frame: Frame<'_>) -> (&[f32], Letterbox) {
        if self.source != (frame.width(), frame.height()) {
            self.prepare(frame.width(), frame.height());
        }
        let stride = frame.width() as usize * 3;
        let plane = self.input.width * self.input.height;
        let order = plane_order(self.input.colour);
        let Input { mean, scale, .. } = self.input;
        for y in 0..self.layout.height {
            self.line.fill(0.0);
            let (first, weights) = self.rows.of(y);
            for (i, weight) in weights.iter().enumerate() {
                let row = &frame.rgb()[(first + i) * stride..][..stride];
                for (sum, pixel) in self.line.iter_mut().zip(row) {
                    *sum += weight * f32::from(*pixel);
                }
            }
            for x in 0..self.layout.width {
                let (first, weights) = self.columns.of(x);
                let mut sum = [0.0_f32; 3];
                for (pixel, weight) in self.line[first * 3..].chunks_exact(3).zip(weights) {
                    for c in 0..3 {
                        sum[c] += weight * pixel[c];
                    }
                }
                let at = y * self.input.width + x;
                for c in 0..3 {
                    // Rounded to whole steps, as the detector saw pictures in training.
                    self.planes[order[c] * plane + at] = ((sum[c] + 0.5).floor() - mean) * scale;
                }
            }
        }
        (&self.planes, self.layout)
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
        self.line.resize(width as usize * 3, 0.0);
        self.planes.fill((0.0 - self.input.mean) * self.input.scale);
        self.source = (width, height);
    }
}

/// For each target pixel the source pixels it is made of, and their weights.
#[derive(Debug, Default)]
struct Taps {
    spans: Vec<(u32, u32, u32)>,
    weights: Vec<f32>,
}

impl Taps {
    fn of(&self, target: usize) -> (usize, &[f32]) {
        let (first, at, count) = self.spans[target];
        (first as usize, &self.weights[at as usize..(at + count) as usize])
    }

    fn prepare(&mut self, source: usize, target: usize, scale: f32) {
        self.spans.clear();
        self.weights.clear();
        for t in 0..target {
            let at = self.weights.len();
            let first = if scale < 1.0 { self.area(source, t, scale) } else { self.linear(source, t, scale) };
            self.spans.push((first as u32, at as u32, (self.weights.len() - at) as u32));
        }
    }

    /// The source interval `[t, t + 1) / scale`, pixels at its ends weighted by what of them it covers.
    fn area(&mut self, source: usize, t: usize, scale: f32) -> usize {
        let from = (t as f32 / scale).min(source as f32 - 1.0);
        let to = ((t + 1) as f32 / scale).min(source as f32);
        let first = from as usize;
        let last = ((to.ceil() as usize).max(first + 1)).min(source);
        for s in first..last {
            let covered = (to.min((s + 1) as f32) - from.max(s as f32)).max(0.0);
            // Slivers of rounding are dropped.
            self.weights.push(if covered > 1e-3 { covered } else { 0.0 });
        }
        let start = self.weights.len() - (last - first);
        let sum: f32 = self.weights[start..].iter().sum();
        self.weights[start..].iter_mut().for_each(|w| *w /= sum);
        first
    }

    /// Between the two nearest pixel centres.
    fn linear(&mut self, source: usize, t: usize, scale: f32) -> usize {
        let (first, fraction) = nearest(t, 1.0 / scale, source);
        self.weights.push(1.0 - fraction);
        if first + 1 < source {
            self.weights.push(fraction);
        }
        first
    }
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
    columns: Vec<(usize, usize, f32)>,
    planes: Vec<f32>,
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
            planes: vec![0.0; 3 * input.width * input.height],
        }
    }

    /// The input's planes; `crop` is cut to the frame.
    pub fn fill(&mut self, frame: Frame<'_>, crop: Crop) -> &[f32] {
        let (frame_width, frame_height) = (frame.width() as usize, frame.height() as usize);
        let x0 = crop.x.min(frame_width - 1);
        let y0 = crop.y.min(frame_height - 1);
        let width = crop.width.clamp(1, frame_width - x0);
        let height = crop.height.clamp(1, frame_height - y0);
        let pixel = |x: usize, y: usize| &frame.rgb()[((y0 + y) * frame_width + x0 + x) * 3..][..3];

        let Input { mean, scale, .. } = self.input;
        let plane = self.input.width * self.input.height;
        let order = plane_order(self.input.colour);
        let step = width as f32 / self.input.width as f32;
        self.columns.clear();
        self.columns.extend((0..self.input.width).map(|t| {
            let (left, fraction) = nearest(t, step, width);
            (left, (left + 1).min(width - 1), fraction)
        }));
        let step = height as f32 / self.input.height as f32;
        for ty in 0..self.input.height {
            let (top, down) = nearest(ty, step, height);
            let bottom = (top + 1).min(height - 1);
            for (tx, (left, right, across)) in self.columns.iter().enumerate() {
                let (a, b) = (pixel(*left, top), pixel(*right, top));
                let (c, d) = (pixel(*left, bottom), pixel(*right, bottom));
                for i in 0..3 {
                    let upper = f32::from(a[i]) + across * (f32::from(b[i]) - f32::from(a[i]));
                    let lower = f32::from(c[i]) + across * (f32::from(d[i]) - f32::from(c[i]));
                    let value = (upper + down * (lower - upper) + 0.5).floor();
                    self.planes[order[i] * plane + ty * self.input.width + tx] = (value - mean) * scale;
                }
            }
        }
        &self.planes
    }
}

/// Which plane red, green and blue go to.
pub(super) const fn plane_order(colour: Colour) -> [usize; 3] {
    match colour {
        Colour::Rgb => [0, 1, 2],
        Colour::Bgr => [2, 1, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{FrameMeta, Mono};

    fn input(width: usize, height: usize) -> Input {
        Input { width, height, colour: Colour::Rgb, mean: 0.0, scale: 1.0 }
    }

    fn frame(rgb: &[u8], width: u32, height: u32) -> Frame<'_> {
        Frame::new(rgb, FrameMeta { width, height, captured: Mono(0), seq: 0 }).unwrap()
    }

    #[test]
    fn a_flat_frame_stays_flat_at_any_size() {
        for (w, h) in [(1, 1), (3, 7), (33, 20), (64, 64), (101, 57), (640, 480)] {
            let rgb: Vec<u8> = [10, 100, 200].repeat(w * h);
            let mut boxer = Letterboxer::new(input(32, 32));
            let (planes, layout) = boxer.fill(frame(&rgb, w as u32, h as u32));
            assert!(layout.width == 32 || layout.height == 32, "{w}x{h}");
            for (c, want) in [10.0, 100.0, 200.0].into_iter().enumerate() {
                for y in 0..32 {
                    for x in 0..32 {
                        let inside = x < layout.width && y < layout.height;
                        let got = planes[c * 1024 + y * 32 + x];
                        assert!((got - if inside { want } else { 0.0 }).abs() < 1e-6, "{w}x{h} {x},{y}");
                    }
                }
            }
            let mut cropper = Cropper::new(input(16, 16));
            let whole = Crop { x: 0, y: 0, width: w, height: h };
            assert!(
                cropper.fill(frame(&rgb, w as u32, h as u32), whole)[..256]
                    .iter()
                    .all(|v| (*v - 10.0).abs() < 1e-6)
            );
        }
    }

    #[test]
    fn halving_averages_four_pixels() {
        let rgb: Vec<u8> = (0..16_u8).flat_map(|v| [v * 4; 3]).collect();
        let mut boxer = Letterboxer::new(input(2, 2));
        let (planes, layout) = boxer.fill(frame(&rgb, 4, 4));
        assert!((layout.scale - 0.5).abs() < 1e-6);
        assert_eq!(&planes[..4], &[10.0, 18.0, 42.0, 50.0]);
    }
}
