//! Hair and beard as strands: where they root, how they are combed, how they fall.
//!
//! Owns: the strands of a person, grown once. Does not own: the scalp's and the chin's colour below them (`skin`).
//! Invariant: a strand has [`KNOTS`] points, in the measure of the head.

use super::maths::{Dice, V3, add, dot, mix, ramp, scale, sub, unit};
use super::person::{Beard, Person, Style};
use super::shape::Shape;
use super::skin::{beard_mask, scalp_mask};

/// Points a strand.
pub(super) const KNOTS: usize = 9;

/// One strand.
#[derive(Clone)]
pub(super) struct Strand {
    pub(super) points: [V3; KNOTS],
    /// Away from the head, for the light.
    pub(super) normals: [V3; KNOTS],
    pub(super) colour: V3,
}

/// Everything that grows on a head; `surface` gives point and normal at a place of the head's grid, both -1 to 1.
pub(super) fn grow(shape: &Shape<'_>, surface: impl Fn(f32, f32) -> (V3, V3)) -> Vec<Strand> {
    let p = shape.p;
    let mut d = Dice::new(p.seed ^ 0x6861_6972);
    let mut strands = Vec::new();
    let wanted = match p.style {
        Style::Bald => 0,
        Style::Cropped | Style::Curls | Style::Bob | Style::Long => 2_600,
        Style::Short | Style::Parted | Style::Swept | Style::Fringe | Style::Tied => 4_200,
    };
    let mut tries = 0;
    while strands.len() < wanted && tries < wanted * 12 {
        tries += 1;
        let (t, s) = (d.range(-1.0, 1.0), d.range(-1.0, 0.35));
        // Rows and columns lie closer in front and at the crown; fewer roots there a row.
        let density = (0.45 + 1.65 * t * t) * (1.02 - s * s * s * s);
        if d.unit() * 2.1 > density + 0.15 {
            continue;
        }
        let (root, normal) = surface(t, s);
        let grows = scalp_mask(p, root);
        if root[1] < -7.5 || d.unit() * 0.8 + 0.2 > grows {
            continue;
        }
        strands.push(strand(p, &mut d, root, normal));
    }
    let (wanted, length) = match p.beard {
        Beard::Full => (1_300, mix(0.5, 1.9, d.unit())),
        Beard::Goatee => (600, mix(0.4, 1.2, d.unit())),
        Beard::Moustache => (350, 0.6),
        Beard::None | Beard::Stubble => (0, 0.0),
    };
    let (mut tries, mut grown) = (0, 0);
    while grown < wanted && tries < wanted * 30 {
        tries += 1;
        let (root, normal) = surface(d.range(-0.75, 0.75), d.range(0.2, 0.98));
        let y = if root[1] < 0.0 { root[1] / p.long } else { root[1] };
        if root[2] < -0.5 || d.unit() > beard_mask(p, root[0].abs(), y) {
            continue;
        }
        grown += 1;
        let down: V3 = [root[0] * 0.06 + d.spread() * 0.25, -1.0, 0.15 + d.spread() * 0.2];
        let long = length * d.range(0.6, 1.1) * if root[1] > p.mouth_y { 0.45 } else { 1.0 };
        let mut at = root;
        let mut points = [root; KNOTS];
        for (i, knot) in points.iter_mut().enumerate() {
            *knot = at;
            let towards = unit(add(scale(normal, 1.0 - 0.09 * i as f32), scale(down, 0.75)));
            at = add(at, scale(towards, long / KNOTS as f32));
        }
        let colour = scale(p.beard_colour, d.range(0.65, 1.35));
        strands.push(Strand { points, normals: [normal; KNOTS], colour });
    }
    strands
}

fn strand(p: &Person, d: &mut Dice, root: V3, normal: V3) -> Strand {
    let [x, y, z] = root;
    let side = if x < 0.0 { -1.0 } else { 1.0 };
    let above = ((y - 4.0) / 5.0).clamp(0.0, 1.0);
    let parting = if p.seed & 1 == 0 { 2.6 } else { -2.6 };
    // Where it is combed, how strongly it stands up, how long it is, how heavy.
    let (comb, lift, long, heavy): (V3, f32, f32, f32) = match p.style {
        Style::Bald | Style::Cropped => ([0.0, -0.2, 0.25], 1.2, 0.55, 0.0),
        Style::Short => (
            [side * 0.3 + parting * 0.12, mix(-1.0, 0.05, above), mix(-0.25, 0.75, above)],
            mix(0.12, 0.4, above) * p.volume,
            mix(1.2, 3.4, above),
            0.07,
        ),
        Style::Parted => {
            let away = if x - parting > 0.0 { 1.0 } else { -1.0 };
            (
                [mix(side * 0.1, away, above), mix(-1.0, 0.1, above), mix(-0.3, 0.25, above)],
                0.32 * p.volume * mix(0.4, 1.0, above),
                mix(1.6, 5.5, above),
                0.10,
            )
        }
        Style::Swept => (
            [side * 0.1, mix(-0.5, 0.5, above), -1.0],
            mix(0.2, 0.45, above) * p.volume,
            mix(1.6, 6.0, above),
            0.05,
        ),
        Style::Fringe => (
            [side * 0.15, mix(-1.0, -0.1, above), mix(-0.2, 1.0, above)],
            0.3 * p.volume,
            mix(1.8, 5.8, above),
            0.16,
        ),
        Style::Curls => ([0.0, 0.0, 0.0], 1.0, mix(1.6, 3.6, above) * p.volume, 0.02),
        Style::Bob | Style::Long => {
            let away = if x - parting * 0.6 > 0.0 { 1.0 } else { -1.0 };
            let length = if p.style == Style::Bob { 17.0 } else { 32.0 };
            ([mix(side * 0.5, away, above), mix(-1.0, -0.05, above), -0.35], 0.35 * p.volume, length, 0.32)
        }
        Style::Tied => ([side * -0.05, 0.12, -1.0], 0.12, 13.0, 0.0),
    };
    let long = long * d.range(0.75, 1.1);
    let stray: V3 = [d.spread() * 0.16, d.spread() * 0.16, d.spread() * 0.16];
    let even = long / (KNOTS - 1) as f32;
    let hangs = matches!(p.style, Style::Bob | Style::Long);
    let (turn, phase) = (d.range(1.6, 2.6), d.unit() * 6.3);
    let fuzz = d.range(0.15, 0.9);
    let mut points = [root; KNOTS];
    let mut normals = [normal; KNOTS];
    let mut at = add(root, scale(normal, 0.05));
    for i in 0..KNOTS {
        points[i] = at;
        let along = i as f32 / (KNOTS - 1) as f32;
        let out = outside(at);
        normals[i] = out;
        let mut towards = add(scale(comb, 1.0), scale(normal, lift * (1.0 - along).max(0.0)));
        towards = add(towards, scale(stray, 1.0 + along));
        towards[1] -= heavy * (along * 10.0);
        if p.style == Style::Curls {
            let a = phase + turn * i as f32;
            let swirl: V3 = [super::maths::cos(a), super::maths::sin(a), super::maths::sin(a + 1.3)];
            towards = add(scale(normal, 0.75), scale(swirl, 1.3));
        }
        if p.style == Style::Tied {
            towards = unit(sub([0.0, 2.5, -10.5], at));
        }
        let mut step = even;
        if hangs {
            // Over the skull in small steps along it, then down.
            step = if i < 4 { 1.9 } else { (long - 7.6) / (KNOTS - 5) as f32 };
            let fall: V3 = [0.0, -1.0, if z < 0.0 { -0.05 } else { 0.02 }];
            towards = add(scale(towards, 1.0 - along), scale(fall, ramp(0.1, 0.6, along) * 3.0));
            let rise = dot(towards, out);
            if at[1] > -3.0 {
                towards = sub(towards, scale(out, rise - lift * 0.25 * (1.0 - along)));
            }
        }
        at = add(at, scale(unit(towards), step));
        let lie = if hangs { 0.1 + 0.9 * ramp(0.0, 3.5, (at[0] - parting * 0.6).abs()) } else { 0.45 };
        at = rest(p, at, fuzz, lie);
        if hangs {
            at = aside(p, at, if x - parting * 0.6 > 0.0 { 1.0 } else { -1.0 }, fuzz);
        }
    }
    let streak = d.range(0.6, 1.45);
    Strand { points, normals, colour: scale(p.hair, streak) }
}

/// Long hair frames the face and does not hang over it.
fn aside(p: &Person, at: V3, side: f32, fuzz: f32) -> V3 {
    let [x, y, z] = at;
    let limit = (6.6 * p.wide + 0.9 * fuzz) * ramp(9.0, 2.5, y);
    if z < 0.5 || x * side > limit || y > 9.0 {
        return at;
    }
    [limit * side, y, z - 0.45 * (limit - x * side).min(6.0)]
}

/// The direction away from the head's inside at a point around it.
fn outside(at: V3) -> V3 {
    unit([at[0] / 55.0, (at[1] - 1.5).max(-1.0) / 110.0, (at[2] + 0.6) / 85.0])
}

/// Pushes a point that lies inside the head, the neck or the shoulders to the outside, with some air, less
/// of it where hair lies flat.
fn rest(p: &Person, at: V3, fuzz: f32, lie: f32) -> V3 {
    let air = match p.style {
        Style::Tied => 0.25 * fuzz,
        Style::Cropped | Style::Bald => 0.0,
        _ => (0.35 + 0.9 * fuzz) * p.volume * 0.8 * lie,
    };
    let mut at = at;
    // The skull, then the face with the neck below it.
    for (centre, radii) in [
        ([0.0, 2.2, -0.5], [7.8 * p.wide + air, 9.5 + air, 9.6 + air]),
        ([0.0, -3.5, 0.3], [7.15 * p.wide + air * 0.8, 10.0, 7.6]),
    ] {
        let from: V3 = sub(at, centre);
        let q = [from[0] / radii[0], from[1] / radii[1], from[2] / radii[2]];
        let inside = dot(q, q);
        if inside < 1.0 && inside > 1e-4 {
            at = add(centre, scale(from, 1.0 / inside.sqrt()));
        }
    }
    // Long hair lies on the shoulders.
    if at[1] < -17.0 {
        let shoulder = -17.5 - 0.33 * (at[0].abs() - 6.0).max(0.0);
        if at[1] < shoulder && at[2] < 6.0 {
            at[2] = if at[2] > -1.0 { at[2].max(6.2) } else { at[2].min(-7.0) };
        }
    }
    at
}
