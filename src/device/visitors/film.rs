//! From light to the bytes of a camera: softness of the lens, motion within the exposure, tone, grain.
//!
//! Owns: everything between the light that arrives and the frame that is delivered. Does not own: what is seen.

use super::maths::V3;

/// Steps of the table from light to bytes, up to twice the white of paper.
const STEPS: usize = 4_096;
const MOST: f32 = 2.0;
/// The farthest that anything smears within one exposure, in pixels.
const SMEAR: f32 = 9.0;

/// A camera's way with light.
pub(super) struct Film {
    table: Vec<u8>,
    rows: [Vec<V3>; 3],
    smeared: Vec<V3>,
}

/// What differs from frame to frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exposure {
    /// Factor on all light.
    pub(super) gain: f32,
    /// How far the visitor moves across the picture while it is taken, in pixels.
    pub(super) smear: [f32; 2],
    /// Rows and columns that the visitor covers: left, top, right, bottom.
    pub(super) area: [f32; 4],
    /// Of this frame's grain; 0 for none.
    pub(super) grain: u32,
}

impl Film {
    pub(super) fn new(width: usize) -> Self {
        let table = (0..STEPS).map(|i| byte(i as f32 / (STEPS - 1) as f32 * MOST)).collect();
        Self {
            table,
            rows: [vec![[0.0; 3]; width], vec![[0.0; 3]; width], vec![[0.0; 3]; width]],
            smeared: Vec::new(),
        }
    }

    /// Exposes a frame of `width` pixels a row.
    pub(super) fn expose(&mut self, light: &mut [V3], width: usize, how: &Exposure, rgb: &mut [u8]) {
        let height = light.len() / width;
        self.smear(light, width, height, how);
        let mut state = how.grain;
        let factor = how.gain * (STEPS - 1) as f32 / MOST;
        soft_row(&light[..width], &mut self.rows[1]);
        soft_row(&light[..width], &mut self.rows[0]);
        for y in 0..height {
            let below = (y + 1).min(height - 1);
            soft_row(&light[below * width..(below + 1) * width], &mut self.rows[2]);
            let out = &mut rgb[y * width * 3..(y + 1) * width * 3];
            let dy = (y as f32 / height as f32 - 0.5) * 2.0;
            for (x, pixel) in out.chunks_exact_mut(3).enumerate() {
                let (a, b, c) = (self.rows[0][x], self.rows[1][x], self.rows[2][x]);
                let dx = (x as f32 / width as f32 - 0.5) * 2.0;
                let k = factor * (1.0 - 0.09 * (dx * dx + dy * dy)) * 0.25;
                // xorshift32 (Marsaglia 2003).
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                for (i, value) in pixel.iter_mut().enumerate() {
                    let v = (a[i] + 2.0 * b[i] + c[i]) * k;
                    let v = self.table[(v as usize).min(STEPS - 1)];
                    // The sum of two evens: small steps often, larger ones seldom.
                    let n = (state >> (i * 8)) as i32;
                    let step = ((n & 7) + ((n >> 3) & 7) - 7) >> 1;
                    *value = (i32::from(v) + if how.grain == 0 { 0 } else { step }).clamp(0, 255) as u8;
                }
            }
            self.rows.rotate_left(1);
        }
    }

    fn smear(&mut self, light: &mut [V3], width: usize, height: usize, how: &Exposure) {
        let [mx, my] = how.smear.map(|v| v.clamp(-SMEAR, SMEAR));
        let length = mx.abs().max(my.abs());
        if length < 1.0 || length.is_nan() {
            return;
        }
        let taps = length.ceil() as usize + 1;
        let bound = |v: f32, most: usize| (v.max(0.0) as usize).min(most);
        let (x0, x1) = (bound(how.area[0], width), bound(how.area[2], width));
        let (y0, y1) = (bound(how.area[1], height), bound(how.area[3], height));
        self.smeared.clear();
        self.smeared.extend_from_slice(light);
        let offsets: Vec<(isize, isize)> = (0..taps)
            .map(|i| {
                let t = i as f32 / (taps - 1) as f32 - 0.5;
                ((mx * t + 64.5).floor() as isize - 64, (my * t + 64.5).floor() as isize - 64)
            })
            .collect();
        let k = 1.0 / taps as f32;
        for y in y0..y1 {
            for x in x0..x1 {
                let mut sum = [0.0_f32; 3];
                for &(ox, oy) in &offsets {
                    let sx = (x as isize + ox).clamp(0, width as isize - 1) as usize;
                    let sy = (y as isize + oy).clamp(0, height as isize - 1) as usize;
                    let v = self.smeared[sy * width + sx];
                    sum = [sum[0] + v[0], sum[1] + v[1], sum[2] + v[2]];
                }
                light[y * width + x] = [sum[0] * k, sum[1] * k, sum[2] * k];
            }
        }
    }
}

/// A row softened sideways: a quarter, a half, a quarter.
fn soft_row(light: &[V3], out: &mut [V3]) {
    let n = light.len();
    for x in 0..n {
        let (a, b, c) = (light[x.max(1) - 1], light[x], light[(x + 1).min(n - 1)]);
        out[x] = [
            (a[0] + 2.0 * b[0] + c[0]) * 0.25,
            (a[1] + 2.0 * b[1] + c[1]) * 0.25,
            (a[2] + 2.0 * b[2] + c[2]) * 0.25,
        ];
    }
}

/// Light to a byte: straight to six tenths, then a shoulder, then the screen's curve.
fn byte(light: f32) -> u8 {
    let x = if light < 0.6 { light } else { 0.6 + 0.4 * (light - 0.6) / (0.4 + (light - 0.6)) * 1.25 };
    let x = x.min(1.0);
    // The inverse of `srgb` by Newton's method.
    let mut t = x.sqrt();
    for _ in 0..6 {
        let value = t * t * (0.8 + 0.2 * t) - x;
        let slope = t * (1.6 + 0.6 * t);
        if slope > 1e-6 {
            t -= value / slope;
        }
    }
    (t.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
