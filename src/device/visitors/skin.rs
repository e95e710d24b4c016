//! The skin of a head: colour and fine relief, laid over its grid once a person.
//!
//! Owns: complexion, blush, freckles, moles, lips, nostrils, wrinkles, brows, shaven hair. Does not own: eyes (they
//! move, `eye`), hair that stands out (`hair`).

use super::maths::{V3, bell, blob, cloud, mix, mix3, noise, ramp};
use super::person::{Beard, Person, Style};
use super::shape::Shape;

/// Texels a side.
pub(super) const SIDE: usize = 512;

/// What a texel holds.
#[derive(Clone, Copy, Default)]
pub(super) struct Texel {
    /// Part of the light that is given back.
    pub(super) albedo: V3,
    /// Slope of the fine relief to the right and up.
    pub(super) slope: [f32; 2],
    /// How much it shines.
    pub(super) shine: f32,
}

/// The texture.
pub(super) struct Skin {
    texels: Vec<Texel>,
}

impl Skin {
    /// Paints the skin; `place` gives angle and height of the texel at (u, v), both 0 to 1.
    pub(super) fn paint(shape: &Shape<'_>, place: impl Fn(f32, f32) -> (f32, f32)) -> Self {
        let p = shape.p;
        let mut texels = vec![Texel::default(); SIDE * SIDE];
        let mut relief = vec![0.0_f32; SIDE * SIDE];
        let moles = moles(p);
        for row in 0..SIDE {
            for column in 0..SIDE {
                let (theta, y) = place(column as f32 / (SIDE - 1) as f32, row as f32 / (SIDE - 1) as f32);
                let at = row * SIDE + column;
                let point = shape.at(theta, y);
                let x = if point[2] > 0.0 { point[0] } else { point[0] + point[0].signum() * -point[2] };
                let (texel, height) = texel(shape, x, y, point, &moles);
                texels[at] = texel;
                relief[at] = height;
            }
        }
        for row in 1..SIDE - 1 {
            for column in 1..SIDE - 1 {
                let at = row * SIDE + column;
                texels[at].slope =
                    [(relief[at + 1] - relief[at - 1]) * 9.0, (relief[at - SIDE] - relief[at + SIDE]) * 9.0];
            }
        }
        Self { texels }
    }

    /// The texel at (u, v), between its neighbours.
    pub(super) fn at(&self, u: f32, v: f32) -> Texel {
        let (x, y) = (u * (SIDE - 1) as f32, v * (SIDE - 1) as f32);
        let (x0, y0) = ((x as usize).min(SIDE - 2), (y as usize).min(SIDE - 2));
        let (tx, ty) = (x - x0 as f32, y - y0 as f32);
        let row = &self.texels[y0 * SIDE + x0..];
        let (a, b, c, d) = (&row[0], &row[1], &row[SIDE], &row[SIDE + 1]);
        let (ka, kb, kc, kd) = ((1.0 - tx) * (1.0 - ty), tx * (1.0 - ty), (1.0 - tx) * ty, tx * ty);
        let sum = |f: fn(&Texel) -> f32| f(a) * ka + f(b) * kb + f(c) * kc + f(d) * kd;
        Texel {
            albedo: [sum(|t| t.albedo[0]), sum(|t| t.albedo[1]), sum(|t| t.albedo[2])],
            slope: [sum(|t| t.slope[0]), sum(|t| t.slope[1])],
            shine: sum(|t| t.shine),
        }
    }
}

fn moles(p: &Person) -> Vec<[f32; 3]> {
    let mut d = super::maths::Dice::new(p.seed ^ 0x6d6f_6c65);
    (0..p.moles).map(|_| [d.range(-5.5, 5.5), d.range(-9.0, 5.0), d.range(0.10, 0.20)]).collect()
}

fn tint(colour: &mut V3, by: V3, k: f32) {
    for i in 0..3 {
        colour[i] *= mix(1.0, by[i], k);
    }
}

/// Colour, shine and the height of the fine relief at one place of the skin.
fn texel(shape: &Shape<'_>, x: f32, y: f32, point: V3, moles: &[[f32; 3]]) -> (Texel, f32) {
    let p = shape.p;
    let seed = p.seed as u32;
    let ax = x.abs();
    // The lower face is longer or shorter: features live in its own measure.
    let yn = if y < 0.0 { y / p.long } else { y };
    let mut c = p.skin;
    // Blotches wide and fine, and pores.
    let blotch = cloud(x * 0.5 + 9.0, yn * 0.5, seed) - 0.5;
    tint(&mut c, [1.10, 0.84, 0.80], (blotch * 0.9).clamp(-0.5, 0.5) * 0.6);
    let fine = noise(x * 6.0, yn * 6.0, seed ^ 0x1) - 0.5;
    tint(&mut c, [0.88, 0.84, 0.82], fine * 0.5);
    let pores = noise(x * 14.0, yn * 14.0, seed ^ 0x2) - 0.5;
    let mut height = pores * 0.012 + (noise(x * 7.0, yn * 7.0, seed ^ 0x3) - 0.5) * 0.016;
    tint(&mut c, [0.94, 0.92, 0.9], pores * 0.5);
    // Blood near the surface.
    let tip = -p.nose_long + 0.5;
    let red = 0.75 * blob(ax, yn, 4.1, -3.9, 2.0, 1.5)
        + 0.6 * blob(ax, yn, 0.0, tip, 1.5, 0.9)
        + 0.3 * blob(ax, yn, 0.0, -10.3, 1.6, 1.0)
        + 0.25 * blob(ax, yn, p.eye_x, -0.9, 1.6, 0.5);
    tint(&mut c, [1.08, 0.76, 0.74], red * p.blush * (0.4 + 0.6 * p.fair));
    // Around the eyes the skin is thin and lies in the shade of the brow.
    let around = blob(ax, yn, p.eye_x - 0.1, -0.25, 2.0, 1.25);
    tint(&mut c, [0.80, 0.70, 0.72], around * (0.55 + 0.3 * p.age));
    tint(&mut c, [0.74, 0.66, 0.70], blob(ax, yn, p.eye_x - 1.3, -0.75, 0.75, 0.45) * (0.4 + 0.4 * p.age));
    // The forehead catches sun, the sides less.
    tint(&mut c, [1.04, 1.02, 1.0], blob(ax, yn, 0.0, 4.5, 4.0, 2.0));
    if p.freckles > 0.0 {
        let zone = blob(ax, yn, 2.6, -2.8, 3.4, 2.2);
        let dots = ramp(0.70, 0.80, noise(x * 4.2, yn * 4.2, seed ^ 0x4));
        tint(&mut c, [0.72, 0.56, 0.45], dots * zone * p.freckles * 0.8);
    }
    for mole in moles {
        let spot = blob(x, yn, mole[0], mole[1], mole[2], mole[2]);
        tint(&mut c, [0.35, 0.28, 0.25], ramp(0.3, 0.8, spot));
    }
    height += wrinkles(p, x, yn, &mut c, seed);
    let mut shine = 0.5 + 0.5 * blob(ax, yn, 0.0, 0.0, 1.6, 5.0) + 0.3 * blob(ax, yn, 0.0, 4.6, 3.5, 1.6);
    // Nostrils and the fold of the wings.
    let hole = blob(ax, yn, 0.66 * p.nose_wide, tip - 0.78, 0.36, 0.19);
    tint(&mut c, [0.16, 0.10, 0.09], ramp(0.25, 0.8, hole));
    tint(&mut c, [0.72, 0.6, 0.58], blob(ax, yn, 1.3 * p.nose_wide + 0.42, tip - 0.2, 0.2, 0.6) * 0.8);
    tint(&mut c, [0.75, 0.66, 0.64], blob(ax, yn, 0.0, tip - 0.95, 1.5, 0.22) * 0.5);
    lips(shape, x, yn, &mut c, &mut height, &mut shine, seed);
    beard_shadow(p, ax, yn, &mut c, &mut shine, seed);
    brows(p, x, yn, &mut c, &mut shine, seed);
    scalp(p, point, y, &mut c, &mut shine, seed);
    (Texel { albedo: c, slope: [0.0; 2], shine }, height)
}

fn wrinkles(p: &Person, x: f32, y: f32, c: &mut V3, seed: u32) -> f32 {
    let ax = x.abs();
    let mut deep = 0.0;
    // The fold from the nose past the mouth is there in everybody.
    let t = ((-p.nose_long + 0.2 - y) / 4.0).clamp(0.0, 1.0);
    let fold_x = mix(1.95, 3.45, t);
    let fold = bell((ax - fold_x) * (ax - fold_x) * 26.0) * ramp(-3.5, -4.6, y) * ramp(-9.2, -7.4, y);
    deep += fold * (0.35 + 0.9 * p.age);
    // Under the eyes.
    let bag = -1.05 - 0.25 * (1.0 - (ax - p.eye_x) * (ax - p.eye_x) * 0.4);
    deep += bell((y - bag) * (y - bag) * 40.0)
        * blob(ax, 0.0, p.eye_x - 0.3, 0.0, 1.3, 1.0)
        * (0.25 + 0.7 * p.age);
    let old = ramp(0.3, 0.9, p.age);
    if old > 0.0 {
        let wave = (noise(x * 0.5, 3.0, seed ^ 0x5) - 0.5) * 0.7 + 0.04 * ax * ax * 0.3;
        for line in [3.4_f32, 4.2, 5.0, 5.8] {
            let d = y - line - wave;
            let part = ramp(0.35, 0.6, noise(x * 0.6, line, seed ^ 0x6));
            deep += bell(d * d * 90.0) * ramp(5.0, 3.0, ax) * part * old;
        }
        for i in 0..4 {
            let f = i as f32;
            let d = y - (0.5 - 0.4 * f) - (ax - p.eye_x - 1.7) * (0.35 - 0.3 * f);
            deep += bell(d * d * 130.0) * ramp(1.5, 1.9, ax - p.eye_x) * ramp(3.6, 2.3, ax - p.eye_x) * old;
        }
        let d = ax - 0.5;
        deep += bell(d * d * 60.0) * blob(y, 0.0, 1.7, 0.0, 0.8, 1.0) * old * 0.7;
    }
    tint(c, [0.80, 0.70, 0.68], (deep * 0.8).min(1.0));
    -0.05 * deep
}

fn lips(shape: &Shape<'_>, x: f32, y: f32, c: &mut V3, height: &mut f32, shine: &mut f32, seed: u32) {
    let p = shape.p;
    let s = x.abs() / p.mouth_wide;
    let line = shape.lip_line(x);
    let arc = (1.0 - s * s).max(0.0);
    let bow = 1.0 - 0.28 * bell(s * s * 50.0) + 0.12 * bell((s - 0.2) * (s - 0.2) * 60.0);
    let top = line + p.lip_upper * 1.25 * arc * bow;
    let low = line - p.lip_lower * 1.15 * arc * (0.55 + 0.45 * arc);
    let inside = ramp(-0.07, 0.09, top - y) * ramp(-0.1, 0.12, y - low) * ramp(1.02, 0.94, s);
    if inside > 0.0 {
        let crease = noise(x * 7.0, y * 1.2, seed ^ 0x7) - 0.5;
        let mut colour = p.lips;
        tint(&mut colour, [0.8, 0.72, 0.72], 0.5 * crease + 0.25 * ramp(0.0, 0.5, y - line));
        *c = mix3(*c, colour, inside * 0.9);
        *height += crease * 0.02 * inside;
        *shine += inside * (0.3 + 0.5 * p.female);
    }
    let d = (y - line) / 0.085;
    let gap = bell(d * d) * ramp(1.06, 0.92, s);
    tint(c, [0.22, 0.12, 0.12], gap * 0.9);
    tint(c, [0.6, 0.5, 0.5], blob(x.abs(), y, p.mouth_wide + 0.06, line, 0.22, 0.16) * 0.7);
    tint(c, [0.84, 0.76, 0.74], blob(x, y, 0.0, line - p.lip_lower * 1.15 - 0.35, 1.7, 0.3) * 0.8);
}

/// How much beard grows at a place, by how it is worn: the lip, the chin, the cheeks.
pub(super) fn beard_mask(p: &Person, ax: f32, y: f32) -> f32 {
    let lip_top = p.mouth_y + 0.15 + p.lip_upper * 1.3;
    let moustache = ramp(lip_top - 0.1, lip_top + 0.12, y + 0.14 * ax)
        * ramp(-p.nose_long - 0.15, -p.nose_long - 0.6, y)
        * ramp(p.mouth_wide + 0.9, p.mouth_wide + 0.2, ax);
    let sides = ramp(p.mouth_wide + 0.1, p.mouth_wide + 0.35, ax)
        * ramp(p.mouth_wide + 1.15, p.mouth_wide + 0.75, ax)
        * ramp(-p.nose_long - 0.9, -p.nose_long - 1.6, y);
    let low = p.mouth_y - p.lip_lower * 1.2;
    let chin = ramp(low - 0.15, low - 0.7, y) * ramp(3.9, 3.1, ax);
    let soul = ramp(low - 0.05, low - 0.2, y) * ramp(0.7, 0.4, ax);
    // Down from the ear along the jaw: a line from the sideburn to the corner of the mouth.
    let edge = mix(-6.3, -1.0, ramp(3.0, 6.2, ax));
    let cheeks = ramp(edge + 0.4, edge - 0.6, y) * ramp(p.mouth_wide + 0.2, p.mouth_wide + 0.9, ax);
    match p.beard {
        Beard::None => 0.0,
        Beard::Moustache => moustache,
        Beard::Goatee => moustache.max(sides).max(chin).max(soul),
        Beard::Stubble | Beard::Full => moustache.max(sides).max(chin).max(soul).max(cheeks),
    }
}

fn beard_shadow(p: &Person, ax: f32, y: f32, c: &mut V3, shine: &mut f32, seed: u32) {
    if p.female > 0.5 {
        return;
    }
    let mut shaven = Person { beard: Beard::Full, ..p.clone() };
    let all = beard_mask(&shaven, ax, y);
    let dots = noise(ax * 11.0, y * 11.0, seed ^ 0x8);
    // What the razor leaves is bluish on the fair.
    tint(c, [0.86, 0.88, 0.92], all * (0.55 + 0.45 * dots) * p.fair * 0.8);
    shaven.beard = p.beard;
    let worn = beard_mask(&shaven, ax, y);
    let cover = match p.beard {
        Beard::None => 0.0,
        Beard::Stubble => worn * mix(0.25, 0.6, dots),
        Beard::Moustache | Beard::Goatee | Beard::Full => worn * mix(0.80, 0.98, dots),
    };
    *c = mix3(*c, p.beard_colour, cover);
    *shine *= 1.0 - 0.8 * worn;
}

fn brows(p: &Person, x: f32, y: f32, c: &mut V3, shine: &mut f32, seed: u32) {
    let ax = x.abs();
    let s = (ax - p.brow_gap) / (p.brow_length * 1.55);
    if !(-0.15..1.15).contains(&s) {
        return;
    }
    let bent = s - 0.62;
    let middle = p.brow_y + p.brow_tilt * (s - 0.4) * 2.0 + p.brow_arch * (0.5 - bent * bent * 2.4);
    let thick = p.brow_thick * (1.0 - 0.75 * ramp(0.45, 1.05, s)) * ramp(-0.12, 0.1, s);
    let d = (y - middle) / thick.max(0.03);
    let body = bell(d * d * 0.9) * ramp(-0.12, 0.06, s) * ramp(1.1, 0.92, s);
    // Hairs rise at the inner end and lie down towards the outer.
    let lean = mix(1.6, 0.25, s.clamp(0.0, 1.0));
    let along = ax - (y - middle) / lean.max(0.2);
    let hairs = noise(along * 8.5 + if x < 0.0 { 40.0 } else { 0.0 }, (y - middle) * 1.5, seed ^ 0x9);
    let cover = ramp(0.15, 0.75, body * (0.55 + 0.9 * hairs));
    let colour = mix3(p.hair, [0.012, 0.009, 0.007], if p.style == Style::Bald { 0.45 } else { 0.55 });
    *c = mix3(*c, colour, cover * 0.92);
    *shine *= 1.0 - 0.7 * cover;
}

/// How much of the scalp's hair grows at a point of the head.
pub(super) fn scalp_mask(p: &Person, point: V3) -> f32 {
    let [x, y, z] = point;
    let ax = x.abs();
    let seed = p.seed as u32;
    let ragged = (noise(x * 1.1, y * 1.1 + z, seed ^ 0xa) - 0.5) * 0.7
        + (noise(x * 6.0, y * 6.0 + z * 3.0, seed ^ 0x1a) - 0.5) * 0.7;
    // In front the hairline arches over the forehead and comes down before the ears; behind it goes to the nape.
    let recess = (p.hairline - 6.6).max(0.0);
    let temple = 0.45 * recess * blob(ax, 0.0, 4.2, 0.0, 1.5, 1.0);
    let front = p.hairline + temple - 0.045 * ax * ax - 3.2 * ramp(5.4, 6.9, ax);
    let side = mix(front, 0.6, ramp(5.3, 1.8, z) * ramp(4.5, 6.4, ax));
    let ear = mix(side, -2.2, ramp(1.9, 0.9, z) * ramp(-3.4, -2.2, z).max(ramp(1.6, 2.0, z) * 0.0));
    let line = mix(ear, -7.0, ramp(-2.0, -5.0, z));
    let burns =
        blob(z, 0.0, 2.0, 0.0, 0.8, 1.0) * ramp(5.5, 6.3, ax) * ramp(-2.6, -1.6, y) * (1.0 - p.female);
    ramp(-0.55, 0.65, y - line + ragged).max(burns * 0.9)
}

fn scalp(p: &Person, point: V3, y: f32, c: &mut V3, shine: &mut f32, seed: u32) {
    if y < -8.0 {
        return;
    }
    let grows = scalp_mask(p, point);
    if grows <= 0.0 {
        return;
    }
    let dots = noise(point[0] * 9.0, (y + point[2]) * 9.0, seed ^ 0xb);
    let cover = match p.style {
        Style::Bald => {
            grows
                * mix(0.05, 0.22, dots)
                * p.female.max(ramp(9.5, 5.5, y) * ramp(6.0, -1.0, point[2]).max(0.3))
        }
        Style::Cropped => grows * mix(0.72, 0.95, dots),
        Style::Short
        | Style::Parted
        | Style::Swept
        | Style::Fringe
        | Style::Curls
        | Style::Bob
        | Style::Long
        | Style::Tied => grows * mix(0.85, 0.97, dots),
    };
    let shade = super::maths::scale(p.hair, 0.7 + 0.3 * dots);
    *c = mix3(*c, shade, cover);
    *shine *= 1.0 - 0.8 * cover;
}
