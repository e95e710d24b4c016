//! The oval that the visitor's face should fill, and the face as the camera sees it.
//!
//! Owns: the ring, the box around the visitor's face, the badge that says what to do. Does not own: the screens they
//! stand on. Invariant: any face, also one far outside the frame or not a number, gives a picture on the stage.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Area, Canvas, Paint};
use super::icons::{Icon, ellipse, length};
use super::ink::{BLACK, BLUE, Ink, NIGHT, STEEL, WHITE};
use ostiary_domain::Guidance;
use ostiary_domain::face::Rect;

/// The place of the face, and the frame of what surrounds it.
pub(super) struct Oval {
    pub(super) centre: (f32, f32),
    pub(super) half: (f32, f32),
    stage: Area,
    unit: f32,
}

impl Oval {
    pub(super) fn in_stage(stage: Area) -> Self {
        let unit = stage.w.min(stage.h) / 200.0;
        // Room below for the badge that sits on the ring.
        let high = (stage.h - 22.0 * unit) / 2.0;
        let half = if high * 0.8 > stage.w / 2.0 {
            (stage.w / 2.0, stage.w / 2.0 / 0.8)
        } else {
            (high * 0.8, high)
        };
        let centre =
            (stage.x + stage.w / 2.0, stage.y + half.1 + (stage.h - 22.0 * unit - 2.0 * half.1) / 2.0);
        Self { centre, half, stage, unit }
    }

    /// The ring, in the colour of each place: 0 at the top, clockwise to 1.
    pub(super) fn ring<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
        colour: impl Fn(f32) -> Rgb888,
    ) -> Result<(), D::Error> {
        let thick = 5.0 * self.unit;
        let (a, b) = (self.half.0 - thick, self.half.1 - thick);
        canvas.shape_shaded(
            Area::new(
                self.centre.0 - self.half.0,
                self.centre.1 - self.half.1,
                2.0 * self.half.0,
                2.0 * self.half.1,
            ),
            NIGHT,
            |x, y| {
                let (dx, dy) = (x - self.centre.0, y - self.centre.1);
                let distance = ellipse((dx, dy), (a, b)).abs() - thick / 2.0;
                if distance > 1.0 {
                    return (distance, NIGHT);
                }
                let turn = (dx / a).atan2(-dy / b) / core::f32::consts::TAU;
                (distance, colour(if turn < 0.0 { turn + 1.0 } else { turn }))
            },
        )
    }

    /// The face's box on the panel: as in a mirror, and so that a face at the right distance fills the ring.
    fn place(&self, face: Rect) -> Option<Area> {
        let finite = face.x.is_finite() && face.y.is_finite() && face.w.is_finite() && face.h.is_finite();
        if !finite || face.w <= 0.0 || face.h <= 0.0 {
            return None;
        }
        let high = 2.0 * self.half.1 / RIGHT_FACE_HEIGHT;
        let wide = high * FRAME_ASPECT;
        let x = self.centre.0 + (0.5 - face.x - face.w) * wide;
        let y = self.centre.1 + (face.y - 0.5) * high;
        // Kept on the stage (a box as wide as the stage may, by rounding, exceed it): a face at the frame's border still shows on which side it is.
        let (w, h) = (
            (face.w * wide).clamp(24.0 * self.unit, self.stage.w),
            (face.h * high).clamp(24.0 * self.unit, self.stage.h),
        );
        Some(Area::new(
            x.min(self.stage.x + self.stage.w - w).max(self.stage.x),
            y.min(self.stage.y + self.stage.h - h).max(self.stage.y),
            w,
            h,
        ))
    }
}

/// What stands in and on the ring: the visitor's face as a box, or a face to show what is wanted.
pub(super) fn guide<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    oval: &Oval,
    face: Option<Rect>,
    guidance: Guidance,
) -> Result<(), D::Error> {
    let place = face.and_then(|face| oval.place(face));
    let mut icon = Icon::of_guidance(guidance);
    if let Some(place) = place {
        brackets(canvas, place, oval.unit)?;
        canvas.icon(Icon::Features, place.centre(), place.h * 0.46, Paint { ink: WHITE, on: NIGHT })?;
        if guidance == Guidance::Centre && place.centre().0 > oval.centre.0 {
            icon = Icon::Left;
        }
    } else {
        canvas.icon(Icon::Features, oval.centre, oval.half.1 * 0.92, Paint { ink: STEEL, on: NIGHT })?;
    }
    badge(canvas, oval, icon)
}

/// Four corners around the visitor's face.
fn brackets<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    place: Area,
    u: f32,
) -> Result<(), D::Error> {
    let (cx, cy) = place.centre();
    let (w, h) = (place.w / 2.0, place.h / 2.0);
    let arm = (w.min(h) * 0.45).min(28.0 * u);
    let radius = arm * 0.5;
    canvas.shape(place.inset(-4.0 * u), Paint { ink: WHITE, on: NIGHT }, |x, y| {
        let (x, y) = ((x - cx).abs(), (y - cy).abs());
        let (dx, dy) = (x - w + radius, y - h + radius);
        let outline = (length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0) - radius).abs() - 2.0 * u;
        outline.max(w - arm - x).max(h - arm - y)
    })
}

/// The disc on the lower end of the ring that says what to do.
pub(super) fn badge<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    oval: &Oval,
    icon: Icon,
) -> Result<(), D::Error> {
    let at = (oval.centre.0, oval.centre.1 + oval.half.1 - 8.0 * oval.unit);
    canvas.disc(at, 31.0 * oval.unit, Paint { ink: NIGHT, on: NIGHT })?;
    canvas.disc(at, 26.0 * oval.unit, Paint { ink: BLUE, on: NIGHT })?;
    canvas.icon(icon, at, 15.5 * oval.unit, Paint { ink: BLACK, on: BLUE })
}

/// Height of a face at the right distance, as a share of the frame's.
const RIGHT_FACE_HEIGHT: f32 = 0.45;
/// Width over height of the camera's frame; the domain gives the face in fractions.
const FRAME_ASPECT: f32 = 4.0 / 3.0;
