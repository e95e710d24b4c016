//! How good a face is, from its five points and its aligned crop.
//!
//! Owns: the components of ISO/IEC 29794-5 that can be had without a further network, and what they refuse.
//! Does not own: the limits (`config`), what the visitor is told.
//! Invariants: every component is 0 to 100, higher is better; no input gives NaN or a panic.

use super::align::{Similarity, Template};
use super::config::{QualityLimits, Zone};
use ostiary_domain::limits::MAX_ALIGNED_SIDE;
use ostiary_domain::{
    AlignedFace, Detection, Frame, Landmarks, Point, Quality, QualityReason, QualityReasons,
};

/// Eye distance in pixels that counts as ideal: ISO/IEC 39794-5 asks 90 px of a passport photo.
const IDEAL_EYE_PX: f32 = 90.0;
/// Way of the nose from the middle of the eyes, in eye distances, at which a head counts as in profile.
const PROFILE_NOSE: f32 = 0.6;
/// Height of the nose between eyes (0) and mouth (1) of a level head, and how far it moves until 0 points.
const LEVEL_NOSE: f32 = 0.58;
const TILTED_NOSE: f32 = 0.3;
/// Spread of the Laplacian, in steps of brightness, of a crop in good focus: press photos with 45 px between the
/// eyes have 4.5 to 15, the same blurred by two pixels of the crop 2 to 3.6.
const CRISP_LAPLACIAN: f32 = 12.0;
/// Mean brightness of a face: unusable, good from, good to, unusable.
const LUMA: [f32; 4] = [25.0, 70.0, 195.0, 245.0];
/// Points a side by which the part of a face inside the frame is counted.
const GRID: usize = 16;
/// Part of an aligned crop at each side that is background rather than face.
const MARGIN: f32 = 0.08;
/// Brightness at which a pixel counts as clipped.
const CLIPPED_DARK: u8 = 6;
const CLIPPED_BRIGHT: u8 = 250;

/// Judges a face. `face` is its crop aligned on `template`.
#[must_use]
pub fn measure(
    frame: Frame<'_>,
    detection: &Detection,
    template: &Template,
    face: &AlignedFace,
) -> (Quality, Light) {
    let luma = Luma::of(face);
    let light = luma.light();
    let quality = Quality {
        size: percent(detection.landmarks.eye_distance() / IDEAL_EYE_PX),
        yaw: percent(1.0 - yaw(&detection.landmarks).abs() / PROFILE_NOSE),
        pitch: percent(1.0 - (pitch(&detection.landmarks) - LEVEL_NOSE).abs() / TILTED_NOSE),
        sharpness: percent(luma.laplacian_spread() / CRISP_LAPLACIAN),
        exposure: light.score(),
        completeness: completeness(frame, detection, template),
    };
    (quality, light)
}

/// What of it is not good enough. `min_eye_px` depends on the purpose.
#[must_use]
pub fn reasons(
    quality: &Quality,
    light: Light,
    detection: &Detection,
    limits: &QualityLimits,
    min_eye_px: f32,
) -> QualityReasons {
    let dim = light.mean < f32::midpoint(LUMA[1], LUMA[2]);
    let exposure = if dim { QualityReason::Dark } else { QualityReason::Bright };
    let eye_px = detection.landmarks.eye_distance();
    [
        (eye_px.is_nan() || eye_px < min_eye_px, QualityReason::TooSmall),
        (quality.yaw < limits.min_yaw, QualityReason::Yaw),
        (quality.pitch < limits.min_pitch, QualityReason::Pitch),
        (quality.sharpness < limits.min_sharpness, QualityReason::Blur),
        (quality.exposure < limits.min_exposure, exposure),
        (quality.completeness < limits.min_completeness, QualityReason::Occluded),
    ]
    .into_iter()
    .filter_map(|(refused, reason)| refused.then_some(reason))
    .collect()
}

/// Whether the middle of the eyes lies in the zone.
#[must_use]
pub fn in_zone(frame: Frame<'_>, detection: &Detection, zone: &Zone) -> bool {
    let [left, right, ..] = detection.landmarks.0;
    let x = f32::midpoint(left.x, right.x) / frame.width() as f32;
    let y = f32::midpoint(left.y, right.y) / frame.height() as f32;
    (zone.left..=zone.right).contains(&x) && (zone.top..=zone.bottom).contains(&y)
}

/// The nose's way along the line of the eyes from their middle, in eye distances; 0 for a face turned to the
/// camera, positive when it looks to the viewer's right.
fn yaw(landmarks: &Landmarks) -> f32 {
    let (middle, along, _) = eye_axes(landmarks);
    let nose = landmarks.0[2];
    (nose.x - middle.x) * along.x + (nose.y - middle.y) * along.y
}

/// The nose's height between the line of the eyes (0) and the mouth (1).
fn pitch(landmarks: &Landmarks) -> f32 {
    let (middle, _, down) = eye_axes(landmarks);
    let [_, _, nose, left, right] = landmarks.0;
    let height = |p: Point| (p.x - middle.x) * down.x + (p.y - middle.y) * down.y;
    let mouth = f32::midpoint(height(left), height(right));
    if mouth > f32::EPSILON { height(nose) / mouth } else { f32::MAX }
}

/// Middle of the eyes, and the unit vectors along their line and down the face, divided by the eye distance.
fn eye_axes(landmarks: &Landmarks) -> (Point, Point, Point) {
    let [left, right, ..] = landmarks.0;
    let middle = Point { x: f32::midpoint(left.x, right.x), y: f32::midpoint(left.y, right.y) };
    let (dx, dy) = (right.x - left.x, right.y - left.y);
    let square = (dx * dx + dy * dy).max(f32::EPSILON);
    (middle, Point { x: dx / square, y: dy / square }, Point { x: -dy / square, y: dx / square })
}

/// The part of the face's box, or of its crop less a margin where that is less, that lies inside the frame.
///
/// The box alone does not tell: a detector draws it along the frame's edge when the face goes on beyond.
fn completeness(frame: Frame<'_>, detection: &Detection, template: &Template) -> u8 {
    let (width, height) = (frame.width() as f32, frame.height() as f32);
    let b = &detection.bbox;
    let w = (b.x + b.w).min(width) - b.x.max(0.0);
    let h = (b.y + b.h).min(height) - b.y.max(0.0);
    let boxed = (w.max(0.0) * h.max(0.0)) / b.area().max(f32::EPSILON);
    let Some(fit) = Similarity::fit(&detection.landmarks.0, &template.points) else { return 0 };
    let back = fit.inverse();
    let place =
        |i: usize| template.side as f32 * (MARGIN + (1.0 - 2.0 * MARGIN) * (i as f32 + 0.5) / GRID as f32);
    let inside = (0..GRID * GRID)
        .map(|i| back.apply(Point { x: place(i % GRID), y: place(i / GRID) }))
        .filter(|p| p.x >= 0.0 && p.y >= 0.0 && p.x < width && p.y < height)
        .count();
    percent(boxed.min(inside as f32 / (GRID * GRID) as f32))
}

/// 0 to 1 as 0 to 100; NaN is 0.
fn percent(part: f32) -> u8 {
    (part.clamp(0.0, 1.0) * 100.0).round() as u8
}

/// Brightness of a face.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Light {
    /// Mean, 0 to 255.
    pub mean: f32,
    /// Part of the pixels that are black or white, 0 to 1.
    pub clipped: f32,
}

impl Light {
    fn score(self) -> u8 {
        let [dark, from, to, bright] = LUMA;
        let rise = (self.mean - dark) / (from - dark);
        let fall = (bright - self.mean) / (bright - to);
        percent(rise.min(fall).clamp(0.0, 1.0) * (1.0 - 2.0 * self.clipped).max(0.0))
    }
}

/// Brightness of the inner part of an aligned face, where there is skin and neither hair nor background.
struct Luma {
    values: [u8; MAX_ALIGNED_SIDE * MAX_ALIGNED_SIDE],
    side: usize,
}

impl Luma {
    /// ITU-R BT.601.
    fn of(face: &AlignedFace) -> Self {
        let mut values = [0; MAX_ALIGNED_SIDE * MAX_ALIGNED_SIDE];
        for (luma, pixel) in values.iter_mut().zip(face.rgb().as_chunks::<3>().0) {
            let sum = 77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2]);
            *luma = (sum >> 8) as u8;
        }
        Self { values, side: face.side() }
    }

    /// Rows and columns of the inner part: the middle two thirds, from the brows to the chin.
    fn inner(&self) -> core::ops::Range<usize> {
        (self.side / 6).max(1)..(self.side - self.side / 6).min(self.side.saturating_sub(1))
    }

    /// So many pixels above (negative) or below each row of the inner part, and so many to the right.
    fn rows(&self, down: isize, right: isize) -> impl Iterator<Item = &[u8]> {
        let inner = self.inner();
        let (first, width) = (inner.start.wrapping_add_signed(right), inner.len());
        inner.map(move |y| &self.values[y.wrapping_add_signed(down) * self.side + first..][..width])
    }

    fn light(&self) -> Light {
        let (mut sum, mut clipped) = (0_u32, 0_u32);
        for row in self.rows(0, 0) {
            sum += row.iter().map(|v| u32::from(*v)).sum::<u32>();
            // At most 128 in a row.
            clipped += u32::from(
                row.iter().map(|v| u8::from(*v <= CLIPPED_DARK) | u8::from(*v >= CLIPPED_BRIGHT)).sum::<u8>(),
            );
        }
        let count = (self.inner().len() * self.inner().len()).max(1) as f32;
        Light { mean: sum as f32 / count, clipped: clipped as f32 / count }
    }

    /// Standard deviation of the four-neighbour Laplacian (Pech-Pacheco et al., ICPR 2000, use its square).
    fn laplacian_spread(&self) -> f32 {
        let (mut sum, mut square) = (0_i64, 0_i64);
        let around = self.rows(-1, 0).zip(self.rows(1, 0)).zip(self.rows(0, -1)).zip(self.rows(0, 1));
        for (centre, (((above, below), left), right)) in self.rows(0, 0).zip(around) {
            // A value is at most 1,020 and a row at most 128 of them: the squares fit.
            let (mut line, mut squares) = (0_i32, 0_i32);
            for ((((c, a), b), l), r) in centre.iter().zip(above).zip(below).zip(left).zip(right) {
                let value = |v: &u8| i16::from(*v);
                let laplacian = value(a) + value(b) + value(l) + value(r) - 4 * value(c);
                line += i32::from(laplacian);
                squares += i32::from(laplacian) * i32::from(laplacian);
            }
            sum += i64::from(line);
            square += i64::from(squares);
        }
        let count = (self.inner().len() * self.inner().len()).max(1) as f32;
        let mean = sum as f32 / count;
        (square as f32 / count - mean * mean).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostiary_domain::{FrameMeta, Mono, Rect};

    const TEMPLATE: Template = Template {
        points: [
            Point { x: 38.3, y: 51.7 },
            Point { x: 73.5, y: 51.5 },
            Point { x: 56.0, y: 71.7 },
            Point { x: 41.5, y: 92.4 },
            Point { x: 70.7, y: 92.2 },
        ],
        side: 112,
    };

    fn level_face() -> Landmarks {
        let p = |x, y| Point { x, y };
        Landmarks([p(100.0, 100.0), p(160.0, 100.0), p(130.0, 140.6), p(105.0, 170.0), p(155.0, 170.0)])
    }

    fn judged(landmarks: Landmarks, face: &AlignedFace) -> (Quality, QualityReasons) {
        let rgb = vec![0; 320 * 240 * 3];
        let meta = FrameMeta { width: 320, height: 240, captured: Mono(0), seq: 0 };
        let frame = Frame::new(&rgb, meta).unwrap();
        let bbox = Rect { x: 80.0, y: 60.0, w: 100.0, h: 130.0 };
        let detection = Detection { bbox, landmarks, score: 0.9 };
        let (quality, light) = measure(frame, &detection, &TEMPLATE, face);
        let limits = QualityLimits::default();
        (quality, reasons(&quality, light, &detection, &limits, limits.probe_eye_px))
    }

    /// Stripes of some contrast around a brightness.
    fn face(mean: u8, contrast: u8) -> AlignedFace {
        let mut face = AlignedFace::black(112).unwrap();
        for (i, pixel) in face.rgb_mut().chunks_exact_mut(3).enumerate() {
            pixel.fill(if i / 3 % 2 == 0 { mean.saturating_add(contrast) } else { mean - contrast });
        }
        face
    }

    #[test]
    fn a_level_sharp_well_lit_face_passes() {
        let (quality, reasons) = judged(level_face(), &face(128, 30));
        assert!(reasons.is_empty(), "{quality:?} {reasons}");
        assert!(quality.yaw == 100 && quality.pitch >= 99 && quality.completeness == 100);
    }

    #[test]
    fn each_flaw_has_its_reason() {
        let only = |landmarks, crop: &AlignedFace| judged(landmarks, crop).1.first();
        let good = face(128, 30);
        let mut turned = level_face();
        turned.0[2].x += 28.0;
        assert_eq!(only(turned, &good), Some(QualityReason::Yaw));
        let mut tilted = level_face();
        tilted.0[2].y += 22.0;
        assert_eq!(only(tilted, &good), Some(QualityReason::Pitch));
        let small = Landmarks(level_face().0.map(|p| Point { x: 100.0 + p.x / 4.0, y: 80.0 + p.y / 4.0 }));
        assert_eq!(only(small, &good), Some(QualityReason::TooSmall));
        let outside = Landmarks(level_face().0.map(|p| Point { x: p.x - 130.0, ..p }));
        assert_eq!(only(outside, &good), Some(QualityReason::Occluded));
        assert_eq!(only(level_face(), &face(128, 0)), Some(QualityReason::Blur));
        assert_eq!(only(level_face(), &face(28, 25)), Some(QualityReason::Dark));
        assert_eq!(only(level_face(), &face(240, 30)), Some(QualityReason::Bright));
    }

    proptest::proptest! {
        #[test]
        fn no_points_break_it(values in proptest::array::uniform10(proptest::num::f32::ANY)) {
            let points = core::array::from_fn(|i| Point { x: values[2 * i], y: values[2 * i + 1] });
            let _ = judged(Landmarks(points), &face(128, 30));
        }
    }
}
