//! Turning a face upright: the similarity that lays its five points on the embedder's template, and the warp.
//!
//! Owns: the fit and the resampling. Does not own: where the points come from, what is made of the crop.
//! Invariants: outside of the frame is black; a degenerate set of points gives no crop, never a wild one.

use super::blend::{BLEND_LOSS, Lanes, WHOLE, blend, pair, rounding, store};
use super::manifest::Colour;
use ostiary_domain::limits::MAX_ALIGNED_SIDE;
use ostiary_domain::{AlignedFace, Frame, FrameMeta, Landmarks, Mono, Point};

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
/// Beyond so many pixels from the frame's corner nothing of a frame is met any more.
const FAR: f64 = (1 << 20) as f64;
/// Places are counted in pixels times 2^32, so that a sum of steps is exact to a millionth of a pixel.
const UNIT: f64 = 4_294_967_296.0;

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
    let Some(grid) = Grid::new(back, face.side(), samples) else {
        face.rgb_mut().fill(0);
        return true;
    };
    match samples {
        1 => warp::<1>(frame, grid, face),
        2 => warp::<2>(frame, grid, face),
        3 => warp::<3>(frame, grid, face),
        4 => warp::<4>(frame, grid, face),
        5 => warp::<5>(frame, grid, face),
        _ => warp::<MAX_SAMPLES>(frame, grid, face),
    }
    true
}

/// How far a kept face is continued beyond its edge, in parts of its side: no template of the field reaches further.
const BEYOND: usize = 4;

/// Lays a face that was aligned on the points `from` onto another template, into `face`, whose side is the template's.
///
/// Both templates are known, so this is one similarity and no search. What the other template shows beyond the edge of
/// the kept face is continued from its outermost pixels: networks take a smear of skin and hair better than a black
/// frame. `false` leaves `face` black: the points make no face.
pub fn realign(kept: &AlignedFace, from: &[Point; 5], template: &Template, face: &mut AlignedFace) -> bool {
    let side = kept.side();
    if side == template.side && face.side() == side && from.iter().zip(&template.points).all(|(a, b)| a == b)
    {
        face.rgb_mut().copy_from_slice(kept.rgb());
        return true;
    }
    let margin = side.div_ceil(BEYOND);
    let wide = side + 2 * margin;
    let mut rgb = Vec::with_capacity(wide * wide * 3);
    let rows = kept.rgb().as_chunks::<3>().0;
    for y in 0..wide {
        let row = &rows[y.saturating_sub(margin).min(side - 1) * side..][..side];
        rgb.extend((0..wide).flat_map(|x| row[x.saturating_sub(margin).min(side - 1)]));
    }
    let moved = from.map(|p| Point { x: p.x + margin as f32, y: p.y + margin as f32 });
    let meta = FrameMeta { width: wide as u32, height: wide as u32, captured: Mono(0), seq: 0 };
    match Frame::new(&rgb, meta) {
        Ok(frame) => align(frame, &Landmarks(moved), template, face),
        Err(_) => false,
    }
}

/// Where the samples of a crop lie in the frame: `origin + column * (a, b) + row * (-b, a)`, in [`UNIT`]s.
#[derive(Clone, Copy)]
struct Grid {
    x: i64,
    y: i64,
    a: i64,
    b: i64,
}

impl Grid {
    /// `None` when a corner lies so far away that no sum of steps could be trusted.
    fn new(back: Similarity, side: usize, samples: usize) -> Option<Self> {
        let (a, b) = (f64::from(back.a), f64::from(back.b));
        let step = 1.0 / samples as f64;
        let at = |u: f64, v: f64| (a * u - b * v + f64::from(back.tx), b * u + a * v + f64::from(back.ty));
        let (first, last) = ((step - 1.0) / 2.0, side as f64);
        let near = [(first, first), (last, first), (first, last), (last, last)]
            .into_iter()
            .map(|(u, v)| at(u, v))
            .all(|(x, y)| x.abs() < FAR && y.abs() < FAR);
        let (x, y) = at(first, first);
        let fixed = |v: f64| (v * UNIT).round() as i64;
        near.then(|| Self { x: fixed(x), y: fixed(y), a: fixed(a * step), b: fixed(b * step) })
    }
}

/// A sample: where its upper left pixel begins in the frame, and what the right and the lower pixels weigh.
#[derive(Clone, Copy, Default)]
struct Place {
    at: u32,
    right: u16,
    lower: u16,
}

/// Each pixel of the crop as the mean of `N` times `N` bilinear samples.
fn warp<const N: usize>(frame: Frame<'_>, grid: Grid, face: &mut AlignedFace) {
    let side = face.side();
    let source = Source { rgb: frame.rgb(), width: frame.width() as usize, height: frame.height() as usize };
    let share = Lanes::splat(if N == 1 { WHOLE } else { (65_536 / (N * N)) as u16 });
    let loss = rounding(BLEND_LOSS * (N * N) as u16);
    // All places of a row first: the loop over pixels then has nothing to do but to blend.
    let mut places = [[Place::default(); N]; MAX_ALIGNED_SIDE];
    let mut sums = [[0_u16; 8]; MAX_ALIGNED_SIDE];
    let places = &mut places[..side];
    let (pixels, _) = face.rgb_mut().as_chunks_mut::<3>();
    for (row, line) in pixels.chunks_exact_mut(side).enumerate() {
        for sy in 0..N {
            let down = (row * N + sy) as i64;
            let start = (grid.x - down * grid.b, grid.y + down * grid.a);
            let samples = (side * N) as i64;
            let end = (start.0 + (samples - 1) * grid.a, start.1 + (samples - 1) * grid.b);
            let first = sy == 0;
            // On a straight line between two places inside of the frame all others are, too.
            if source.holds(start) && source.holds(end) {
                source.places(start, (grid.a, grid.b), places.as_flattened_mut());
                for (sum, places) in sums.iter_mut().zip(&*places) {
                    let mut colour = if first { Lanes::splat(0) } else { Lanes::of(sum) };
                    for place in places {
                        let at = place.at as usize;
                        let pairs = (pair(source.rgb, at), pair(source.rgb, at + source.width * 3));
                        colour = colour.sum(weighed::<N>(pairs, *place, share));
                    }
                    colour.write(sum);
                }
            } else {
                let (mut x, mut y) = start;
                for sum in &mut sums[..side] {
                    let mut colour = if first { Lanes::splat(0) } else { Lanes::of(sum) };
                    for _ in 0..N {
                        let place = Place { at: 0, right: (x >> 16) as u16, lower: (y >> 16) as u16 };
                        colour = colour.sum(weighed::<N>(source.edge(x >> 32, y >> 32), place, share));
                        (x, y) = (x + grid.a, y + grid.b);
                    }
                    colour.write(sum);
                }
            }
        }
        for (pixel, sum) in line.iter_mut().zip(&sums) {
            store(Lanes::of(sum).folded(), loss, Colour::Rgb, pixel);
        }
    }
}

/// The share of one of `N` times `N` samples, not yet folded.
#[inline]
fn weighed<const N: usize>((top, bottom): (u64, u64), place: Place, share: Lanes) -> Lanes {
    let down = Lanes::splat(place.lower);
    let lower = if N == 1 { down } else { down.part(share) };
    blend(top, bottom, place.right, share.less(lower), lower)
}

/// The frame as samples see it.
struct Source<'a> {
    rgb: &'a [u8],
    width: usize,
    height: usize,
}

impl Source<'_> {
    /// Whether all four pixels around a place are in the frame.
    const fn holds(&self, (x, y): (i64, i64)) -> bool {
        // Left of or above the frame it becomes a huge number.
        ((x >> 32) as usize) < self.width - 1 && ((y >> 32) as usize) < self.height - 1
    }

    /// Samples along a line inside of the frame.
    #[inline]
    fn places(&self, start: (i64, i64), step: (i64, i64), places: &mut [Place]) {
        let (mut x, mut y) = start;
        for place in places {
            // A frame has less than 2^32 bytes.
            let at = ((y >> 32) as u32 * self.width as u32 + (x >> 32) as u32) * 3;
            *place = Place { at, right: (x >> 16) as u16, lower: (y >> 16) as u16 };
            (x, y) = (x + step.0, y + step.1);
        }
    }

    /// The four pixels around a place; those outside of the frame count as black.
    #[cold]
    fn edge(&self, x: i64, y: i64) -> (u64, u64) {
        let pixel = |x: i64, y: i64| {
            let inside = (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y);
            let at = if inside { (y as usize * self.width + x as usize) * 3 } else { usize::MAX };
            self.rgb.get(at..).and_then(<[u8]>::first_chunk::<3>).copied().unwrap_or_default()
        };
        let pair = |y: i64| {
            let ([a, b, c], [d, e, f]) = (pixel(x, y), pixel(x + 1, y));
            u64::from_le_bytes([a, b, c, d, e, f, 0, 0])
        };
        (pair(y), pair(y + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::{FrameMeta, Mono};

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

    /// The colour at a place by the plain formula, beyond the frame's edge mixed with black.
    fn plain(rgb: &[u8], width: i64, height: i64, at: (f64, f64), c: usize) -> f64 {
        let (x, y) = (at.0.floor(), at.1.floor());
        let value = |x: i64, y: i64| {
            let inside = (0..width).contains(&x) && (0..height).contains(&y);
            if inside { f64::from(rgb[((y * width + x) * 3) as usize + c]) } else { 0.0 }
        };
        let (u, v, x, y) = (at.0 - x, at.1 - y, x as i64, y as i64);
        let upper = value(x, y) * (1.0 - u) + value(x + 1, y) * u;
        let lower = value(x, y + 1) * (1.0 - u) + value(x + 1, y + 1) * u;
        upper * (1.0 - v) + lower * v
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(24))]

        /// Each pixel is the mean of its samples, whatever the size, the turn and the place of the face.
        #[test]
        fn a_warp_is_the_mean_of_bilinear_samples(
            angle in -3.2_f64..3.2, scale in 0.3_f64..7.0, x in -60.0_f64..220.0, y in -60.0_f64..160.0,
            seed in 0_u64..1000,
        ) {
            let (width, height) = (160_u32, 120_u32);
            let mut state = seed;
            let rgb: Vec<u8> = (0..width * height * 3).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            }).collect();
            let meta = FrameMeta { width, height, captured: Mono(0), seq: 0 };
            let frame = Frame::new(&rgb, meta).unwrap();
            // The template turned, scaled and laid anywhere: these are the points that a detector gave.
            let known = Similarity {
                a: (scale * angle.cos()) as f32, b: (scale * angle.sin()) as f32,
                tx: (x - 56.0 * scale) as f32, ty: (y - 70.0 * scale) as f32,
            };
            let points = TEMPLATE.map(|p| known.apply(p));
            let template = Template { points: TEMPLATE, side: 112 };
            let mut face = AlignedFace::black(112).unwrap();
            proptest::prop_assert!(align(frame, &Landmarks(points), &template, &mut face));
            let back = Similarity::fit(&points, &TEMPLATE).unwrap().inverse();
            let n = ((back.scale() - 0.25).ceil() as usize).clamp(1, MAX_SAMPLES);
            // What rounding down can take from so many samples, and what is given back for it.
            let bound = (n * n) as f64 * 2.0 / 256.0;
            let sample = |i: usize, s: usize| i as f64 + (s as f64 + 0.5) / n as f64 - 0.5;
            let (a, b) = (f64::from(back.a), f64::from(back.b));
            for (i, pixel) in face.rgb().as_chunks::<3>().0.iter().enumerate().step_by(7) {
                for (c, got) in pixel.iter().enumerate() {
                    let mut mean = 0.0;
                    for s in 0..n * n {
                        let (u, v) = (sample(i % 112, s % n), sample(i / 112, s / n));
                        let at = (a * u - b * v + f64::from(back.tx), b * u + a * v + f64::from(back.ty));
                        mean += plain(&rgb, 160, 120, at, c) / (n * n) as f64;
                    }
                    proptest::prop_assert!((f64::from(*got) - mean).abs() < 0.6 + bound, "{i} {c}: {got} {mean}");
                }
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
