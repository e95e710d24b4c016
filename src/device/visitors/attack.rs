//! Pictures held up to a camera: a print on paper, a phone that shows a face.
//!
//! Owns: the sheet with its border, curl and ink, the phone with bezel, glare and pixel grid, the fingers that hold them.
//! Does not own: the face on it (a rendered frame), who holds it.

use super::draw::{Lens, Light, Place, flat};
use super::maths::{Dice, PI, V3, bell, cos, mix, mix3, noise, ramp, scale, sin};
use super::mesh::Grid;
use super::raster::{Canvas, Corner};

/// What is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// A photograph printed on paper.
    Print,
    /// A photograph on the screen of a phone.
    Phone,
}

/// A picture in amounts of light, row by row.
pub(super) struct Photo {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) light: Vec<V3>,
}

impl Photo {
    fn at(&self, u: f32, v: f32) -> V3 {
        let x = (u * (self.width - 1) as f32).clamp(0.0, (self.width - 2) as f32);
        let y = (v * (self.height - 1) as f32).clamp(0.0, (self.height - 2) as f32);
        let (x0, y0) = (x as usize, y as usize);
        let (tx, ty) = (x - x0 as f32, y - y0 as f32);
        let at = y0 * self.width + x0;
        let above = mix3(self.light[at], self.light[at + 1], tx);
        mix3(above, mix3(self.light[at + self.width], self.light[at + self.width + 1], tx), ty)
    }
}

/// A picture in somebody's hand.
pub(super) struct Held {
    pub(super) medium: Medium,
    /// Half its width and height, in centimetres.
    half: [f32; 2],
    /// Where the picture begins within it, as parts of its width and height.
    border: [f32; 2],
    curl: [f32; 2],
    corner: f32,
    tone: V3,
    grid: f32,
    glare: [f32; 3],
    skin: V3,
    seed: u32,
}

impl Held {
    pub(super) fn new(medium: Medium, seed: u64, skin: V3) -> Self {
        let mut d = Dice::new(seed ^ 0x6865_6c64);
        let (half, border) = match medium {
            Medium::Print => {
                let wide = d.range(6.6, 8.4);
                ([wide, wide * 1.36], [d.range(0.03, 0.07); 2])
            }
            Medium::Phone => {
                let wide = d.range(3.6, 4.3);
                ([wide, wide * 2.02], [0.035, 0.05])
            }
        };
        let cool = d.spread();
        Self {
            medium,
            half,
            border,
            curl: [d.spread() * 0.9, d.spread() * 1.1],
            corner: d.range(0.0, 1.4),
            tone: [1.0 + 0.05 * cool, 1.0, 1.0 - 0.07 * cool],
            grid: d.range(0.05, 0.13),
            glare: [d.range(-0.8, 0.8), d.range(0.08, 0.35), d.range(0.10, 0.35)],
            skin,
            seed: d.bits() as u32,
        }
    }

    /// The point of the sheet at (u, v), both 0 to 1, in its own measure.
    pub(super) fn point(&self, u: f32, v: f32) -> V3 {
        let (a, b) = (u * 2.0 - 1.0, v * 2.0 - 1.0);
        let (x, y) = (a * self.half[0], -b * self.half[1]);
        let z = match self.medium {
            Medium::Print => {
                let corner = (a * b - 0.45).max(0.0);
                self.curl[0] * a * a + self.curl[1] * 0.6 * b * b + self.corner * corner * 2.0
            }
            Medium::Phone => 0.0,
        };
        [x, y, z]
    }

    /// Where a point of the picture (0 to 1) lies on the sheet (0 to 1).
    pub(super) fn on_sheet(&self, u: f32, v: f32) -> [f32; 2] {
        let put = |t: f32, border: f32| border + t * (1.0 - 2.0 * border);
        [put(u, self.border[0]), put(v, self.border[1])]
    }

    /// Draws it with the hands that hold it.
    pub(super) fn draw(&self, canvas: &mut Canvas, photo: &Photo, place: &Place, light: &Light, lens: &Lens) {
        let (columns, rows) = (17, 21);
        let at = |i: usize, n: usize| i as f32 / (n - 1) as f32;
        let sheet = Grid::new(columns, rows, |column, row| self.point(at(column, columns), at(row, rows)));
        let corners: Vec<Corner<7>> = (0..sheet.points.len())
            .map(|i| {
                let [x, y, near] = lens.see(place.point(sheet.points[i]));
                let e = flat(light, place, sheet.normals[i]);
                let (u, v) = (at(i % columns, columns), at(i / columns, rows));
                Corner { x, y, near, values: [u, v, e[0], e[1], e[2], x, y] }
            })
            .collect();
        let soft = 0.004;
        canvas.grid(&corners, columns, |v| {
            let (u, w) = (v[0], v[1]);
            let inner = [
                (u - self.border[0]) / (1.0 - 2.0 * self.border[0]),
                (w - self.border[1]) / (1.0 - 2.0 * self.border[1]),
            ];
            let edge = inner[0].min(1.0 - inner[0]).min(inner[1].min(1.0 - inner[1]));
            let on = ramp(-soft, soft, edge);
            let e = [v[2], v[3], v[4]];
            match self.medium {
                Medium::Print => (self.paper(photo, inner, on, e, u, w), 1.0),
                Medium::Phone => self.screen(photo, inner, on, e, [u, w], [v[5], v[6]]),
            }
        });
        self.fingers(canvas, place, light, lens);
    }

    fn paper(&self, photo: &Photo, inner: [f32; 2], on: f32, e: V3, u: f32, v: f32) -> V3 {
        let white: V3 = [0.80, 0.80, 0.79];
        let ink = photo.at(inner[0], inner[1]);
        // Ink reaches neither black nor the colours of a screen; its dots lie in rows.
        let grey = 0.3 * ink[0] + 0.6 * ink[1] + 0.1 * ink[2];
        let dots = noise(u * 210.0, v * 280.0, self.seed) - 0.5;
        let bands = 0.012 * sin(v * 260.0);
        let mut c = [0.0; 3];
        for i in 0..3 {
            let pale = mix(ink[i], grey, 0.16).min(1.0);
            c[i] = (0.05 + 0.56 * pale * self.tone[i]) * (1.0 + 0.22 * dots) + bands * pale;
        }
        let c = mix3(white, c, on);
        let fibre = 1.0 + 0.03 * (noise(u * 60.0, v * 80.0, self.seed ^ 1) - 0.5);
        [c[0] * e[0] * fibre, c[1] * e[1] * fibre, c[2] * e[2] * fibre]
    }

    fn screen(
        &self,
        photo: &Photo,
        inner: [f32; 2],
        on: f32,
        e: V3,
        at: [f32; 2],
        pixel: [f32; 2],
    ) -> (V3, f32) {
        // Round corners: outside of them there is no phone.
        let (a, b) = ((at[0] * 2.0 - 1.0).abs() * self.half[0], (at[1] * 2.0 - 1.0).abs() * self.half[1]);
        let r = 0.9;
        let (ca, cb) = ((a - self.half[0] + r).max(0.0), (b - self.half[1] + r).max(0.0));
        if ca * ca + cb * cb > r * r {
            return ([0.0; 3], 0.0);
        }
        let bezel = scale(e, 0.015);
        let shown = photo.at(inner[0], inner[1]);
        // Rows of the screen against rows of the camera: slow waves, differing a little by colour.
        let wave = |shift: f32| {
            let p = sin(pixel[0] * 2.86 + pixel[1] * 0.11 + shift)
                + sin(pixel[1] * 2.71 - pixel[0] * 0.07 + shift);
            let slow =
                sin(at[0] * 31.0 + at[1] * 9.0 + shift * 1.3) * sin(at[1] * 44.0 - at[0] * 6.0 + shift);
            1.0 + self.grid * (0.35 * p + 0.5 * slow)
        };
        let mut c = [0.0; 3];
        for i in 0..3 {
            let level = (shown[i].min(1.0) * 40.0).floor() / 40.0;
            let value = mix(shown[i].min(1.0), level, 0.5) * 1.02 + 0.012;
            c[i] = value * [0.93, 1.0, 1.10][i] * self.tone[i] * wave(i as f32 * 0.9);
        }
        let c = mix3(bezel, c, on);
        // The hall's lamps in the glass.
        let t = (at[0] - 0.5) * 1.2 + (at[1] - 0.5) * 0.8 - self.glare[0] * 0.6;
        let streak = self.glare[2] * bell(t * t / (self.glare[1] * self.glare[1])) + 0.02;
        ([c[0] + e[0] * streak, c[1] + e[1] * streak, c[2] + e[2] * streak], 1.0)
    }

    /// A thumb before the edge on either side, fingertips around it.
    fn fingers(&self, canvas: &mut Canvas, place: &Place, light: &Light, lens: &Lens) {
        let mut d = Dice::new(u64::from(self.seed));
        for side in [-1.0_f32, 1.0] {
            if self.medium == Medium::Phone && side < 0.0 {
                // One hand: the thumb on the right edge, four fingertips on the left.
                for i in 0..4 {
                    let y = -self.half[1] * 0.1 - 2.0 * i as f32 + 2.2;
                    self.finger(
                        canvas,
                        place,
                        light,
                        lens,
                        [-self.half[0] - 0.15, y, 0.25],
                        [0.9, 0.78, 0.7],
                        0.1,
                    );
                }
                continue;
            }
            let y = match self.medium {
                Medium::Print => -self.half[1] * d.range(0.45, 0.85),
                Medium::Phone => -self.half[1] * d.range(0.35, 0.6),
            };
            let lean = side * d.range(0.5, 1.0);
            let inside = if self.medium == Medium::Phone { 0.0 } else { d.range(0.2, 0.9) };
            let x = side * (self.half[0] - inside);
            self.finger(
                canvas,
                place,
                light,
                lens,
                [x, y, 0.7],
                if self.medium == Medium::Phone { [1.7, 0.85, 0.7] } else { [2.4, 0.95, 0.75] },
                lean,
            );
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a place, a size and a slope within the picture's own measure"
    )]
    fn finger(
        &self,
        canvas: &mut Canvas,
        place: &Place,
        light: &Light,
        lens: &Lens,
        at: V3,
        size: V3,
        lean: f32,
    ) {
        let (columns, rows) = (15, 11);
        let (s, c) = (sin(lean * 0.5), cos(lean * 0.5));
        let grid = Grid::new(columns, rows, |column, row| {
            let a = (column as f32 / (columns - 1) as f32 * 2.0 - 1.0) * PI;
            let b = (0.5 - row as f32 / (rows - 1) as f32) * PI;
            let p = [sin(a) * cos(b) * size[0], sin(b) * size[1], cos(a) * cos(b) * size[2]];
            [at[0] + c * p[0] + s * p[1], at[1] - s * p[0] + c * p[1], at[2] + p[2]]
        });
        let corners: Vec<Corner<3>> = (0..grid.points.len())
            .map(|i| {
                let [x, y, near] = lens.see(place.point(grid.points[i]));
                let e = flat(light, place, grid.normals[i]);
                let c = [e[0] * self.skin[0], e[1] * self.skin[1] * 0.92, e[2] * self.skin[2] * 0.9];
                Corner { x, y, near, values: c }
            })
            .collect();
        canvas.grid(&corners, columns, |v| (*v, 1.0));
    }
}
