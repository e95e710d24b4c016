//! A simulated camera in front of which people walk up: rendered ones, or real ones made from one still picture each.
//!
//! Owns: who comes when (an empty scene, then a visit), the choreography of photographs. Does not own: the renderer
//! (`visitors`), the pictures, who they show, what the door makes of them.
//! Invariants: real time (frame n is due at start + n / rate, late frames are passed over, as a camera does);
//! the same visits give the same frames; no allocation per frame once a visitor is there.
//!
//! A photograph moved about is no person: it proves the path from frame to relay and the recognition, and says nothing
//! of how well attacks are told from life.

use std::f32::consts::TAU;
use std::sync::{Arc, Mutex, PoisonError};

use ostiary_domain::{FrameMeta, Millis, Mono};
use ostiary_picture::Picture;
use ostiary_ports::{Camera, CameraError, Clock};

use super::clock_os::pause;
use super::visitors::{self, Guest, HEIGHT, Medium, Stage, WIDTH};

const RATE: u64 = 30;
/// Frames of an empty scene before each visit, of the approach, of standing, of leaving.
const EMPTY: u64 = 30;
const APPROACH: u64 = 30;
const STAND: u64 = 75;
const LEAVE: u64 = 18;
/// Patches of colour that the backdrop is made of.
const COLS: usize = 8;
const ROWS: usize = 6;
const VISIT: u64 = EMPTY + visitors::VISIT;
/// The hall that the camera of rendered visitors looks into.
const HALL: u64 = 1;

/// One person, or one attack, to come before the camera.
#[derive(Clone)]
pub enum Visitor {
    /// A photograph that is moved about.
    Photograph {
        /// What the camera sees of them.
        picture: Picture,
        /// Size of the picture at the end of the approach, as a fraction of the frame's height (0.2 to 1.2).
        nearest: f32,
    },
    /// Somebody who does not exist, drawn.
    Rendered {
        /// Who it is, or whose picture is held up.
        person: u64,
        /// How they walk and look about this time.
        visit: u64,
        /// What is held up, for an attack.
        holds: Option<Medium>,
    },
}

/// Who comes, in their order.
pub enum Show {
    /// These, then nobody any more: the camera ends.
    Once(Vec<Visitor>),
    /// Rendered people without end, chosen by a seed.
    Endless {
        /// Decides who they are.
        seed: u64,
        /// How many different people come, one after the other and again.
        people: u64,
    },
}

/// Of the endless visits, every so-many-th is an attack.
const ATTACK_EVERY: u64 = 5;

impl Show {
    /// The person at that place of a show, counted from 0: the number that [`visitors::still`] draws.
    #[must_use]
    pub const fn person(seed: u64, number: u64) -> u64 {
        if number < visitors::PEOPLE {
            // The first seed begins with those who look least alike, others elsewhere.
            seed.wrapping_sub(1).wrapping_mul(5).wrapping_add(number) % visitors::PEOPLE
        } else {
            seed.wrapping_mul(1_000).wrapping_add(number)
        }
    }

    /// Frames of the whole show.
    fn frames(&self) -> u64 {
        match self {
            Self::Once(visitors) => visitors.len() as u64 * VISIT + EMPTY,
            Self::Endless { .. } => u64::MAX,
        }
    }

    /// What is before the camera at that visit.
    fn look(&self, index: u64) -> Option<Look> {
        let rendered = |person: u64, visit: u64, holds: Option<Medium>| {
            Look::Guest(Box::new(match holds {
                None => Guest::living(person, visit),
                Some(medium) => Guest::attacking(person, visit, medium),
            }))
        };
        match self {
            Self::Once(visitors) => match visitors.get(usize::try_from(index).ok()?)? {
                Visitor::Photograph { .. } => Some(Look::Photograph(index as usize)),
                Visitor::Rendered { person, visit, holds } => Some(rendered(*person, *visit, *holds)),
            },
            Self::Endless { seed, people } => {
                let holds = (index % ATTACK_EVERY == ATTACK_EVERY - 1).then(|| {
                    if (index / ATTACK_EVERY).is_multiple_of(2) { Medium::Print } else { Medium::Phone }
                });
                Some(rendered(Self::person(*seed, index % (*people).max(1)), index, holds))
            }
        }
    }
}

/// Who stands there, made ready.
enum Look {
    Photograph(usize),
    Guest(Box<Guest>),
}

/// When each visitor arrived; shared with whoever tells the story afterwards.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<Mono>>>);

impl Arrivals {
    /// The visitor (by index) before the camera at that time or the last one before it.
    #[must_use]
    pub fn visitor_at(&self, at: Mono) -> Option<usize> {
        let arrivals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.iter().rposition(|arrived| *arrived <= at)
    }

    fn push(&self, at: Mono) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    }
}

/// The camera.
pub struct WalkupCamera {
    show: Show,
    clock: Arc<dyn Clock>,
    arrivals: Arrivals,
    start: Option<Mono>,
    frame: u64,
    scene: Box<[u8]>,
    stage: Option<Stage>,
    /// Who comes next or is there, by index.
    next: Option<(u64, Option<Look>)>,
    arrived: Option<u64>,
    noise: u32,
}

impl WalkupCamera {
    /// A camera before which the visitors come, one after the other.
    #[must_use]
    pub fn new(show: Show, clock: Arc<dyn Clock>, arrivals: Arrivals) -> Self {
        let scene = vec![0; WIDTH * HEIGHT * 3].into_boxed_slice();
        // Photographs bring their own surroundings; rendered people come through a hall.
        let photographs = match &show {
            Show::Once(visitors) => visitors.iter().any(|v| matches!(v, Visitor::Photograph { .. })),
            Show::Endless { .. } => false,
        };
        let stage = (!photographs).then(|| Stage::new(HALL));
        Self {
            show,
            clock,
            arrivals,
            start: None,
            frame: 0,
            scene,
            stage,
            next: None,
            arrived: None,
            noise: 1,
        }
    }

    /// How long the whole show takes.
    #[must_use]
    pub fn length(visitors: usize) -> Millis {
        Millis((visitors as u64 * VISIT + EMPTY) * 1_000 / RATE)
    }

    fn compose(&mut self, rgb: &mut [u8]) {
        let index = self.frame / VISIT;
        let step = self.frame % VISIT;
        if self.next.as_ref().is_none_or(|(of, _)| *of != index) {
            // Made ready while the place is empty: that takes a part of a second.
            self.next = Some((index, self.show.look(index)));
            corridor(&mut self.scene);
        }
        let look = self.next.as_ref().and_then(|(_, look)| look.as_ref()).filter(|_| step >= EMPTY);
        let arrives = look.is_some() && self.arrived != Some(index);
        if arrives {
            self.arrived = Some(index);
            self.arrivals.push(self.clock.now().mono);
        }
        if let Some(stage) = &mut self.stage {
            match look {
                Some(Look::Guest(guest)) => {
                    stage.visit(guest, step - EMPTY, rgb);
                }
                Some(Look::Photograph(_)) | None => stage.empty(self.frame, rgb),
            }
            return;
        }
        if let (Some(Look::Photograph(i)), Show::Once(visitors)) = (look, &self.show)
            && let Some(Visitor::Photograph { picture, nearest }) = visitors.get(*i)
        {
            if arrives {
                backdrop(picture, &mut self.scene);
            }
            rgb.copy_from_slice(&self.scene);
            paste(picture, &Pose::at(step - EMPTY, *nearest), rgb);
        } else {
            rgb.copy_from_slice(&self.scene);
        }
        self.noise = grain(self.noise, rgb);
    }
}

impl Camera for WalkupCamera {
    fn next(&mut self, rgb: &mut [u8], patience: Millis) -> Result<FrameMeta, CameraError> {
        let now = self.clock.now().mono;
        let start = *self.start.get_or_insert(now);
        let due = |frame: u64| start.after(Millis(frame * 1_000 / RATE));
        if self.frame >= self.show.frames() {
            return Err(CameraError::Ended);
        }
        // Whoever comes late gets the newest frame, as from a camera.
        self.frame = self.frame.max(now.since(start).0 * RATE / 1_000);
        let wait = due(self.frame).since(now);
        if wait > patience {
            pause(patience);
            return Err(CameraError::Stalled);
        }
        pause(wait);
        let out = rgb.get_mut(..WIDTH * HEIGHT * 3).ok_or(CameraError::Ended)?;
        self.compose(out);
        let seq = self.frame;
        self.frame += 1;
        let captured = self.clock.now().mono;
        Ok(FrameMeta { width: WIDTH as u32, height: HEIGHT as u32, captured, seq })
    }

    fn name(&self) -> &'static str {
        "simulated walk-ups"
    }
}

/// Where the picture stands in the frame.
struct Pose {
    size: f32,
    x: f32,
    y: f32,
    angle: f32,
    gain: f32,
}

impl Pose {
    fn at(step: u64, nearest: f32) -> Self {
        let t = step as f32 / RATE as f32;
        let near = if step < APPROACH {
            0.55 + 0.45 * smooth(step as f32 / APPROACH as f32)
        } else if step < APPROACH + STAND {
            1.0
        } else {
            1.0 - 0.45 * smooth((step - APPROACH - STAND) as f32 / LEAVE as f32)
        };
        let sway = |hertz: f32, phase: f32| (TAU * (hertz * t + phase)).sin();
        Self {
            size: HEIGHT as f32 * nearest * near * (1.0 + 0.008 * sway(0.4, 0.1)),
            x: 5.0 * sway(0.35, 0.0),
            y: 3.0 * sway(0.55, 0.3),
            angle: 0.02 * sway(0.25, 0.6),
            gain: 1.0 + 0.02 * sway(1.1, 0.2),
        }
    }
}

fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Draws the picture, standing on the lower edge of the frame, bilinear.
fn paste(picture: &Picture, pose: &Pose, out: &mut [u8]) {
    let rgb = picture.rgb();
    let (pw, ph) = (picture.width() as usize, picture.height() as usize);
    let scale = pose.size / ph as f32;
    let (w, h) = (pw as f32 * scale, pose.size);
    let (cx, cy) = (WIDTH as f32 / 2.0 + pose.x, HEIGHT as f32 - h / 2.0 + pose.y + 4.0);
    let (sin, cos) = pose.angle.sin_cos();
    let top = (cy - h / 2.0 - 8.0).max(0.0) as usize;
    for y in top..HEIGHT {
        let dy = y as f32 - cy;
        for x in 0..WIDTH {
            let dx = x as f32 - cx;
            if dx.abs() > w / 2.0 + 8.0 {
                continue;
            }
            let u = (dx * cos + dy * sin) / scale + pw as f32 / 2.0 - 0.5;
            let v = (dy * cos - dx * sin) / scale + ph as f32 / 2.0 - 0.5;
            if u < 0.0 || v < 0.0 || u >= (pw - 1) as f32 || v >= (ph - 1) as f32 {
                continue;
            }
            let (u0, v0) = (u as usize, v as usize);
            let (fu, fv) = (u - u0 as f32, v - v0 as f32);
            let at = (v0 * pw + u0) * 3;
            let below = at + pw * 3;
            let px = (y * WIDTH + x) * 3;
            for c in 0..3 {
                let tap = |i: usize| f32::from(rgb[i + c]);
                let upper = tap(at) + fu * (tap(at + 3) - tap(at));
                let lower = tap(below) + fu * (tap(below + 3) - tap(below));
                out[px + c] = (pose.gain * (upper + fv * (lower - upper))) as u8;
            }
        }
    }
}

/// The picture's own colours, spread over the frame as if far out of focus.
fn backdrop(picture: &Picture, out: &mut [u8]) {
    let rgb = picture.rgb();
    let mut cells = [[0.0_f32; 3]; COLS * ROWS];
    let (pw, ph) = (picture.width() as usize, picture.height() as usize);
    for (i, cell) in cells.iter_mut().enumerate() {
        let (cx, cy) = (i % COLS, i / COLS);
        let (x0, y0) = (cx * pw / COLS, cy * ph / ROWS);
        let (x1, y1) = (((cx + 1) * pw / COLS).max(x0 + 1), ((cy + 1) * ph / ROWS).max(y0 + 1));
        for y in y0..y1.min(ph) {
            for x in x0..x1.min(pw) {
                for (c, sum) in cell.iter_mut().enumerate() {
                    *sum += f32::from(rgb[(y * pw + x) * 3 + c]);
                }
            }
        }
        let count = ((x1 - x0) * (y1 - y0)) as f32;
        for sum in cell {
            *sum /= count;
        }
    }
    fill(out, |x, y, c| {
        let u = (x * (COLS - 1) as f32).min(COLS as f32 - 1.001);
        let v = (y * (ROWS - 1) as f32).min(ROWS as f32 - 1.001);
        let (u0, v0) = (u as usize, v as usize);
        let (fu, fv) = (smooth(u - u0 as f32), smooth(v - v0 as f32));
        let at = |dx: usize, dy: usize| cells[(v0 + dy) * COLS + u0 + dx][c];
        let upper = at(0, 0) + fu * (at(1, 0) - at(0, 0));
        let lower = at(0, 1) + fu * (at(1, 1) - at(0, 1));
        upper + fv * (lower - upper)
    });
}

/// An empty corridor: a wall that darkens towards the floor.
fn corridor(out: &mut [u8]) {
    fill(out, |x, y, c| {
        let wall = 150.0 - 40.0 * y - 20.0 * (x - 0.5).abs();
        let floor = if y > 0.82 { 0.6 } else { 1.0 };
        wall * floor + [4.0, 0.0, -6.0][c]
    });
}

fn fill(out: &mut [u8], value: impl Fn(f32, f32, usize) -> f32) {
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            for c in 0..3 {
                out[(y * WIDTH + x) * 3 + c] =
                    value(x as f32 / WIDTH as f32, y as f32 / HEIGHT as f32, c) as u8;
            }
        }
    }
}

/// Sensor noise of one step up or down on a part of the values; returns the state for the next frame.
fn grain(mut state: u32, rgb: &mut [u8]) -> u32 {
    for chunk in rgb.chunks_mut(16) {
        // xorshift32 (Marsaglia 2003): cheap, and good enough for grain.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        for (i, value) in chunk.iter_mut().enumerate() {
            match (state >> (2 * i)) & 3 {
                0 => *value = value.saturating_add(1),
                1 => *value = value.saturating_sub(1),
                _ => {}
            }
        }
    }
    state
}
