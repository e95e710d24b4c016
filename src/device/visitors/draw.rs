//! A figure in a pose, drawn into a frame of light.
//!
//! Owns: projection, light on skin, hair and cloth. Does not own: the background, the lens.

use super::body;
use super::eye::{Gaze, eye};
use super::figure::Figure;
use super::hair::KNOTS;
use super::maths::{Turn, V3, add, dot, mix, mix3, ramp, scale, squared, sub, unit};
use super::mesh::{Grid, Sky, dot9, nine};
use super::person::{Glasses, Person, Style};
use super::raster::{Canvas, Corner};

/// A lamp or a window far away: where it is, in which colour, how wide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lamp {
    pub(super) towards: V3,
    pub(super) colour: V3,
    pub(super) blunt: f32,
}

/// The light of a moment.
#[derive(Clone, Debug)]
pub(super) struct Light {
    /// The first is the one that shines on skin and hair.
    pub(super) lamps: Vec<Lamp>,
    pub(super) glow: V3,
}

/// Where somebody stands and what they do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pose {
    /// The middle of the head before the camera: right, up, away; centimetres.
    pub(super) at: V3,
    pub(super) yaw: f32,
    pub(super) pitch: f32,
    pub(super) roll: f32,
    pub(super) body_yaw: f32,
    pub(super) gaze: Gaze,
}

/// Pinhole: pixels of the picture's middle, pixels a unit of slope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lens {
    pub(super) middle: [f32; 2],
    pub(super) focal: f32,
}

impl Lens {
    /// Pixel and one over the distance of a point (right, up, towards the viewer; the lens at 0).
    pub(super) fn see(&self, p: V3) -> [f32; 3] {
        let away = -p[2];
        let near = if away > 4.0 { 1.0 / away } else { 0.0 };
        [self.middle[0] + self.focal * p[0] * near, self.middle[1] - self.focal * p[1] * near, near]
    }
}

/// Where the parts are: a turn around a pivot, then moved.
#[derive(Clone, Copy)]
pub(super) struct Place {
    turn: Turn,
    pivot: V3,
    at: V3,
}

const PIVOT: V3 = [0.0, -8.0, -2.5];

impl Place {
    pub(super) fn point(&self, p: V3) -> V3 {
        add(add(self.turn.apply(sub(p, self.pivot)), self.pivot), self.at)
    }
}

impl Pose {
    pub(super) fn head(&self) -> Place {
        Place { turn: Turn::new(self.yaw, self.pitch, self.roll), pivot: PIVOT, at: self.origin() }
    }

    fn part(&self, of: f32) -> Place {
        let yaw = mix(self.body_yaw, self.yaw, of);
        Place { turn: Turn::new(yaw, self.pitch * of, self.roll * of), pivot: PIVOT, at: self.origin() }
    }

    fn origin(&self) -> V3 {
        [self.at[0], self.at[1], -self.at[2]]
    }
}

/// The light on a slope without anything in the way, 1 for white paper (Ramamoorthi and Hanrahan 2001).
fn open(sky: &Sky, n: V3) -> V3 {
    let mut y = nine(n);
    for (i, v) in y.iter_mut().enumerate() {
        *v *= match i {
            0 => 1.0,
            1..4 => 2.0 / 3.0,
            _ => 0.25,
        };
    }
    [dot9(&y, &sky.0[0]).max(0.0), dot9(&y, &sky.0[1]).max(0.0), dot9(&y, &sky.0[2]).max(0.0)]
}

impl Light {
    /// The light as a part that was turned sees it.
    fn sky(&self, turn: &Turn) -> Sky {
        let mut sky = Sky::default();
        for lamp in &self.lamps {
            sky.lamp(turn.back(lamp.towards), lamp.colour, lamp.blunt);
        }
        sky.glow(self.glow);
        sky
    }
}

/// Draws the figure.
pub(super) fn figure(canvas: &mut Canvas, figure: &Figure, pose: &Pose, light: &Light, lens: &Lens) {
    torso(canvas, figure, pose, light, lens);
    flesh(canvas, &figure.neck, &figure.p, &pose.part(0.5), light, lens, |q| ramp(-17.5, -11.0, q[1]) * 0.72);
    for (ear, side) in figure.ears.iter().zip([-1.0_f32, 1.0]) {
        let rim = ear.points[ear.points.len() / 2][0] * side;
        flesh(canvas, ear, &figure.p, &pose.head(), light, lens, |q| {
            ramp(rim + 0.45, rim - 0.4, q[0] * side) * 0.5
        });
    }
    head(canvas, figure, pose, light, lens);
    strands(canvas, figure, pose, light, lens);
    if let Some(glasses) = &figure.p.glasses {
        spectacles(canvas, figure, glasses, pose, light, lens);
    }
}

fn torso(canvas: &mut Canvas, figure: &Figure, pose: &Pose, light: &Light, lens: &Lens) {
    let place = pose.part(0.0);
    let sky = light.sky(&place.turn);
    let corners: Vec<Corner<6>> = figure
        .torso
        .points
        .iter()
        .zip(&figure.torso.normals)
        .map(|(&p, &n)| {
            let [x, y, near] = lens.see(place.point(p));
            let under = 1.0 - 0.55 * ramp(-22.0, -14.0, p[1]) * ramp(12.0, 5.0, p[0].abs());
            let e = scale(open(&sky, n), under);
            Corner { x, y, near, values: [p[0], p[1], p[2], e[0], e[1], e[2]] }
        })
        .collect();
    let p = &figure.p;
    canvas.grid(&corners, figure.torso.columns, |v| {
        let c = body::cloth(p, [v[0], v[1], v[2]]);
        ([c[0] * v[3], c[1] * v[4], c[2] * v[5]], 1.0)
    });
}

/// Skin without a texture of its own, shaded by the given part.
fn flesh(
    canvas: &mut Canvas,
    grid: &Grid,
    p: &Person,
    place: &Place,
    light: &Light,
    lens: &Lens,
    shade: impl Fn(V3) -> f32,
) {
    let sky = light.sky(&place.turn);
    let corners: Vec<Corner<3>> = grid
        .points
        .iter()
        .zip(&grid.normals)
        .map(|(&q, &n)| {
            let [x, y, near] = lens.see(place.point(q));
            let e = scale(open(&sky, n), 1.0 - shade(q));
            Corner {
                x,
                y,
                near,
                values: [e[0] * p.skin[0], e[1] * p.skin[1] * 0.93, e[2] * p.skin[2] * 0.92],
            }
        })
        .collect();
    canvas.grid(&corners, grid.columns, |v| (*v, 1.0));
}

fn head(canvas: &mut Canvas, figure: &Figure, pose: &Pose, light: &Light, lens: &Lens) {
    let place = pose.head();
    let sky = light.sky(&place.turn);
    let p = &figure.p;
    let corners: Vec<Corner<10>> = (0..figure.head.points.len())
        .map(|i| {
            let q = figure.head.points[i];
            let n = place.turn.apply(figure.head.normals[i]);
            let (sharp, soft) = (&figure.sharp[i], &figure.soft[i]);
            let red = mix(dot9(sharp, &sky.0[0]), dot9(soft, &sky.0[0]), 0.85);
            let green = mix(dot9(sharp, &sky.0[1]), dot9(soft, &sky.0[1]), 0.4);
            let blue = mix(dot9(sharp, &sky.0[2]), dot9(soft, &sky.0[2]), 0.25);
            let e = [red, green, blue].map(|e| e.max(0.004));
            let [x, y, near] = lens.see(place.point(q));
            let (u, v) = Figure::uv(i);
            Corner { x, y, near, values: [u, v, q[0], q[1], n[0], n[1], n[2], e[0], e[1], e[2]] }
        })
        .collect();
    let key = unit(light.lamps.first().map_or([0.0, 0.5, 1.0], |l| l.towards));
    let half = unit(add(key, [0.0, 0.0, 1.0]));
    let [right, up, _] = place.turn.0;
    let long = p.long;
    canvas.grid(&corners, figure.head.columns, |v| {
        let texel = figure.skin.at(v[0], v[1]);
        let n = [v[4], v[5], v[6]];
        let bent = unit(sub(n, add(scale(right, texel.slope[0]), scale(up, texel.slope[1]))));
        let mut e = [v[7], v[8], v[9]];
        let more = (1.0 + 0.85 * dot(sub(bent, n), key)).clamp(0.4, 1.6);
        e = scale(e, more);
        let mut albedo = texel.albedo;
        let mut shine = texel.shine;
        if v[3] > -1.2 && v[3] < 1.6 && v[6] > -0.2 {
            let y = if v[3] < 0.0 { v[3] / long } else { v[3] };
            if let Some((c, _)) = eye(p, &pose.gaze, v[2], y, albedo) {
                albedo = c;
                shine *= 0.6;
            }
        }
        let gloss = dot(bent, half).max(0.0);
        // Grazing skin mirrors more.
        let graze = squared(1.0 - bent[2].clamp(0.0, 1.0), 2);
        let spec = shine * (0.10 * squared(gloss, 4) + 0.05 * squared(gloss, 3) + 0.05 * graze);
        ([e[0] * (albedo[0] + spec), e[1] * (albedo[1] + spec), e[2] * (albedo[2] + spec)], 1.0)
    });
}

fn strands(canvas: &mut Canvas, figure: &Figure, pose: &Pose, light: &Light, lens: &Lens) {
    let place = pose.head();
    let sky = light.sky(&place.turn);
    let key = place.turn.back(unit(light.lamps.first().map_or([0.0, 0.5, 1.0], |l| l.towards)));
    let half = unit(add(key, place.turn.back([0.0, 0.0, 1.0])));
    let pixel = lens.focal / pose.at[2].max(20.0);
    let wide = (pixel * 0.075).clamp(0.35, 2.0);
    ribbons(canvas, figure, &place, &sky, lens);
    for strand in &figure.strands {
        let mut last: Option<([f32; 3], V3)> = None;
        for i in 0..KNOTS {
            let along = i as f32 / (KNOTS - 1) as f32;
            let tangent = unit(sub(strand.points[(i + 1).min(KNOTS - 1)], strand.points[i.max(1) - 1]));
            let e = scale(open(&sky, strand.normals[i]), mix(0.55, 1.05, along));
            // Shine of hair (Kajiya and Kay 1989).
            let th = dot(tangent, half);
            let ring = (1.0 - th * th).max(0.0).sqrt();
            let facing = dot(strand.normals[i], key).max(0.0);
            let spec = 0.09 * squared(ring, 5) * facing;
            let c = strand.colour;
            let colour = [e[0] * (c[0] + spec), e[1] * (c[1] + spec), e[2] * (c[2] + spec)];
            let seen = lens.see(place.point(strand.points[i]));
            if let Some((before, was)) = last {
                let taper = if i == KNOTS - 1 { 0.6 } else { 1.0 };
                canvas.hair(before, seen, [was, colour], wide * taper, 0.85, 0.004);
            }
            last = Some((seen, colour));
        }
    }
}

/// What lies below the outer strands of hanging hair: broad dark bands, so that no daylight shows through.
fn ribbons(canvas: &mut Canvas, figure: &Figure, place: &Place, sky: &Sky, lens: &Lens) {
    if !matches!(figure.p.style, Style::Long | Style::Bob) {
        return;
    }
    for strand in figure.strands.iter().step_by(13) {
        let seen = strand.points.map(|p| lens.see(place.point(p)));
        let corner = |i: usize, k: f32| {
            let (a, b) = (seen[i.max(1) - 1], seen[(i + 1).min(KNOTS - 1)]);
            let d = unit([b[0] - a[0], b[1] - a[1], 0.0]);
            let half = k * lens.focal * seen[i][2] * if i == KNOTS - 1 || i == 0 { 0.3 } else { 0.8 };
            let e = open(sky, strand.normals[i]);
            let c = [e[0] * strand.colour[0], e[1] * strand.colour[1], e[2] * strand.colour[2]];
            Corner {
                x: seen[i][0] - d[1] * half,
                y: seen[i][1] + d[0] * half,
                near: seen[i][2] * 0.985,
                values: scale(c, 0.55),
            }
        };
        let mut shade = |v: &[f32; 3]| (*v, 1.0);
        for i in 1..KNOTS {
            let (a, b, c, d) = (corner(i - 1, -1.0), corner(i - 1, 1.0), corner(i, -1.0), corner(i, 1.0));
            canvas.triangle([&a, &c, &d], &mut shade);
            canvas.triangle([&a, &d, &b], &mut shade);
        }
    }
}

fn spectacles(canvas: &mut Canvas, figure: &Figure, g: &Glasses, pose: &Pose, light: &Light, lens: &Lens) {
    let place = pose.head();
    let sky = light.sky(&place.turn);
    let e = open(&sky, [0.0, 0.3, 0.95]);
    let rim = [e[0] * g.colour[0], e[1] * g.colour[1], e[2] * g.colour[2]];
    let bright = add(rim, scale(e, 0.12));
    let z = figure.marks[0][2].max(figure.marks[1][2]) + 1.25;
    let middle = figure.p.eye_x + 0.12;
    let bow = |x: f32| z - 0.035 * x * x;
    let mut tube = |a: V3, b: V3, thick: f32| {
        let (p, q) = (lens.see(place.point(a)), lens.see(place.point(b)));
        let half = thick * 0.5 * lens.focal * p[2];
        let d = unit([q[0] - p[0], q[1] - p[1], 0.0]);
        let (nx, ny) = (-d[1] * half, d[0] * half);
        let corner = |s: [f32; 3], k: f32| Corner {
            x: s[0] + nx * k + d[0] * half * 0.3,
            y: s[1] + ny * k + d[1] * half * 0.3,
            near: s[2] * 1.004,
            values: [k],
        };
        let mut shade = |v: &[f32; 1]| (mix3(rim, bright, ramp(0.1, -0.6, v[0].abs() - 0.5) * 0.6), 1.0);
        let (a0, a1, b0, b1) = (corner(p, -1.0), corner(p, 1.0), corner(q, -1.0), corner(q, 1.0));
        canvas.triangle([&a0, &b0, &b1], &mut shade);
        canvas.triangle([&a0, &b1, &a1], &mut shade);
    };
    for side in [-1.0_f32, 1.0] {
        let at = |i: usize| {
            let a = i as f32 / 28.0 * 2.0 * super::maths::PI;
            let (s, c) = (super::maths::sin(a), super::maths::cos(a));
            let quartic = 1.0 / (s * s * s * s + c * c * c * c).sqrt().sqrt();
            let r = mix(1.0, quartic, g.square);
            let x = side * (middle + c * r * g.half[0]);
            [x, -0.25 + s * r * g.half[1], bow(x)]
        };
        for i in 0..28 {
            tube(at(i), at(i + 1), g.rim);
        }
        let hinge = [side * (middle + g.half[0]), 0.7, bow(middle + g.half[0])];
        let elbow = [side * (7.25 * figure.p.wide), 0.7, 3.5];
        let behind = [side * (7.35 * figure.p.wide), 0.4, -1.5];
        tube(hinge, elbow, g.rim.max(0.22));
        tube(elbow, behind, g.rim.max(0.22));
    }
    let inner = middle - g.half[0];
    tube([-inner, 0.35, bow(inner)], [0.0, 0.62, bow(0.0) + 0.15], g.rim.max(0.2));
    tube([0.0, 0.62, bow(0.0) + 0.15], [inner, 0.35, bow(inner)], g.rim.max(0.2));
    lenses(canvas, g, middle, z, &place, e, lens);
}

/// A little light mirrored by the glass: a slanted streak.
fn lenses(canvas: &mut Canvas, g: &Glasses, middle: f32, z: f32, place: &Place, e: V3, lens: &Lens) {
    for side in [-1.0_f32, 1.0] {
        let corner = |a: f32, b: f32| {
            let x = side * middle + a * g.half[0] * 0.92;
            let s = lens.see(place.point([x, -0.25 + b * g.half[1] * 0.92, z - 0.035 * x * x]));
            Corner { x: s[0], y: s[1], near: s[2], values: [a, b] }
        };
        let mut shade = |v: &[f32; 2]| {
            if v[0] * v[0] + v[1] * v[1] > 1.0 + 0.6 * g.square {
                return ([0.0; 3], 0.0);
            }
            let t = v[0] + v[1] * 0.7;
            let streak = ramp(0.35, 0.5, t) * ramp(0.85, 0.7, t);
            (e, 0.02 + 0.07 * streak)
        };
        let (a, b, c, d) = (corner(-1.0, 1.0), corner(1.0, 1.0), corner(1.0, -1.0), corner(-1.0, -1.0));
        canvas.triangle([&a, &b, &c], &mut shade);
        canvas.triangle([&a, &c, &d], &mut shade);
    }
}

/// The light on a slope of something that was turned, nothing in the way; 1 for white paper under the key lamp.
pub(super) fn flat(light: &Light, place: &Place, n: V3) -> V3 {
    open(&light.sky(&place.turn), n)
}

impl Place {
    /// Something flat in somebody's hand: its middle, and how it is turned.
    pub(super) fn held(at: V3, yaw: f32, pitch: f32, roll: f32) -> Self {
        Self { turn: Turn::new(yaw, pitch, roll), pivot: [0.0; 3], at: [at[0], at[1], -at[2]] }
    }
}
