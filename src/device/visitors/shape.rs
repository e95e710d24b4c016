//! The form of a head: where its surface lies, as a function of the angle around it and the height.
//!
//! Owns: skull, jaw, eye sockets, nose, lips, chin, cheeks, as sums of smooth bumps on a closed profile.
//! Does not own: the mesh, colour. Lengths in centimetres; the pupils' line is height 0, the head's axis depth 0.
//! Anatomical proportions follow Farkas, Anthropometry of the Head and Face (1994), rounded.

use super::maths::{V3, bell, blob, cos, curve, mix, ramp, sin};
use super::person::Person;

const WIDTH: [(f32, f32); 9] = [
    (-11.7, 3.0),
    (-10.2, 3.95),
    (-8.6, 5.0),
    (-7.0, 5.7),
    (-5.0, 6.25),
    (-2.5, 6.7),
    (0.0, 7.0),
    (2.5, 7.45),
    (5.5, 7.5),
];
const FRONT: [(f32, f32); 9] = [
    (-11.7, 8.2),
    (-10.5, 8.9),
    (-9.0, 9.0),
    (-7.2, 9.25),
    (-5.0, 9.2),
    (-2.0, 9.1),
    (0.5, 9.05),
    (2.0, 9.3),
    (5.5, 8.9),
];
const BACK: [(f32, f32); 8] = [
    (-11.7, 5.0),
    (-10.0, 2.4),
    (-8.0, -0.6),
    (-6.0, -4.0),
    (-4.0, -7.2),
    (-1.0, -9.2),
    (2.0, -9.7),
    (5.5, -9.2),
];
/// Height of the crown, and where the skull begins to close.
pub(super) const CROWN: f32 = 11.7;
const CLOSES: f32 = 5.0;

/// The surface of one person's head.
pub(super) struct Shape<'a> {
    pub(super) p: &'a Person,
}

impl Shape<'_> {
    pub(super) fn bottom(&self) -> f32 {
        -11.85 * self.p.long
    }

    /// The point of the surface at the angle `theta` (0 ahead, a quarter turn to the picture's right) and height `y`.
    pub(super) fn at(&self, theta: f32, y: f32) -> V3 {
        let p = self.p;
        // The lower face is as long as the person's; the skull is not.
        let yn = if y < 0.0 { y / p.long } else { y };
        let (s, c) = (sin(theta), cos(theta));
        let mut width = curve(&WIDTH, yn) * p.wide * 1.10;
        width *= 1.0 + (p.jaw - 1.0) * ramp(-2.0, -7.5, yn);
        width += 0.32 * p.fat * blob(yn, 0.0, -6.0, 0.0, 2.8, 1.0);
        width += 0.25 * p.cheekbone * blob(yn, 0.0, -1.6, 0.0, 1.6, 1.0);
        let front = curve(&FRONT, yn) + 0.5 * p.forehead * blob(yn, 0.0, 5.0, 0.0, 2.4, 1.0);
        let back = curve(&BACK, yn);
        let (mut middle, mut deep) = ((front + back) * 0.5, (front - back) * 0.5);
        let mut close = 1.0;
        if yn > CLOSES {
            let q = ((yn - CLOSES) / (CROWN - CLOSES)).min(1.0);
            close = (1.0 - q * q).max(0.0).sqrt();
            middle = mix(middle, -0.6, q);
        }
        if yn < -9.6 {
            let q = ((-9.6 - yn) / (11.85 - 9.6)).min(1.0);
            close = (1.0 - q * q).max(0.0).sqrt();
            middle = mix(middle, front - 2.6, q * 0.8);
        }
        width *= close;
        deep *= close;
        // A face is flatter than an ellipse: pulled towards a squircle in front.
        let flat = 0.32 * ramp(-0.2, 0.6, c) * ramp(-11.0, -8.0, yn) + 0.10;
        let quartic = 1.0 / (s * s * s * s + c * c * c * c).sqrt().sqrt();
        let r = mix(1.0, quartic, flat);
        let (x, z) = (width * s * r, middle + deep * c * r);
        let forward = ramp(0.05, 0.55, c);
        [x, y, z + forward * self.relief(x, yn)]
    }

    /// How far features stand out of the plain face.
    fn relief(&self, x: f32, y: f32) -> f32 {
        let p = self.p;
        let ax = x.abs();
        let mut z = 0.0;
        // Eye sockets, the brow over them, the balls in them.
        z -= (1.15 + p.eye_deep) * blob(ax, y, p.eye_x - 0.15, 0.25, 1.75, 1.15);
        z -= 0.45 * blob(ax, y, p.eye_x - 1.6, 0.3, 0.8, 0.9);
        z += 0.78 * blob(ax, y, p.eye_x, -0.05, 1.25, 0.85);
        z += (0.35 + 0.55 * p.brow_ridge) * blob(ax, y, p.eye_x - 0.2, p.brow_y - 0.1, 2.2, 0.65);
        z += 0.35 * p.brow_ridge * blob(ax, y, 0.6, 1.6, 1.0, 0.8);
        z -= 0.35 * blob(ax, y, 6.2, 2.4, 1.3, 1.8);
        // Cheekbones, cheeks.
        z += (0.25 + 0.3 * p.cheekbone) * blob(ax, y, 4.5, -2.4, 1.7, 1.1);
        z += (0.35 * p.fat) * blob(ax, y, 4.3, -5.8, 1.8, 2.0);
        z += 0.3 * blob(ax, y, 2.9, -3.4, 1.3, 1.1);
        z -= 0.2 * (0.6 - p.fat).max(0.0) * blob(ax, y, 4.4, -6.0, 1.1, 1.6);
        z += self.nose(ax, y);
        z + self.mouth(x, y)
    }

    fn nose(&self, ax: f32, y: f32) -> f32 {
        let p = self.p;
        let tip = -p.nose_long + 0.55;
        // Height of the ridge from root to tip, then the underside.
        let down = ((0.9 - y) / (0.9 - tip)).clamp(0.0, 1.0);
        let rise = mix(0.25, 2.25 * p.nose_out, down * (0.55 + 0.45 * down)) * ramp(1.9, 0.4, y);
        let hump = p.nose_hump * blob(y, 0.0, tip * 0.42, 0.0, 1.0, 1.0);
        let under = ramp(tip - 0.95, tip - 0.15, y);
        let half = mix(0.72 * p.nose_bridge, 0.86, down);
        let q = ax / half;
        let ridge = (rise + hump) * under / (1.0 + q * q * (0.55 + 0.45 * q * q));
        let ball = 0.42 * p.nose_tip * blob(ax, y, 0.0, tip + 0.1, 0.85 * p.nose_wide, 0.7);
        let wing_x = 1.3 * p.nose_wide;
        let wing = 0.95 * blob(ax, y, wing_x, tip - 0.12, 0.52, 0.62);
        let column = 0.5 * blob(ax, y, 0.0, tip - 0.75, 0.3, 0.35);
        let hole = -0.55 * blob(ax, y, 0.66 * p.nose_wide, tip - 0.72, 0.38, 0.24);
        let groove = -0.28 * blob(ax, y, wing_x + 0.75, tip + 0.0, 0.4, 0.9);
        ridge + ball + wing + column + hole + groove
    }

    fn mouth(&self, x: f32, y: f32) -> f32 {
        let p = self.p;
        let ax = x.abs();
        let s = (ax / p.mouth_wide).min(1.3);
        let line = self.lip_line(x);
        let fade = (1.0 - s * s * 0.85).max(0.0);
        let mut z = 0.62 * blob(ax, y, 0.0, p.mouth_y, 3.1, 2.0);
        z += (0.24 + 0.3 * p.lip_upper)
            * fade
            * bell(squared((y - line - 0.42 * p.lip_upper) / (0.62 * p.lip_upper + 0.1)));
        z += (0.3 + 0.3 * p.lip_lower)
            * fade
            * bell(squared((y - line + 0.5 * p.lip_lower) / (0.62 * p.lip_lower + 0.1)));
        z -= 0.42 * fade * bell(squared((y - line) / 0.16));
        z -= 0.16 * blob(ax, y, 0.0, line + 1.1, 0.28, 0.5);
        z -= 0.35 * blob(ax, y, p.mouth_wide + 0.15, line - 0.05, 0.45, 0.5);
        // Below the lips, then the chin.
        let chin_y = -10.3;
        z -= 0.45 * blob(ax, y, 0.0, mix(p.mouth_y, chin_y, 0.52), 1.9, 0.6);
        z += (0.55 + p.chin_out) * blob(ax, y, 0.0, chin_y, 1.75 * p.chin, 1.15);
        // The fold from the wing of the nose past the mouth.
        let t = ((-p.nose_long - y) / 4.2).clamp(0.0, 1.0);
        let fold_x = mix(2.1, 3.5, t);
        let fold = blob(ax, 0.0, fold_x, 0.0, 0.38, 1.0) * ramp(-3.6, -4.8, y) * ramp(-9.6, -7.6, y);
        z - (0.10 + 0.3 * p.age) * fold
    }

    /// Height of the line between the lips, before the face's length is applied.
    pub(super) fn lip_line(&self, x: f32) -> f32 {
        let s = x.abs() / self.p.mouth_wide;
        self.p.mouth_y + self.p.smile * 0.9 * s * s - 0.06 * bell(s * s * 12.0)
    }
}

fn squared(x: f32) -> f32 {
    x * x
}
