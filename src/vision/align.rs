//! Turning a face upright: the similarity that lays its five points on the embedder's template, and the warp.
//!
//! Owns: the fit and the resampling. Does not own: where the points come from, what is made of the crop.
//! Invariants: outside of the frame is black; a degenerate set of points gives no crop, never a wild one.

use crate::domain::{AlignedFace, Frame, Landmarks, Point};

/// Where the five points lie in an aligned face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Template {
    /// Pixels of a square of `side`.
    pub points: [Point; 5],
    /// Pixels.
    pub side: usize,
}

/// Rotation, uniform scale and shift: `u = a x - b y + tx`, `v = b x + a y + ty`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Similarity {
    a: f32,
    b: f32,
    tx: f32,
    ty: f32,
}

impl Similarity {
    /// The least-squares fit of `from` onto `to` without reflection: in the plane, Umeyama's solution (IEEE PAMI
    /// 13(4), 1991) in closed form. `None` when the points coincide or are not finite.
    #[must_use]
    pub fn fit(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let mean = |points: &[Point; 5]| Point {
            x: points.iter().map(|p| p.x).sum::<f32>() / 5.0,
            y: points.iter().map(|p| p.y).sum::<f32>() / 5.0,
        };
        let (m, n) = (mean(from), mean(to));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (x, y) = (p.x - m.x, p.y - m.y);
            let (u, v) = (q.x - n.x, q.y - n.y);
            along += x * u + y * v;
            across += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (along / spread, across / spread);
        let fit = Self { a, b, tx: n.x - a * m.x + b * m.y, ty: n.y - b * m.x - a * m.y };
        let sound = [fit.a, fit.b, fit.tx, fit.ty].iter().all(|v| v.is_finite());
        (sound && spread > 1e-3 && fit.scale() > 1e-4).then_some(fit)
    }

    /// Target pixels a source pixel.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    /// Where a point goes.
    #[must_use]
    pub fn apply(&self, p: Point) -> Point {
        Point { x: self.a * p.x - self.b * p.y + self.tx, y: self.b * p.x + self.a * p.y + self.ty }
    }

    /// The way back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let square = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / square, -self.b / square);
        Self { a, b, tx: -(a * self.tx - b * self.ty), ty: -(b * self.tx + a * self.ty) }
    }
}

/// Most samples a side that one pixel of the crop is averaged from.
const MAX_SAMPLES: usize = 6;

/// Warps the face into `face`, whose side is the template's. `false` leaves it black: the points make no face.
pub fn align(frame: Frame<'_>, landmarks: &Landmarks, template: &Template, face: &mut AlignedFace) -> bool {
    let Some(fit) = Similarity::fit(&landmarks.0, &template.points).filter(|_| face.side() == template.side)
    else {
        face.rgb_mut().fill(0);
        return false;
    };
    let back = fit.inverse();
    // Samples so dense that none of the face's pixels is passed over.
    let samples = ((back.scale() - 0.25).ceil() as usize).clamp(1, MAX_SAMPLES);
    let side = face.side();
    let step = 1.0 / samples as f32;
    let start = (step - 1.0) / 2.0;
    for (i, pixel) in face.rgb_mut().chunks_exact_mut(3).enumerate() {
        let (x, y) = ((i % side) as f32, (i / side) as f32);
        let mut sum = [0.0_f32; 3];
        for sy in 0..samples {
            for sx in 0..samples {
                let at = Point { x: x + start + sx as f32 * step, y: y + start + sy as f32 * step };
                add_bilinear(frame, back.apply(at), &mut sum);
            }
        }
        for c in 0..3 {
            pixel[c] = (sum[c] * step * step + 0.5) as u8;
        }
    }
    true
}

/// Adds the colour between four pixels; those outside of the frame count as black.
fn add_bilinear(frame: Frame<'_>, at: Point, sum: &mut [f32; 3]) {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (x, y) = (at.x.floor(), at.y.floor());
    if !(x >= -1.0 && y >= -1.0 && x < width as f32 && y < height as f32) {
        return;
    }
    let (fx, fy) = (at.x - x, at.y - y);
    let (x, y) = (x as isize, y as isize);
    let mut add = |x: isize, y: isize, weight: f32| {
        if x >= 0 && y >= 0 && (x as usize) < width && (y as usize) < height {
            let pixel = &frame.rgb()[(y as usize * width + x as usize) * 3..][..3];
            for c in 0..3 {
                sum[c] += weight * f32::from(pixel[c]);
            }
        }
    };
    add(x, y, (1.0 - fx) * (1.0 - fy));
    add(x + 1, y, fx * (1.0 - fy));
    add(x, y + 1, (1.0 - fx) * fy);
    add(x + 1, y + 1, fx * fy);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: [Point; 5] = [
        Point { x: 38.3, y: 51.7 },
        Point { x: 73.5, y: 51.5 },
        Point { x: 56.0, y: 71.7 },
        Point { x: 41.5, y: 92.4 },
        Point { x: 70.7, y: 92.2 },
    ];

    proptest::proptest! {
        #[test]
        fn a_known_similarity_is_found_again(
            angle in -3.0_f32..3.0, scale in 0.2_f32..8.0, tx in -500.0_f32..500.0, ty in -500.0_f32..500.0,
        ) {
            let (a, b) = (scale * angle.cos(), scale * angle.sin());
            let known = Similarity { a, b, tx, ty };
            let moved = TEMPLATE.map(|p| known.apply(p));
            let back = Similarity::fit(&moved, &TEMPLATE).unwrap();
            for (from, to) in moved.iter().zip(TEMPLATE) {
                proptest::prop_assert!(back.apply(*from).distance(to) < 0.05);
                proptest::prop_assert!(back.inverse().apply(to).distance(*from) < 0.05 * scale.max(1.0));
            }
        }
    }

    #[test]
    fn points_that_make_no_face_make_no_crop() {
        assert_eq!(Similarity::fit(&[Point { x: 5.0, y: 5.0 }; 5], &TEMPLATE), None);
        let mut broken = TEMPLATE;
        broken[2].x = f32::NAN;
        assert_eq!(Similarity::fit(&broken, &TEMPLATE), None);
    }
}
