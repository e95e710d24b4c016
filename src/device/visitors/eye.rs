//! Eyes: lids that close, iris that looks, lashes, the shine of a window.
//!
//! Owns: the colour of a point of the eye region, for a state of lids and gaze. Does not own: the light on it.

use super::maths::{V3, bell, mix, mix3, noise, ramp};
use super::person::Person;

/// What the eyes do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gaze {
    /// 0 open, 1 shut.
    pub(super) shut: f32,
    /// Where the iris is off its middle, in centimetres, right and up.
    pub(super) at: [f32; 2],
}

/// Colour of the eye at a point of the face, and how opaque it covers the skin; with the light that it gives of itself.
pub(super) fn eye(p: &Person, gaze: &Gaze, x: f32, y: f32, skin: V3) -> Option<(V3, f32)> {
    let side = if x < 0.0 { -1.0 } else { 1.0 };
    let out = x * side - p.eye_x;
    let s = out / p.eye_wide;
    if !(-1.45..1.6).contains(&s) || !(-1.1..1.5).contains(&y) {
        return None;
    }
    let yy = y - p.eye_tilt * out;
    let arc = (1.0 - s * s).max(0.0);
    let rest = arc * (0.72 + 0.28 * arc);
    let open_top = p.eye_open * 1.0 * rest * (1.0 - 0.16 * s);
    let low = -p.eye_open * 0.82 * arc * (1.0 + 0.14 * s);
    let shut = gaze.shut.clamp(0.0, 1.0);
    let top = mix(open_top, low + 0.02, shut);
    let mut c = skin;
    // The lid: a fold above it that flattens as it closes, skin a little darker.
    let fold_at = open_top + mix(0.14, 0.36, p.lid_fold) * (0.35 + 0.65 * arc) + 0.04;
    let d = (yy - fold_at) / 0.075;
    let reach = ramp(1.25, 0.8, s.abs());
    let fold = bell(d * d) * reach * (1.0 - 0.5 * shut);
    let lid = ramp(top - 0.02, top + 0.05, yy) * ramp(fold_at + 0.05, fold_at - 0.1, yy) * reach;
    tint(&mut c, 0.86, lid * (0.5 + 0.3 * p.female));
    tint(&mut c, 0.42, fold * 0.75);
    // The lower lid's rim, the shade below it.
    let d = (yy - low + 0.10) / 0.08;
    c = mix3(c, [c[0] * 1.08, c[1] * 1.0, c[2] * 1.0], bell(d * d) * reach);
    let d = (yy - low + 0.34) / 0.12;
    tint(&mut c, 0.8, bell(d * d) * ramp(1.2, 0.6, s.abs()));
    let inside = ramp(-0.025, 0.035, top - yy) * ramp(-0.02, 0.045, yy - low) * ramp(1.02, 0.96, s.abs());
    if inside > 0.0 && shut < 0.97 {
        c = mix3(c, ball(p, gaze, out * side, s, yy, top), inside);
    }
    // Lashes: a dark line on the upper rim, thicker outwards; a faint one below.
    let thick = mix(0.055, 0.105, p.female) * (0.55 + 0.5 * ramp(-0.9, 0.9, s));
    let d = (yy - top - 0.02) / thick;
    let comb = 0.7 + 0.6 * noise(s * 13.0 + side * 20.0, 1.0, p.seed as u32);
    let lash = bell(d * d * if d > 0.0 { 0.6 } else { 1.2 }) * ramp(1.14, 1.0, s.abs()) * comb;
    c = mix3(c, [0.012, 0.009, 0.008], lash.min(1.0) * 0.9);
    let d = (yy - low + 0.015) / 0.04;
    tint(&mut c, 0.5, bell(d * d) * ramp(1.05, 0.85, s.abs()) * mix(0.45, 0.85, p.female));
    Some((c, 1.0))
}

fn ball(p: &Person, gaze: &Gaze, x: f32, s: f32, y: f32, top: f32) -> V3 {
    let mut c: V3 = [0.60, 0.56, 0.54];
    // Round: darker into the corners, veins near them, the lid's shade on top.
    tint(&mut c, 0.55, ramp(0.35, 1.0, s.abs()));
    c = mix3(c, [0.55, 0.32, 0.29], 0.5 * ramp(0.5, 1.0, s.abs()));
    if s < -0.72 {
        c = mix3(c, [0.50, 0.22, 0.19], ramp(-0.72, -0.88, s) * 0.8);
    }
    let (dx, dy) = (x - gaze.at[0], y + 0.02 - gaze.at[1]);
    let r = (dx * dx + dy * dy).sqrt();
    let iris = ramp(0.63, 0.56, r);
    if iris > 0.0 {
        // Streaks run outwards: noise over the direction, without an arc tangent.
        let streak = noise(dx / (r + 0.1) * 5.0 + 9.0, dy / (r + 0.1) * 5.0, p.seed as u32 ^ 0x4d);
        let mut colour = mix3(p.iris, [p.iris[0] * 1.7, p.iris[1] * 1.6, p.iris[2] * 1.4], streak * 0.8);
        // Light comes from above and gathers below.
        tint(&mut colour, 1.45, ramp(0.1, -0.5, dy));
        tint(&mut colour, 0.28, ramp(0.42, 0.6, r));
        colour = mix3(colour, [0.004, 0.004, 0.004], ramp(0.28, 0.22, r));
        c = mix3(c, colour, iris);
    }
    tint(&mut c, 0.42, ramp(0.32, 0.0, top - y));
    // The window and the lamp, mirrored.
    let spot = |cx: f32, cy: f32, rx: f32, ry: f32| {
        let (a, b) = ((dx - cx) / rx, (dy - cy) / ry);
        ramp(1.3, 0.7, a * a + b * b)
    };
    let glint = spot(0.17, 0.19, 0.10, 0.12) + 0.35 * spot(-0.22, 0.12, 0.07, 0.13);
    [c[0] + glint * 1.1, c[1] + glint * 1.1, c[2] + glint * 1.1]
}

fn tint(c: &mut V3, by: f32, k: f32) {
    let f = mix(1.0, by, k.clamp(0.0, 1.0));
    *c = [c[0] * f, c[1] * f, c[2] * f];
}
