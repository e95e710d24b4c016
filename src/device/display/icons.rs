//! The pictures that carry the meaning where colour and language do not.
//!
//! Owns: icons as distance functions, drawn from segments, discs, rings, boxes and polygons. Does not own: their
//! colours, sizes and places. Invariants: an icon lies within -1..1 on both axes (y down) and its distance is
//! negative inside, so it is sharp at every size; no two icons differ in colour alone.
//!
//! The distance functions of the primitives are the usual exact ones (I. Quilez, "2D distance functions").

use ostiary_domain::screen::AlarmKind;
use ostiary_domain::{Guidance, VisitorReason};

/// A picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Icon {
    Check,
    Cross,
    Face,
    Features,
    Eye,
    Closer,
    Left,
    Right,
    Turn,
    Still,
    Lamp,
    Glare,
    Uncover,
    OnePerson,
    TwoPeople,
    Hourglass,
    Keypad,
    NoEntry,
    Lock,
    DoorForced,
    DoorOpen,
    Tools,
    Flame,
    Warning,
    Link,
    NoLink,
    Outbox,
}

impl Icon {
    /// The icon of a guidance.
    pub(super) const fn of_guidance(guidance: Guidance) -> Self {
        match guidance {
            Guidance::LookHere => Self::Eye,
            Guidance::Closer => Self::Closer,
            Guidance::Centre => Self::Right,
            Guidance::FaceCamera => Self::Turn,
            Guidance::HoldStill => Self::Still,
            Guidance::MoreLight => Self::Lamp,
            Guidance::LessLight => Self::Glare,
            Guidance::Uncover => Self::Uncover,
            Guidance::OneAtATime => Self::OnePerson,
        }
    }

    /// The icon of a refusal.
    pub(super) const fn of_refusal(reason: VisitorReason) -> Self {
        match reason {
            VisitorReason::NotRecognised => Self::Cross,
            VisitorReason::NotAllowed => Self::NoEntry,
            VisitorReason::Wait => Self::Hourglass,
            VisitorReason::SecondPerson => Self::TwoPeople,
            VisitorReason::Pin => Self::Keypad,
            VisitorReason::Closed => Self::Lock,
        }
    }

    /// The icon of an alarm.
    pub(super) const fn of_alarm(kind: AlarmKind) -> Self {
        match kind {
            AlarmKind::Forced => Self::DoorForced,
            AlarmKind::Held => Self::DoorOpen,
            AlarmKind::Tamper => Self::Tools,
            AlarmKind::Fire => Self::Flame,
        }
    }

    /// Signed distance from the icon's edge at `x`, `y`.
    pub(super) fn distance(self, x: f32, y: f32) -> f32 {
        let p = (x, y);
        match self {
            Self::Check => stroke(p, &[(-0.72, 0.05), (-0.2, 0.58), (0.76, -0.52)], 0.17),
            Self::Cross => {
                stroke(p, &[(-0.6, -0.6), (0.6, 0.6)], 0.17).min(stroke(p, &[(0.6, -0.6), (-0.6, 0.6)], 0.17))
            }
            Self::Face => (ellipse(p, (0.68, 0.9)).abs() - 0.08).min(features(p)),
            Self::Features => features(p),
            Self::Eye => {
                // Two arcs make the lids: the border of the overlap of two discs.
                let lens = disc(p, (0.0, 0.72), 1.18).max(disc(p, (0.0, -0.72), 1.18));
                (lens.abs() - 0.09).min(disc(p, (0.0, 0.0), 0.26))
            }
            Self::Closer => {
                // A head between brackets that open outwards: make it larger.
                let (ax, ay) = (x.abs(), y.abs());
                disc(p, (0.0, 0.0), 0.3).min(stroke(
                    (ax, ay),
                    &[(0.42, 0.82), (0.82, 0.82), (0.82, 0.42)],
                    0.11,
                ))
            }
            Self::Left => arrow((-x, y)),
            Self::Right => arrow(p),
            Self::Turn => turn(p),
            Self::Still => {
                slab(p, (-0.34, 0.0), (0.17, 0.62), 0.1).min(slab(p, (0.34, 0.0), (0.17, 0.62), 0.1))
            }
            Self::Lamp => lamp(p),
            Self::Glare => sun(p),
            Self::Uncover => uncover(p),
            Self::OnePerson => {
                let others = person((x.abs() - 0.66, y + 0.02), 0.62).abs() - 0.045;
                let middle = person(p, 0.92);
                // A gap keeps the one in front apart from those behind.
                middle.min(others.max(0.12 - middle))
            }
            Self::TwoPeople => {
                let second = person((x - 0.4, y), 0.86);
                let first = person((x + 0.4, y), 0.86);
                first.min((second.abs() - 0.05).max(0.14 - first))
            }
            Self::Hourglass => hourglass(p),
            Self::Keypad => keypad(p),
            Self::NoEntry => slab(p, (0.0, 0.0), (0.74, 0.2), 0.06),
            Self::Lock => lock(p),
            Self::DoorForced => door_frame(p).min(bolt((x * 1.1, y * 1.1)) / 1.1),
            Self::DoorOpen => door_frame(p).min(door_leaf(p)),
            Self::Tools => tools(p),
            Self::Flame => flame(p),
            Self::Warning => warning(p),
            Self::Link => link(p),
            Self::NoLink => {
                let slash = segment(p, (-0.8, 0.8), (0.8, -0.8));
                (slash - 0.09).min(link(p).max(0.24 - slash))
            }
            Self::Outbox => stroke(p, &[(0.0, 0.45), (0.0, -0.75)], 0.12)
                .min(stroke(p, &[(-0.42, -0.33), (0.0, -0.75), (0.42, -0.33)], 0.12))
                .min(stroke(p, &[(-0.75, 0.3), (-0.75, 0.82), (0.75, 0.82), (0.75, 0.3)], 0.12)),
        }
    }
}

/// A place in an icon.
type At = (f32, f32);

/// Eyes and a mouth; a ring around them makes a face.
fn features(p: At) -> f32 {
    let eyes = disc((p.0.abs(), p.1), (0.27, -0.14), 0.095);
    eyes.min(stroke(p, &SMILE, 0.052))
}

fn arrow(p: At) -> f32 {
    stroke(p, &[(-0.75, 0.0), (0.7, 0.0)], 0.15).min(stroke(
        p,
        &[(0.18, -0.52), (0.7, 0.0), (0.18, 0.52)],
        0.15,
    ))
}

/// A head seen from the front between two arrows that turn towards it.
fn turn(p: At) -> f32 {
    let (x, y) = (p.0.abs(), p.1);
    // A lying ellipse around the head, open in front of it, its ends arrows.
    let orbit =
        (ellipse((x, y - 0.28), (0.86, 0.36)).abs() - 0.09).max((0.2 - x).min(0.28 - y)).max(0.12 - y);
    let tip = polygon((x, y), &[(0.08, 0.62), (0.44, 0.34), (0.44, 0.9)]);
    let head = ellipse((x, y + 0.3), (0.4, 0.52));
    head.min(orbit.max(0.14 - head)).min(tip)
}

/// A bulb with rays.
fn lamp(p: At) -> f32 {
    let (x, y) = p;
    let glass = disc(p, (0.0, -0.16), 0.4);
    let neck = slab(p, (0.0, 0.3), (0.19, 0.2), 0.04);
    let base = slab(p, (0.0, 0.66), (0.19, 0.06), 0.05).min(slab(p, (0.0, 0.86), (0.11, 0.05), 0.05));
    let side = stroke((x.abs(), y), &[(0.68, -0.16), (0.88, -0.16)], 0.08);
    let slant = stroke((x.abs(), y), &[(0.48, -0.64), (0.62, -0.78)], 0.08);
    let top = stroke(p, &[(0.0, -0.84), (0.0, -0.9)], 0.08);
    glass.min(neck).min(base).min(side).min(slant).min(top)
}

fn sun((x, y): At) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let (near, far) = if ax > ay { (ay, ax) } else { (ax, ay) };
    disc((x, y), (0.0, 0.0), 0.38).min(stroke((near, far), &[(0.0, 0.64), (0.0, 0.88)], 0.09)).min(stroke(
        (near, far),
        &[(0.46, 0.46), (0.62, 0.62)],
        0.09,
    ))
}

/// A face whose lower half hides behind a mask with an arrow pulling it off.
fn uncover(p: At) -> f32 {
    let (x, y) = p;
    let head = ellipse((x, y + 0.05), (0.66, 0.88)).abs() - 0.08;
    let lenses = disc((x.abs(), y), (0.32, -0.18), 0.27);
    let bridge = stroke(p, &[(-0.1, -0.2), (0.1, -0.2)], 0.06);
    let arms = stroke((x.abs(), y), &[(0.5, -0.24), (0.66, -0.3)], 0.06);
    let mouth = stroke(p, &[(-0.2, 0.42), (0.2, 0.42)], 0.07);
    head.min(lenses).min(bridge).min(arms).min(mouth)
}

/// Head and shoulders, `scale` high.
fn person((x, y): At, scale: f32) -> f32 {
    let (x, y) = (x / scale, y / scale);
    let head = disc((x, y), (0.0, -0.42), 0.34);
    let body = slab((x, y), (0.0, 0.76), (0.58, 0.62), 0.5).max(y - 0.82);
    head.min(body) * scale
}

fn hourglass(p: At) -> f32 {
    let (x, y) = p;
    let caps = slab((x, y.abs()), (0.0, 0.82), (0.6, 0.09), 0.06);
    let glass =
        (polygon((x.abs(), y.abs()), &[(-0.06, 0.0), (0.06, 0.0), (0.44, 0.8), (-0.44, 0.8)])).abs() - 0.07;
    let sand = polygon(p, &[(-0.3, 0.74), (0.3, 0.74), (0.0, 0.34)])
        .min(polygon(p, &[(-0.2, -0.36), (0.2, -0.36), (0.0, 0.0)]));
    caps.min(glass).min(sand)
}

fn keypad((x, y): At) -> f32 {
    let dots = disc((x.abs(), y), (0.56, -0.74), 0.17).min(disc((x.abs(), y), (0.56, -0.18), 0.17));
    let dots = dots.min(disc((x.abs(), y), (0.56, 0.38), 0.17));
    let column = disc((x, y), (0.0, -0.74), 0.17).min(disc((x, y), (0.0, -0.18), 0.17));
    dots.min(column).min(disc((x, y), (0.0, 0.38), 0.17)).min(disc((x, y), (0.0, 0.9), 0.17))
}

fn lock(p: At) -> f32 {
    let (x, y) = p;
    let body = slab(p, (0.0, 0.34), (0.62, 0.5), 0.14);
    let hole = disc(p, (0.0, 0.24), 0.14).min(slab(p, (0.0, 0.44), (0.06, 0.18), 0.04));
    let bow = (disc(p, (0.0, -0.36), 0.38).abs() - 0.1).max(y + 0.36);
    let legs = slab((x.abs(), y), (0.38, -0.24), (0.1, 0.16), 0.0);
    bow.min(legs).min(body.max(-hole))
}

/// The frame of a door standing on the ground.
fn door_frame((x, y): At) -> f32 {
    stroke(
        (x, y),
        &[(-0.95, 0.88), (-0.62, 0.88), (-0.62, -0.88), (0.62, -0.88), (0.62, 0.88), (0.95, 0.88)],
        0.085,
    )
}

/// A leaf swung open, seen slantwise.
fn door_leaf(p: At) -> f32 {
    let leaf = polygon(p, &[(-0.6, -0.86), (0.12, -0.58), (0.12, 0.98), (-0.6, 0.86)]);
    leaf.max(-disc(p, (-0.06, 0.2), 0.09))
}

/// A stroke of lightning.
fn bolt(p: At) -> f32 {
    polygon(p, &[(0.16, -0.66), (-0.36, 0.1), (-0.05, 0.1), (-0.18, 0.68), (0.36, -0.12), (0.05, -0.12)])
}

/// A screwdriver across a housing.
fn tools(p: At) -> f32 {
    let (x, y) = p;
    let housing = (slab(p, (0.0, 0.0), (0.72, 0.86), 0.16)).abs() - 0.08;
    let blade = segment(p, (-0.4, 0.42), (0.3, -0.28)) - 0.075;
    let grip = segment(p, (0.36, -0.34), (0.94, -0.92)) - 0.2;
    let gap = segment(p, (0.3, -0.28), (0.94, -0.92)) - 0.32;
    let screw = disc((x, y), (-0.4, 0.48), 0.0) - 0.13;
    housing.max(-gap).min(blade).min(grip).min(screw)
}

fn flame(p: At) -> f32 {
    let outer = polygon(p, &FLAME);
    let inner = polygon(p, &FLAME_CORE);
    outer.max(-inner)
}

/// A triangle with an exclamation mark cut out.
fn warning(p: At) -> f32 {
    let sign = polygon(p, &[(0.0, -0.76), (0.84, 0.7), (-0.84, 0.7)]) - 0.12;
    let mark = slab(p, (0.0, -0.02), (0.1, 0.3), 0.08).min(disc(p, (0.0, 0.5), 0.12));
    sign.max(-mark)
}

/// Three arcs over a dot.
fn link(p: At) -> f32 {
    let (x, y) = p;
    let r = length(x, y - 0.62);
    let wedge = (x.abs() - (0.62 - y)) * 0.707;
    let arcs = ((r - 0.52).abs() - 0.1).min((r - 0.96).abs() - 0.1).min((r - 1.4).abs() - 0.1);
    (r - 0.15).min(arcs.max(wedge))
}

fn disc((x, y): At, (cx, cy): At, radius: f32) -> f32 {
    length(x - cx, y - cy) - radius
}

/// A box around `centre` with half sides `half`, its corners rounded by `radius`.
fn slab((x, y): At, centre: At, half: At, radius: f32) -> f32 {
    let (dx, dy) = ((x - centre.0).abs() - half.0 + radius, (y - centre.1).abs() - half.1 + radius);
    length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0) - radius
}

/// Length of a vector; `hypot` guards against overflow, which no panel reaches, and takes ten times as long.
pub(super) fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// An ellipse around the origin, to first order: exact on the edge, near enough beside it.
pub(super) fn ellipse((x, y): At, (a, b): At) -> f32 {
    let k0 = length(x / a, y / b);
    let k1 = length(x / (a * a), y / (b * b));
    if k1 < 1e-6 { -a.min(b) } else { k0 * (k0 - 1.0) / k1 }
}

fn segment((x, y): At, from: At, to: At) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = (((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    length(x - from.0 - dx * along, y - from.1 - dy * along)
}

/// A line through `points` with round ends and corners, `half` its width.
fn stroke(p: At, points: &[At], half: f32) -> f32 {
    points.windows(2).map(|pair| segment(p, pair[0], pair[1])).fold(f32::MAX, f32::min) - half
}

fn polygon(p: At, points: &[At]) -> f32 {
    let (x, y) = p;
    let mut nearest = f32::MAX;
    let mut inside = false;
    let mut from = points[points.len() - 1];
    for &to in points {
        nearest = nearest.min(segment(p, from, to));
        if (from.1 > y) != (to.1 > y) && x < (from.0 - to.0) * (y - to.1) / (from.1 - to.1) + to.0 {
            inside = !inside;
        }
        from = to;
    }
    if inside { -nearest } else { nearest }
}

/// Cuts every corner of a closed outline at a quarter of its sides (G. Chaikin, 1974): two rounds look round.
const fn rounded<const N: usize, const M: usize>(points: [At; N]) -> [At; M] {
    assert!(M == 2 * N, "each corner becomes two");
    let mut out = [(0.0, 0.0); M];
    let mut i = 0;
    while i < N {
        let ((ax, ay), (bx, by)) = (points[i], points[(i + 1) % N]);
        out[2 * i] = (0.75 * ax + 0.25 * bx, 0.75 * ay + 0.25 * by);
        out[2 * i + 1] = (0.25 * ax + 0.75 * bx, 0.25 * ay + 0.75 * by);
        i += 1;
    }
    out
}

/// The outline of a flame, clockwise from its tip.
const FLAME: [At; 56] = rounded::<28, 56>(rounded::<14, 28>([
    (0.1, -1.06),
    (0.22, -0.6),
    (0.56, -0.24),
    (0.76, 0.16),
    (0.74, 0.62),
    (0.4, 0.97),
    (-0.06, 1.0),
    (-0.54, 0.92),
    (-0.82, 0.46),
    (-0.72, 0.02),
    (-0.48, -0.42),
    (-0.42, -0.06),
    (-0.2, 0.1),
    (-0.2, -0.5),
]));

/// The bright heart left open inside it.
const FLAME_CORE: [At; 32] = rounded::<16, 32>(rounded::<8, 16>([
    (0.06, 0.06),
    (0.16, 0.3),
    (0.42, 0.5),
    (0.34, 0.84),
    (-0.02, 0.86),
    (-0.38, 0.84),
    (-0.38, 0.42),
    (0.0, 0.34),
]));

/// A mouth with its corners up.
const SMILE: [At; 7] =
    [(-0.27, 0.28), (-0.2, 0.37), (-0.11, 0.425), (0.0, 0.445), (0.11, 0.425), (0.2, 0.37), (0.27, 0.28)];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Icon; 27] = [
        Icon::Check,
        Icon::Cross,
        Icon::Face,
        Icon::Features,
        Icon::Eye,
        Icon::Closer,
        Icon::Left,
        Icon::Right,
        Icon::Turn,
        Icon::Still,
        Icon::Lamp,
        Icon::Glare,
        Icon::Uncover,
        Icon::OnePerson,
        Icon::TwoPeople,
        Icon::Hourglass,
        Icon::Keypad,
        Icon::NoEntry,
        Icon::Lock,
        Icon::DoorForced,
        Icon::DoorOpen,
        Icon::Tools,
        Icon::Flame,
        Icon::Warning,
        Icon::Link,
        Icon::NoLink,
        Icon::Outbox,
    ];

    fn bits(icon: Icon) -> Vec<bool> {
        (0..48)
            .flat_map(|y| (0..48).map(move |x| (x, y)))
            .map(|(x, y)| icon.distance(x as f32 / 20.0 - 1.2, y as f32 / 20.0 - 1.2) < 0.0)
            .collect()
    }

    #[test]
    fn icons_stay_in_their_box_and_are_neither_empty_nor_full() {
        for icon in ALL {
            let drawn = bits(icon);
            let inside = drawn.iter().filter(|&&bit| bit).count();
            assert!((50..1300).contains(&inside), "{icon:?} covers {inside} of 2304");
            let border = drawn
                .iter()
                .enumerate()
                .any(|(i, &bit)| bit && (i % 48 == 0 || i % 48 == 47 || i / 48 == 0 || i / 48 == 47));
            assert!(!border, "{icon:?} leaves its box");
        }
    }

    #[test]
    fn every_icon_differs_in_shape_from_every_other() {
        for (i, one) in ALL.into_iter().enumerate() {
            for other in ALL.into_iter().skip(i + 1) {
                let differ = bits(one).iter().zip(bits(other)).filter(|(a, b)| **a != *b).count();
                assert!(differ > 60, "{one:?} and {other:?} differ in {differ} places");
            }
        }
    }
}
