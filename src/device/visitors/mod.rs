//! People who do not exist, walking up to the door: a small renderer, so that no real person's picture is needed.
//!
//! Owns: who they are (one seed a person), how they look, move and are lit, what they hold up, the hall behind them,
//! the camera's lens and grain. Does not own: when they come (`walkup`), what the door makes of them.
//! Invariants: the same seeds give the same bytes on every machine (no arithmetic whose result a platform may choose);
//! any seed can be drawn; nothing is written outside the frame.
//!
//! Heads are closed forms of smooth bumps on anatomical proportions, drawn as grids of triangles with depth; skin, brows
//! and lips are painted once a person; hair is strands; light takes its shadows from nine numbers a point.

mod attack;
mod body;
mod cast;
mod draw;
mod eye;
mod figure;
mod film;
mod hair;
mod maths;
mod mesh;
mod names;
mod person;
mod raster;
mod scene;
mod shape;
mod skin;
mod walk;

pub use attack::Medium;

use attack::{Held, Photo};
use draw::{Lens, Light, Place, Pose};
use figure::Figure;
use film::{Exposure, Film};
use maths::{Dice, V3, scale};
use person::Person;
use raster::Canvas;
use scene::Scene;
use walk::Walk;

/// Pixels of a frame.
pub const WIDTH: usize = 640;
/// Pixels of a frame.
pub const HEIGHT: usize = 480;
/// People numbered from 0 up to here are chosen so that no two look alike; further ones are as they come.
pub const PEOPLE: u64 = cast::CHOSEN;
/// Frames of a whole visit, at 30 a second.
pub const VISIT: u64 = walk::APPROACH + walk::STAND + walk::LEAVE;

/// Where a face truly is in a frame, as the renderer placed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Left, top, right, bottom, in pixels: from hairline to chin. May reach out of the frame.
    pub face: [f32; 4],
    /// Eyes (the left one in the picture first), tip of the nose, corners of the mouth, in pixels.
    pub points: [[f32; 2]; 5],
    /// How far the head is turned to the side, in radians, positive to the picture's right; of the picture for attacks.
    pub yaw: f32,
}

/// Somebody about to come.
pub struct Guest {
    figure: Figure,
    walk: Walk,
    holds: Option<(Held, Photo, Truth)>,
    seed: u64,
}

impl Guest {
    /// A person who comes themselves; `visit` varies how they walk and look about, not who they are.
    #[must_use]
    pub fn living(person: u64, visit: u64) -> Self {
        let seed = person.wrapping_mul(0x1_0001).wrapping_add(visit);
        Self {
            figure: Figure::new(Person::new(cast::seed(person))),
            walk: Walk::new(seed),
            holds: None,
            seed,
        }
    }

    /// Somebody who holds up a picture of `person`.
    #[must_use]
    pub fn attacking(person: u64, visit: u64, medium: Medium) -> Self {
        let seed = person.wrapping_mul(0x1_0003).wrapping_add(visit);
        let holder = Person::new(seed ^ 0x686f_6c64_6572);
        let held = Held::new(medium, seed, holder.skin);
        let (photo, truth) = photograph(&Figure::new(Person::new(cast::seed(person))), seed, medium);
        Self { figure: Figure::new(holder), walk: Walk::new(seed), holds: Some((held, photo, truth)), seed }
    }
}

/// The place before a door's camera, with everything that drawing needs.
pub struct Stage {
    scene: Scene,
    canvas: Canvas,
    film: Film,
    seed: u64,
}

impl Stage {
    /// The hall of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let scene = Scene::new(seed, WIDTH, HEIGHT);
        Self { scene, canvas: Canvas::new(WIDTH, HEIGHT), film: Film::new(WIDTH), seed }
    }

    /// Draws the hall without anybody into `rgb` ([`WIDTH`] x [`HEIGHT`] pixels of three bytes); `frame` varies the grain.
    ///
    /// # Panics
    /// When `rgb` is too short.
    pub fn empty(&mut self, frame: u64, rgb: &mut [u8]) {
        self.canvas.light.copy_from_slice(&self.scene.light);
        let exposure =
            Exposure { gain: self.flicker(frame), smear: [0.0; 2], area: [0.0; 4], grain: grain(frame) };
        self.film.expose(&mut self.canvas.light, WIDTH, &exposure, rgb);
    }

    /// Draws the frame `step` of the guest's visit (0 up to [`VISIT`]) and says where the face is.
    ///
    /// # Panics
    /// When `rgb` is too short.
    pub fn visit(&mut self, guest: &Guest, step: u64, rgb: &mut [u8]) -> Truth {
        let pose = guest.walk.pose(step as f32);
        // The shutter is open for half of the frame's time.
        let next = guest.walk.pose(step as f32 + 0.5);
        self.show(guest, &pose, &next, step, rgb)
    }

    fn show(&mut self, guest: &Guest, pose: &Pose, next: &Pose, step: u64, rgb: &mut [u8]) -> Truth {
        let lens = Lens { middle: [WIDTH as f32 * 0.5, HEIGHT as f32 * 0.46], focal: 600.0 };
        self.canvas.light.copy_from_slice(&self.scene.light);
        self.canvas.near.fill(0.0);
        let light = self.scene.lamps.clone();
        draw::figure(&mut self.canvas, &guest.figure, pose, &light, &lens);
        let (truth, moved) = if let Some((held, photo, on_photo)) = &guest.holds {
            let place = |p: &Pose| {
                let before = match held.medium {
                    Medium::Print => 0.66,
                    Medium::Phone => 0.54,
                };
                let at = scale(p.at, before);
                Place::held([at[0], at[1] - 0.5, at[2]], p.yaw * 0.6, p.pitch * 0.8, p.roll * 1.5)
            };
            held.draw(&mut self.canvas, photo, &place(pose), &light, &lens);
            (on_picture(held, on_photo, &place(pose), &lens), on_picture(held, on_photo, &place(next), &lens))
        } else {
            (truth(&guest.figure, pose, &lens), truth(&guest.figure, next, &lens))
        };
        let smear = [moved.points[2][0] - truth.points[2][0], moved.points[2][1] - truth.points[2][1]];
        let [l, t, r, b] = truth.face;
        let wide = r - l;
        let area = [l - 1.6 * wide, t - 0.7 * (b - t), r + 1.6 * wide, HEIGHT as f32];
        let exposure =
            Exposure { gain: self.flicker(step), smear, area, grain: grain(step ^ guest.seed << 16) };
        self.film.expose(&mut self.canvas.light, WIDTH, &exposure, rgb);
        truth
    }

    /// Lamps and the camera's own exposure wander a little.
    fn flicker(&self, frame: u64) -> f32 {
        let t = frame as f32 / 30.0;
        1.0 + 0.05 * (maths::noise(t * 0.6, 0.5, self.seed as u32) - 0.5) + 0.008 * maths::sin(t * 6.9)
    }
}

/// A frame of a person looking into the camera, as for a form: variant 0 straight, others turned a little and lit
/// otherwise. 640x480 pixels of three bytes.
#[must_use]
pub fn still(person: u64, variant: u64) -> Vec<u8> {
    let guest = Guest::living(person, variant);
    let mut d = Dice::new(person ^ variant << 32 ^ 0x7374_696c);
    let k = if variant == 0 { 0.0 } else { 1.0 };
    let pose = Pose {
        at: [d.spread() * k, 0.0, d.range(54.0, 60.0)],
        yaw: 0.12 * k * d.spread(),
        pitch: 0.05 * k * d.spread(),
        roll: 0.03 * k * d.spread(),
        body_yaw: 0.0,
        gaze: eye::Gaze::default(),
    };
    let mut rgb = vec![0; WIDTH * HEIGHT * 3];
    Stage::new(variant + 1).show(&guest, &pose, &pose, 0, &mut rgb);
    rgb
}

/// What a person is called: first and last name.
#[must_use]
pub fn name(person: u64) -> String {
    names::name(cast::seed(person))
}

fn grain(frame: u64) -> u32 {
    (Dice::new(frame).bits() >> 32) as u32 | 1
}

/// Takes the picture that is printed or shown.
fn photograph(figure: &Figure, seed: u64, medium: Medium) -> (Photo, Truth) {
    let (width, height) = match medium {
        Medium::Print => (352, 480),
        Medium::Phone => (300, 600),
    };
    let mut d = Dice::new(seed ^ 0x7068_6f74);
    let mut canvas = Canvas::new(width, height);
    let tone = d.range(0.25, 0.7);
    let cast: V3 = [tone * d.range(0.9, 1.05), tone, tone * d.range(0.95, 1.15)];
    for (i, light) in canvas.light.iter_mut().enumerate() {
        let y = (i / width) as f32 / height as f32;
        *light = scale(cast, 1.1 - 0.4 * y);
    }
    let light = Light {
        lamps: vec![
            draw::Lamp { towards: [d.spread() * 0.35, 0.6, 1.0], colour: [2.1, 2.05, 2.0], blunt: 0.3 },
            draw::Lamp { towards: [0.9, 0.1, 0.5], colour: [0.4, 0.4, 0.42], blunt: 0.4 },
        ],
        glow: [0.22; 3],
    };
    let pose = Pose {
        at: [0.0, 0.0, 78.0],
        yaw: d.spread() * 0.06,
        pitch: 0.0,
        roll: d.spread() * 0.02,
        body_yaw: 0.0,
        gaze: eye::Gaze::default(),
    };
    let focal = match medium {
        Medium::Print => width as f32 / 28.0 * 78.0,
        Medium::Phone => width as f32 / 23.0 * 78.0,
    };
    let lens = Lens { middle: [width as f32 * 0.5, height as f32 * 0.47], focal };
    draw::figure(&mut canvas, figure, &pose, &light, &lens);
    let mut truth = truth(figure, &pose, &lens);
    let part = |p: &mut f32, side: usize| *p /= (side - 1) as f32;
    for point in &mut truth.points {
        part(&mut point[0], width);
        part(&mut point[1], height);
    }
    for (i, value) in truth.face.iter_mut().enumerate() {
        part(value, if i % 2 == 0 { width } else { height });
    }
    scene::soften(&mut canvas.light, width, height, 1);
    (Photo { width, height, light: canvas.light }, truth)
}

fn truth(figure: &Figure, pose: &Pose, lens: &Lens) -> Truth {
    let place = pose.head();
    let see = |p: V3| {
        let s = lens.see(place.point(p));
        [s[0], s[1]]
    };
    let face = around(figure.outline.iter().map(|&p| see(p)));
    Truth { face, points: figure.marks.map(see), yaw: pose.yaw }
}

/// Where the face of a photo is once it is held up.
fn on_picture(held: &Held, photo: &Truth, place: &Place, lens: &Lens) -> Truth {
    let see = |p: [f32; 2]| {
        let [u, v] = held.on_sheet(p[0], p[1]);
        let s = lens.see(place.point(held.point(u, v)));
        [s[0], s[1]]
    };
    let [l, t, r, b] = photo.face;
    let face = around([[l, t], [r, t], [r, b], [l, b]].into_iter().map(see));
    Truth { face, points: photo.points.map(see), yaw: photo.yaw }
}

fn around(points: impl Iterator<Item = [f32; 2]>) -> [f32; 4] {
    points.fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |a, p| {
        [a[0].min(p[0]), a[1].min(p[1]), a[2].max(p[0]), a[3].max(p[1])]
    })
}
