//! Triangles and hairs into a frame of light, nearest first.
//!
//! Owns: the frame of light with its depths, triangles and thin lines. Does not own: what a point looks like (the
//! caller's shader). Invariant: whatever is drawn, only pixels inside the frame are written.

use super::maths::{V3, mix};

/// A frame in amounts of light, with how near each pixel is.
pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) light: Vec<V3>,
    /// One over the distance; 0 is endless.
    pub(super) near: Vec<f32>,
}

/// A corner: place in pixels, one over the distance, and values that are spread over the triangle.
#[derive(Clone, Copy)]
pub(super) struct Corner<const N: usize> {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) near: f32,
    pub(super) values: [f32; N],
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, light: vec![[0.0; 3]; width * height], near: vec![0.0; width * height] }
    }

    /// Draws a triangle whose corners run clockwise on the picture (others show their back and are left out).
    /// `shade` gives a colour and how opaque it is.
    pub(super) fn triangle<const N: usize>(
        &mut self,
        [a, b, c]: [&Corner<N>; 3],
        shade: &mut impl FnMut(&[f32; N]) -> (V3, f32),
    ) {
        let area = (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y);
        if area < 1e-6 || a.near <= 0.0 || b.near <= 0.0 || c.near <= 0.0 {
            return;
        }
        let (w, h) = (self.width as f32 - 1.0, self.height as f32 - 1.0);
        let x0 = a.x.min(b.x).min(c.x).ceil().max(0.0);
        let x1 = a.x.max(b.x).max(c.x).floor().min(w);
        let y0 = a.y.min(b.y).min(c.y).ceil().max(0.0);
        let y1 = a.y.max(b.y).max(c.y).floor().min(h);
        // What is not a number draws nothing either.
        if x0 > x1 || y0 > y1 || (x0 + x1 + y0 + y1).is_nan() {
            return;
        }
        let inverse = 1.0 / area;
        let (ux, uy) = ((c.y - a.y) * inverse, -(c.x - a.x) * inverse);
        let (vx, vy) = (-(b.y - a.y) * inverse, (b.x - a.x) * inverse);
        for y in y0 as usize..=y1 as usize {
            let dy = y as f32 - a.y;
            for x in x0 as usize..=x1 as usize {
                let dx = x as f32 - a.x;
                let u = dx * ux + dy * uy;
                let v = dx * vx + dy * vy;
                if u < 0.0 || v < 0.0 || u + v > 1.0 {
                    continue;
                }
                let near = a.near + u * (b.near - a.near) + v * (c.near - a.near);
                let at = y * self.width + x;
                if near <= self.near[at] {
                    continue;
                }
                let mut values = a.values;
                for (value, (b, c)) in values.iter_mut().zip(b.values.iter().zip(&c.values)) {
                    let own = *value;
                    *value += u * (b - own) + v * (c - own);
                }
                let (colour, opaque) = shade(&values);
                if opaque >= 0.99 {
                    self.light[at] = colour;
                    self.near[at] = near;
                } else if opaque > 0.0 {
                    let under = &mut self.light[at];
                    *under = [
                        mix(under[0], colour[0], opaque),
                        mix(under[1], colour[1], opaque),
                        mix(under[2], colour[2], opaque),
                    ];
                }
            }
        }
    }

    /// Draws every face of a grid of corners.
    pub(super) fn grid<const N: usize>(
        &mut self,
        corners: &[Corner<N>],
        columns: usize,
        mut shade: impl FnMut(&[f32; N]) -> (V3, f32),
    ) {
        let rows = corners.len() / columns;
        for row in 1..rows {
            for column in 1..columns {
                let at = row * columns + column;
                let [a, b, c, d] = [at - columns - 1, at - columns, at, at - 1].map(|i| &corners[i]);
                self.triangle([a, b, c], &mut shade);
                self.triangle([a, c, d], &mut shade);
            }
        }
    }

    /// Draws a thin line from one corner to the other: `wide` pixels across (up to about two), with that opacity.
    /// It is drawn where it is at most `through` (a part of the distance) behind what is there.
    pub(super) fn hair(
        &mut self,
        a: [f32; 3],
        b: [f32; 3],
        colours: [V3; 2],
        wide: f32,
        opaque: f32,
        through: f32,
    ) {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let steep = dy.abs() > dx.abs();
        let length = if steep { dy.abs() } else { dx.abs() };
        if length > 4_000.0 || length.is_nan() {
            return;
        }
        let steps = length.ceil().max(1.0) as usize;
        let inverse = 1.0 / steps as f32;
        let (w, h) = (self.width as f32 - 1.0, self.height as f32 - 1.0);
        for i in 0..steps {
            let t = i as f32 * inverse;
            let (x, y) = (a[0] + dx * t, a[1] + dy * t);
            if !(x >= 0.0 && y >= 0.0 && x < w && y < h) {
                continue;
            }
            let near = a[2] + (b[2] - a[2]) * t;
            let colour = [
                mix(colours[0][0], colours[1][0], t),
                mix(colours[0][1], colours[1][1], t),
                mix(colours[0][2], colours[1][2], t),
            ];
            // Two pixels across the line share its width.
            let (x0, y0) = (x as usize, y as usize);
            let part = if steep { x - x0 as f32 } else { y - y0 as f32 };
            let first = y0 * self.width + x0;
            let second = if steep { first + 1 } else { first + self.width };
            for (at, cover) in [(first, 1.0 - part), (second, part)] {
                if near < self.near[at] * (1.0 - through) {
                    continue;
                }
                let k = (cover * wide).min(1.0) * opaque;
                let under = &mut self.light[at];
                *under =
                    [mix(under[0], colour[0], k), mix(under[1], colour[1], k), mix(under[2], colour[2], k)];
                if k > 0.45 && near > self.near[at] {
                    self.near[at] = near;
                }
            }
        }
    }
}
