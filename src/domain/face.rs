//! Faces in a frame: where they are, how good they are, and the normalised crop.
//!
//! Owns: geometry and quality as data. Does not own: how any of it is found (`vision`).
//! Invariant: coordinates are pixels of the frame, x to the right, y down; "left" is the viewer's left.

use core::fmt;

use super::limits::MAX_ALIGNED_SIDE;

/// A place in a frame, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Down.
    pub y: f32,
}

impl Point {
    /// Euclidean distance in pixels.
    #[must_use]
    pub fn distance(self, other: Self) -> f32 {
        let (dx, dy) = (self.x - other.x, self.y - other.y);
        sqrt(dx * dx + dy * dy)
    }
}

/// An upright box, in pixels; may reach outside the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Top edge.
    pub y: f32,
    /// Width, at least 0.
    pub w: f32,
    /// Height, at least 0.
    pub h: f32,
}

impl Rect {
    /// Area in square pixels.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// The middle.
    #[must_use]
    pub fn centre(&self) -> Point {
        Point { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let inter = w * h;
        let union = self.area() + other.area() - inter;
        if union > 0.0 { inter / union } else { 0.0 }
    }
}

/// Five points: left eye, right eye, nose tip, left and right corner of the mouth (viewer's left).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Landmarks(pub [Point; 5]);

impl Landmarks {
    /// Distance of the eye centres in pixels: the field's measure of a face's size.
    #[must_use]
    pub fn eye_distance(&self) -> f32 {
        self.0[0].distance(self.0[1])
    }
}

/// One face as the detector reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detection {
    /// Around the face.
    pub bbox: Rect,
    /// Five points.
    pub landmarks: Landmarks,
    /// Confidence, 0 to 1.
    pub score: f32,
}

/// Why a face is not good enough, in the words of the visitor's guidance (SPEC 1; ISO/IEC 29794-5 components).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum QualityReason {
    /// Nobody to be seen.
    NoFace,
    /// Eye distance too short.
    TooSmall,
    /// Head turned to the side.
    Yaw,
    /// Head tilted up or down.
    Pitch,
    /// Out of focus or moving.
    Blur,
    /// Too little light on the face.
    Dark,
    /// Too much light on the face.
    Bright,
    /// Something covers a part of the face, or it is cut by the frame's edge.
    Occluded,
    /// More than one person.
    MultipleFaces,
    /// Outside the zone that the door looks at.
    OutOfZone,
}

impl QualityReason {
    /// Every reason, in the order in which they are reported.
    pub const ALL: [Self; 10] = [
        Self::NoFace,
        Self::TooSmall,
        Self::Yaw,
        Self::Pitch,
        Self::Blur,
        Self::Dark,
        Self::Bright,
        Self::Occluded,
        Self::MultipleFaces,
        Self::OutOfZone,
    ];

    /// The name used in events and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoFace => "no_face",
            Self::TooSmall => "too_small",
            Self::Yaw => "yaw",
            Self::Pitch => "pitch",
            Self::Blur => "blur",
            Self::Dark => "dark",
            Self::Bright => "bright",
            Self::Occluded => "occluded",
            Self::MultipleFaces => "multiple_faces",
            Self::OutOfZone => "out_of_zone",
        }
    }
}

/// A set of reasons; empty means the face is good enough.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct QualityReasons(u16);

impl QualityReasons {
    /// Adds a reason.
    pub const fn insert(&mut self, reason: QualityReason) {
        self.0 |= 1 << reason as u8;
    }

    /// Whether the reason is among them.
    #[must_use]
    pub const fn contains(self, reason: QualityReason) -> bool {
        self.0 & (1 << reason as u8) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order of [`QualityReason::ALL`].
    pub fn iter(self) -> impl Iterator<Item = QualityReason> {
        QualityReason::ALL.into_iter().filter(move |r| self.contains(*r))
    }

    /// The first in reporting order: what a visitor is told.
    #[must_use]
    pub fn first(self) -> Option<QualityReason> {
        self.iter().next()
    }
}

impl FromIterator<QualityReason> for QualityReasons {
    fn from_iter<I: IntoIterator<Item = QualityReason>>(reasons: I) -> Self {
        let mut set = Self::default();
        reasons.into_iter().for_each(|r| set.insert(r));
        set
    }
}

impl fmt::Debug for QualityReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(QualityReason::name)).finish()
    }
}

impl fmt::Display for QualityReasons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(r.name())?;
        }
        Ok(())
    }
}

/// How good a face is: each component 0 (useless) to 100 (ideal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Eye distance against what matching needs.
    pub size: u8,
    /// Facing the camera, left to right.
    pub yaw: u8,
    /// Facing the camera, up and down.
    pub pitch: u8,
    /// In focus.
    pub sharpness: u8,
    /// Light on the face: neither dark nor overexposed.
    pub exposure: u8,
    /// All of the face in view.
    pub completeness: u8,
}

impl Quality {
    /// The weakest component: a chain is as good as that.
    #[must_use]
    pub fn overall(&self) -> u8 {
        let all = [self.size, self.yaw, self.pitch, self.sharpness, self.exposure, self.completeness];
        all.into_iter().min().unwrap_or(0)
    }
}

/// A face turned upright and scaled so that its five points lie on the template of the embedder.
///
/// Square, RGB, 8 bits. The buffer is inline so that one can be kept for ever and filled again and again.
#[derive(Clone)]
pub struct AlignedFace {
    pixels: [u8; MAX_ALIGNED_SIDE * MAX_ALIGNED_SIDE * 3],
    side: usize,
}

impl AlignedFace {
    /// A black face of `side` pixels; `None` when the side is 0 or over [`MAX_ALIGNED_SIDE`].
    #[must_use]
    pub const fn black(side: usize) -> Option<Self> {
        if side == 0 || side > MAX_ALIGNED_SIDE {
            return None;
        }
        Some(Self { pixels: [0; MAX_ALIGNED_SIDE * MAX_ALIGNED_SIDE * 3], side })
    }

    /// Pixels a side.
    #[must_use]
    pub const fn side(&self) -> usize {
        self.side
    }

    /// RGB, row by row.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.pixels[..self.side * self.side * 3]
    }

    /// RGB, row by row, to be written.
    #[must_use]
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        &mut self.pixels[..self.side * self.side * 3]
    }
}

impl fmt::Debug for AlignedFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedFace({0}x{0}, <redacted>)", self.side)
    }
}

/// Square root for a core without `std`: Newton's method from a bit-level first guess, within 1e-6 relative.
pub(crate) fn sqrt(x: f32) -> f32 {
    if x <= 0.0 || x.is_nan() {
        return 0.0;
    }
    if x.is_infinite() {
        return x;
    }
    let mut y = f32::from_bits((x.to_bits() >> 1) + 0x1fbd_1df5);
    for _ in 0..3 {
        y = 0.5 * (y + x / y);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iou_of_equal_disjoint_and_half_boxes() {
        let a = Rect { x: 0.0, y: 0.0, w: 10.0, h: 10.0 };
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
        assert!(a.iou(&Rect { x: 20.0, ..a }).abs() < 1e-6);
        assert!((a.iou(&Rect { x: 5.0, ..a }) - 1.0 / 3.0).abs() < 1e-6);
        assert!(a.iou(&Rect { w: 0.0, ..a }).abs() < 1e-6);
    }

    #[test]
    fn reasons_keep_their_order() {
        let set: QualityReasons = [QualityReason::Blur, QualityReason::TooSmall].into_iter().collect();
        assert_eq!(set.first(), Some(QualityReason::TooSmall));
        assert_eq!(set.iter().count(), 2);
        assert!(QualityReasons::default().is_empty());
    }

    #[test]
    fn square_root_agrees_with_std() {
        for x in [1e-12_f32, 0.5, 1.0, 2.0, 1e4, 3e30, f32::MIN_POSITIVE] {
            assert!((sqrt(x) / x.sqrt() - 1.0).abs() < 1e-6, "{x}");
        }
        assert!(sqrt(f32::NAN).abs() < 1e-9 && sqrt(-1.0).abs() < 1e-9);
    }
}
