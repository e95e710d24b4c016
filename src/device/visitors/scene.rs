//! What stands behind visitors: a hall with doors, pictures, a plant, lamps and a bright end.
//!
//! Owns: the background of a door's camera, painted once, and the light that falls on whoever stands there.
//! Does not own: people. Invariant: one seed, one place.

use super::draw::{Lamp, Light};
use super::maths::{Dice, V3, cloud, mix3, noise, ramp, scale, sin, srgb};

/// One place.
pub(super) struct Scene {
    pub(super) light: Vec<V3>,
    pub(super) lamps: Light,
}

struct Hall {
    half: f32,
    floor: f32,
    ceiling: f32,
    end: f32,
    vanish: [f32; 2],
    wall: V3,
    other: V3,
    tiles: [V3; 2],
    sun: f32,
    seed: u32,
}

impl Scene {
    pub(super) fn new(seed: u64, width: usize, height: usize) -> Self {
        let mut d = Dice::new(seed ^ 0x6861_6c6c);
        let walls = [
            srgb(205, 196, 180),
            srgb(176, 188, 194),
            srgb(190, 178, 166),
            srgb(214, 210, 202),
            srgb(150, 160, 148),
        ];
        let floors = [srgb(120, 108, 96), srgb(96, 98, 102), srgb(150, 140, 126)];
        let floor = floors[d.pick(floors.len())];
        let hall = Hall {
            half: d.range(105.0, 170.0),
            floor: -d.range(135.0, 155.0),
            ceiling: d.range(95.0, 130.0),
            end: d.range(520.0, 900.0),
            vanish: [d.range(-60.0, 60.0), d.range(-15.0, 25.0)],
            wall: walls[d.pick(walls.len())],
            other: walls[d.pick(walls.len())],
            tiles: [floor, scale(floor, d.range(0.55, 0.85))],
            sun: d.range(0.5, 1.0),
            seed: d.bits() as u32,
        };
        let focal = width as f32 * 0.9375;
        let mut light = vec![[0.0; 3]; width * height];
        for y in 0..height {
            for x in 0..width {
                let dx = (x as f32 - width as f32 * 0.5 - hall.vanish[0]) / focal;
                let dy = -(y as f32 - height as f32 * 0.45 - hall.vanish[1]) / focal;
                light[y * width + x] = hall.look(dx, dy);
            }
        }
        plant(&mut light, width, height, &mut d);
        // Far out of focus.
        for _ in 0..3 {
            soften(&mut light, width, height, 2);
        }
        let side = if d.chance(0.5) { 1.0 } else { -1.0 };
        let warm = d.unit();
        let key = mix3([2.30, 2.28, 2.26], [2.55, 2.22, 1.88], warm);
        let lamps = Light {
            lamps: vec![
                Lamp { towards: [0.4 * side, 0.75, 1.0], colour: key, blunt: 0.2 },
                Lamp {
                    towards: [-1.3 * side, 0.25, 0.25],
                    colour: scale([0.60, 0.68, 0.80], hall.sun),
                    blunt: 0.4,
                },
                Lamp { towards: [0.0, -1.0, 0.4], colour: [0.24, 0.19, 0.15], blunt: 0.5 },
                Lamp { towards: [0.2, 0.7, -1.0], colour: scale([0.6, 0.62, 0.66], hall.sun), blunt: 0.3 },
            ],
            glow: [0.20, 0.20, 0.21],
        };
        Self { light, lamps }
    }
}

impl Hall {
    /// The colour of the hall in a direction: a box looked into from one end.
    fn look(&self, dx: f32, dy: f32) -> V3 {
        let reach = |d: f32, plus: f32, minus: f32| {
            if d > 1e-5 {
                plus / d
            } else if d < -1e-5 {
                minus / d
            } else {
                1e9
            }
        };
        let across = reach(dx, self.half, -self.half);
        let up = reach(dy, self.ceiling, self.floor);
        let z = across.min(up).min(self.end);
        let (x, y) = (dx * z, dy * z);
        let fade = 1.0 / (1.0 + z * 0.0012);
        let mut c = if z >= self.end {
            self.back(x, y)
        } else if across < up {
            self.side(y, z, dx > 0.0)
        } else if dy < 0.0 {
            self.ground(x, z)
        } else {
            roof(x, z)
        };
        // Corners hold less light.
        let corner =
            ((self.half - x.abs()).min((y - self.floor).min(self.ceiling - y)) / 30.0).clamp(0.0, 1.0);
        if z < self.end {
            c = scale(c, 0.75 + 0.25 * corner);
        }
        scale(c, 0.35 + 0.65 * fade)
    }

    fn ground(&self, x: f32, z: f32) -> V3 {
        let (u, v) = ((x / 42.0).floor(), (z / 42.0).floor());
        let odd = ((u + v) * 0.5 - ((u + v) * 0.5).floor()) > 0.25;
        let c = self.tiles[usize::from(odd)];
        let shine = 0.5 * self.sun * ramp(60.0, 0.0, x.abs()) * ramp(self.end * 0.25, self.end, z);
        scale(c, 0.55 + 0.5 * noise(x * 0.05, z * 0.05, self.seed) * 0.4 + shine)
    }

    fn side(&self, y: f32, z: f32, right: bool) -> V3 {
        let cell = (z / 130.0).floor();
        let at = z - cell * 130.0;
        let what = noise(cell * 3.7 + if right { 50.0 } else { 0.0 }, 0.5, self.seed);
        let mut c = if right { self.other } else { self.wall };
        c = scale(c, 0.75 + 0.2 * cloud(z * 0.02, y * 0.02, self.seed) + 0.002 * y);
        // A rail and the skirting.
        if (y - self.floor) < 12.0 || (y + 40.0).abs() < 4.0 {
            c = scale(c, 0.45);
        }
        if what < 0.42 {
            // A door with its frame and handle.
            if (18.0..112.0).contains(&at) && y < 65.0 {
                c = srgb(118, 86, 58);
                if !(24.0..106.0).contains(&at) || y > 59.0 {
                    c = srgb(225, 220, 210);
                } else if (y + 35.0).abs() < 3.0 && (96.0..103.0).contains(&at) {
                    c = srgb(200, 200, 200);
                } else if (36.0..94.0).contains(&at) && (10.0..48.0).contains(&y) {
                    c = scale(srgb(180, 205, 225), 0.6 + 0.6 * self.sun);
                }
            }
        } else if what < 0.56 {
            // A board full of notices.
            if (20.0..115.0).contains(&at) && (-5.0..58.0).contains(&y) {
                c = srgb(150, 112, 70);
                let (u, v) = ((at / 19.0).floor(), (y / 21.0).floor());
                let hue = noise(u * 5.3, v * 7.7, self.seed ^ 3);
                let (fu, fv) = (at - u * 19.0, y - v * 21.0);
                if (2.0..16.0).contains(&fu) && (2.0..18.0).contains(&fv) && hue > 0.3 {
                    c = mix3(srgb(240, 238, 228), srgb(230, 190, 90), ramp(0.62, 0.75, hue));
                    c = mix3(c, srgb(120, 170, 200), ramp(0.45, 0.35, hue));
                }
            }
        } else if what < 0.72 {
            // A picture.
            if (30.0..105.0).contains(&at) && (0.0..52.0).contains(&y) {
                let paint = cloud(at * 0.06, y * 0.08, self.seed ^ 5);
                c = mix3(srgb(60, 90, 120), srgb(220, 170, 110), paint);
                if !(34.0..101.0).contains(&at) || !(4.0..48.0).contains(&y) {
                    c = srgb(40, 34, 30);
                }
            }
        } else if what < 0.80 && (50.0..68.0).contains(&at) && (-70.0..-20.0).contains(&y) {
            c = srgb(190, 30, 28);
        }
        c
    }

    fn back(&self, x: f32, y: f32) -> V3 {
        let mut c = scale(self.wall, 0.8);
        let (wide, low, high) = (self.half * 0.72, self.floor + 4.0, self.ceiling * 0.7);
        if x.abs() < wide && y > low && y < high {
            // Through the glass: sky, trees, a street.
            let tree = cloud(x * 0.035 + 3.0, y * 0.035, self.seed ^ 7);
            let horizon = -20.0 + 70.0 * (tree - 0.35);
            let sky = mix3(srgb(232, 238, 245), srgb(190, 215, 240), ((y - 10.0) / 90.0).clamp(0.0, 1.0));
            let leaves = mix3(srgb(50, 78, 40), srgb(120, 150, 84), tree);
            c = if y > horizon { sky } else { leaves };
            if y < -70.0 {
                c = scale(srgb(150, 148, 144), 0.8 + 0.3 * tree);
            }
            c = scale(c, 0.9 + 0.9 * self.sun);
            let bar = (x / wide * 2.0 - (x / wide * 2.0).floor() - 0.5).abs();
            if bar > 0.47 || (y - 15.0).abs() < 3.0 {
                c = srgb(70, 70, 74);
            }
        }
        c
    }
}

/// A ceiling with lamps let in.
fn roof(x: f32, z: f32) -> V3 {
    let t = z / 150.0;
    let lamp = ramp(0.40, 0.36, (t - t.floor() - 0.5).abs()) * ramp(34.0, 30.0, x.abs());
    mix3(srgb(200, 198, 192), [2.2, 2.15, 2.0], lamp * 0.9)
}

/// Leaves in a pot beside the visitor.
fn plant(light: &mut [V3], width: usize, height: usize, d: &mut Dice) {
    if d.chance(0.25) {
        return;
    }
    let (w, h) = (width as f32, height as f32);
    let foot = if d.chance(0.5) { d.range(0.04, 0.2) } else { d.range(0.8, 0.96) } * w;
    for _ in 0..70 {
        let angle = d.range(-1.25, 1.25);
        let long = d.range(0.06, 0.20) * h;
        let at = d.range(0.3, 1.0);
        let (s, c) = (sin(angle), super::maths::cos(angle));
        let stem = at * h * 0.42;
        let (cx, cy) = (foot + s * stem * 0.6, h * 0.86 - c * stem);
        let green = mix3(srgb(40, 70, 34), srgb(118, 160, 72), d.unit());
        let thin = d.range(0.12, 0.26);
        let reach = long as i32;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (x, y) = (cx as i32 + dx, cy as i32 + dy);
                if x < 0 || y < 0 || x >= width as i32 || y >= height as i32 {
                    continue;
                }
                let along = (dx as f32 * s - dy as f32 * c) / long;
                let across = (dx as f32 * c + dy as f32 * s) / (long * thin);
                if along * along + across * across < 1.0 {
                    let shade =
                        0.55 + 0.5 * (0.5 + 0.5 * along) + if across.abs() < 0.12 { 0.15 } else { 0.0 };
                    light[y as usize * width + x as usize] = scale(green, shade);
                }
            }
        }
    }
}

/// A box blur both ways.
pub(super) fn soften(light: &mut [V3], width: usize, height: usize, radius: usize) {
    let k = 1.0 / (2 * radius + 1) as f32;
    let mut line = Vec::new();
    let mut pass = |light: &mut [V3], start: usize, step: usize, count: usize| {
        line.clear();
        line.extend((0..count).map(|i| light[start + i * step]));
        let r = radius as isize;
        for i in 0..count {
            let mut sum = [0.0_f32; 3];
            for j in -r..=r {
                let v = line[(i as isize + j).clamp(0, count as isize - 1) as usize];
                sum = super::maths::add(sum, v);
            }
            light[start + i * step] = scale(sum, k);
        }
    };
    for y in 0..height {
        pass(light, y * width, 1, width);
    }
    for x in 0..width {
        pass(light, x, width, height);
    }
}
