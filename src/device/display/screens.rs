//! The full layout: every screen on a colour panel, upright, square or wide.
//!
//! Owns: what stands where and in which colour. Does not own: words, letters, icons.
//! Invariants: sizes follow the panel's shorter side; a verdict fills the whole panel so that it is read from three
//! metres; a picture stands beside every colour.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Area, Canvas, Paint};
use super::icons::{Icon, ellipse};
use super::ink::{
    AMBER, BLACK, BLUE, BLUE_GROUND, GREEN_GROUND, Ink, MIST, NIGHT, RED_GROUND, SLATE, STEEL, WHITE,
};
use super::text::{Align, Style};
use super::words::{ENROLLED, INVITE, OFFLINE, OUT_OF_ORDER, STAYS_LOCKED, WELCOME};
use super::{RenderOptions, clock};
use crate::domain::face::Rect;
use crate::domain::screen::AlarmKind;
use crate::domain::{Guidance, Screen, Utc, VisitorReason};

/// Paints a screen; `text` is its drawable name or installer's line.
pub(super) fn paint<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    screen: &Screen,
    text: &str,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    let language = options.language;
    match screen {
        Screen::Idle { time, link_up, queued } => idle(canvas, *time, *link_up, *queued, options),
        Screen::Look { face, guidance } => {
            canvas.clear(NIGHT)?;
            let (stage, words) = stage_and_words(canvas.area());
            let oval = Oval::in_stage(stage);
            let done = if *guidance == Guidance::HoldStill { BLUE } else { STEEL };
            oval.ring(canvas, |_| done)?;
            guide(canvas, &oval, *face, *guidance)?;
            headline(canvas, words, language.guidance(*guidance), WHITE, NIGHT)
        }
        Screen::Enrol { taken, wanted, guidance } => enrol(canvas, *taken, *wanted, *guidance, options),
        Screen::Welcome { .. } => {
            let verdict = Verdict { ground: GREEN_GROUND, ink: WHITE, sign: Sign::Disc, icon: Icon::Check };
            if text.is_empty() {
                return verdict.paint(canvas, language.say(WELCOME), "");
            }
            verdict.paint_name(canvas, language.say(WELCOME), text)
        }
        Screen::Denied { reason } => {
            let (ground, sign) = match reason {
                VisitorReason::NotRecognised
                | VisitorReason::NotAllowed
                | VisitorReason::Closed
                | VisitorReason::Wait => (RED_GROUND, Sign::Octagon),
                VisitorReason::SecondPerson | VisitorReason::Pin => (BLUE_GROUND, Sign::Square),
            };
            let (words, advice) = language.refusal(*reason);
            Verdict { ground, ink: WHITE, sign, icon: Icon::of_refusal(*reason) }.paint(canvas, words, advice)
        }
        Screen::Alarm(kind) => {
            let (words, advice) = language.alarm(*kind);
            Verdict { ground: AMBER, ink: BLACK, sign: Sign::None, icon: Icon::of_alarm(*kind) }
                .paint(canvas, words, advice)
        }
        Screen::Fault { .. } => fault(canvas, text, options),
    }
}

/// The picture's part of the panel and the words': above each other, or side by side on a wide panel.
fn stage_and_words(panel: Area) -> (Area, Area) {
    let u = unit(panel);
    if panel.w > panel.h * 1.15 {
        let (stage, words) = panel.split_left(panel.w * 0.46);
        return (stage.inset(8.0 * u), words.inset(8.0 * u));
    }
    let share = if panel.h > panel.w * 1.15 { 0.72 } else { 0.7 };
    let (stage, words) = panel.split_top(panel.h * share);
    let words = Area::new(words.x + 10.0 * u, words.y, words.w - 20.0 * u, words.h - 8.0 * u);
    (stage.inset(8.0 * u), words)
}

/// The length that is one pixel on a panel 240 pixels wide.
fn unit(panel: Area) -> f32 {
    panel.w.min(panel.h) / 240.0
}

fn headline<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    area: Area,
    words: &str,
    ink: Rgb888,
    on: Rgb888,
) -> Result<(), D::Error> {
    let u = unit(canvas.area());
    canvas.text(area, words, Style::bold(34.0 * u, 16.0 * u, 2), Paint { ink, on }).map(|_| ())
}

fn idle<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    time: Option<Utc>,
    link_up: Option<bool>,
    queued: u32,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    canvas.clear(NIGHT)?;
    let panel = canvas.area();
    let u = unit(panel);
    let (bar, rest) = panel.split_top(34.0 * u);
    status_bar(canvas, bar, link_up, queued, options)?;
    let foot = 58.0 * u;
    let (middle, invite) = rest.split_top(rest.h - foot);
    let now = time.and_then(|time| clock::read(time, options));
    if let Some(now) = now {
        let clock_height = 92.0 * u;
        let block = Area::new(
            middle.x + 8.0 * u,
            middle.y + (middle.h - clock_height - 30.0 * u) / 2.0,
            middle.w - 16.0 * u,
            clock_height,
        );
        let style = Style::regular(88.0 * u, 40.0 * u, 1);
        canvas.text(block, &now.time, style, Paint { ink: WHITE, on: NIGHT })?;
        let date = Area::new(block.x, block.y + clock_height, block.w, 28.0 * u);
        canvas.text(
            date,
            &now.date,
            Style::regular(20.0 * u, 12.0 * u, 1),
            Paint { ink: MIST, on: NIGHT },
        )?;
    } else {
        let (cx, cy) = middle.centre();
        canvas.icon(Icon::Face, (cx, cy), 56.0 * u, Paint { ink: BLUE, on: NIGHT })?;
    }
    let pill = Area::new(invite.x + 14.0 * u, invite.y + 2.0 * u, invite.w - 28.0 * u, 44.0 * u);
    canvas.rounded(pill, 22.0 * u, Paint { ink: SLATE, on: NIGHT })?;
    let (sign, words) = pill.split_left(44.0 * u);
    canvas.icon(Icon::Face, sign.centre(), 14.0 * u, Paint { ink: BLUE, on: SLATE })?;
    let words = Area::new(words.x, words.y, words.w - 14.0 * u, words.h);
    let style = Style::bold(18.0 * u, 11.0 * u, 1).at(Align::Start, Align::Middle);
    canvas.text(words, options.language.say(INVITE), style, Paint { ink: WHITE, on: SLATE }).map(|_| ())
}

/// Link and outbox, for whoever looks after the door. Silent while all is well and sent.
fn status_bar<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    bar: Area,
    link_up: Option<bool>,
    queued: u32,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    let u = unit(canvas.area());
    let style = Style::bold(15.0 * u, 10.0 * u, 1);
    let mid = bar.y + bar.h / 2.0 + 2.0 * u;
    if let Some(up) = link_up {
        let (icon, ink) = if up { (Icon::Link, MIST) } else { (Icon::NoLink, AMBER) };
        canvas.icon(icon, (bar.x + 22.0 * u, mid), 10.0 * u, Paint { ink, on: NIGHT })?;
        if !up {
            let words = Area::new(bar.x + 40.0 * u, bar.y + 2.0 * u, bar.w / 2.0 - 40.0 * u, bar.h);
            canvas.text(
                words,
                options.language.say(OFFLINE),
                style.at(Align::Start, Align::Middle),
                Paint { ink, on: NIGHT },
            )?;
        }
    }
    if queued > 0 {
        let mut count = heapless::String::<12>::new();
        // Infallible: ten digits at most.
        let _ = core::fmt::Write::write_fmt(&mut count, format_args!("{queued}"));
        let paint = Paint { ink: MIST, on: NIGHT };
        canvas.icon(Icon::Outbox, (bar.x + bar.w - 22.0 * u, mid - u), 9.0 * u, paint)?;
        let words = Area::new(bar.x + bar.w / 2.0, bar.y + 2.0 * u, bar.w / 2.0 - 40.0 * u, bar.h);
        canvas.text(words, &count, style.at(Align::End, Align::Middle), paint)?;
    }
    Ok(())
}

fn enrol<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    taken: u8,
    wanted: u8,
    guidance: Guidance,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    canvas.clear(NIGHT)?;
    let (stage, words) = stage_and_words(canvas.area());
    let u = unit(canvas.area());
    let oval = Oval::in_stage(stage);
    let wanted = wanted.max(1);
    let taken = taken.min(wanted);
    let parts = f32::from(wanted);
    oval.ring(canvas, |turn| {
        let part = turn * parts;
        // A gap between the parts, of the same length on every ring.
        let gap = parts * 0.012;
        if wanted > 1 && (part.fract() < gap || part.fract() > 1.0 - gap) {
            NIGHT
        } else if part < f32::from(taken) {
            BLUE
        } else {
            STEEL
        }
    })?;
    let white = Paint { ink: WHITE, on: NIGHT };
    if taken == wanted {
        canvas.icon(Icon::Check, oval.centre, oval.half.0 * 0.55, white)?;
        return headline(canvas, words, options.language.say(ENROLLED), WHITE, NIGHT);
    }
    let mut count = heapless::String::<12>::new();
    // Infallible: two numbers of at most three digits.
    let _ = core::fmt::Write::write_fmt(&mut count, format_args!("{taken}/{wanted}"));
    let number = Area::new(
        oval.centre.0 - oval.half.0 * 0.8,
        oval.centre.1 - oval.half.1 * 0.5,
        oval.half.0 * 1.6,
        oval.half.1 * 0.7,
    );
    canvas.text(number, &count, Style::bold(64.0 * u, 20.0 * u, 1), white)?;
    badge(canvas, &oval, Icon::of_guidance(guidance))?;
    headline(canvas, words, options.language.guidance(guidance), WHITE, NIGHT)
}

fn fault<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    text: &str,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    let language = options.language;
    canvas.clear(NIGHT)?;
    let (stage, words) = stage_and_words(canvas.area());
    let u = unit(canvas.area());
    canvas.icon(
        Icon::Warning,
        (stage.centre().0, stage.y + stage.h * 0.42),
        stage.h.min(stage.w) * 0.3,
        Paint { ink: AMBER, on: NIGHT },
    )?;
    let top = Area::new(words.x, words.y - stage.h * 0.24, words.w, 40.0 * u);
    headline(canvas, top, language.say(OUT_OF_ORDER), WHITE, NIGHT)?;
    let second = Area::new(words.x, top.y + top.h, words.w, 28.0 * u);
    canvas.text(
        second,
        language.say(STAYS_LOCKED),
        Style::regular(20.0 * u, 12.0 * u, 1),
        Paint { ink: WHITE, on: NIGHT },
    )?;
    let line = Area::new(
        words.x,
        second.y + second.h + 4.0 * u,
        words.w,
        words.y + words.h - second.y - second.h - 4.0 * u,
    );
    canvas.text(line, text, Style::regular(17.0 * u, 12.0 * u, 3), Paint { ink: MIST, on: NIGHT }).map(|_| ())
}

/// The place of the face, and the frame of what surrounds it.
struct Oval {
    centre: (f32, f32),
    half: (f32, f32),
    stage: Area,
    unit: f32,
}

impl Oval {
    fn in_stage(stage: Area) -> Self {
        let unit = stage.w.min(stage.h) / 200.0;
        // Room below for the badge that sits on the ring.
        let high = (stage.h - 22.0 * unit) / 2.0;
        let half = if high * 0.8 > stage.w / 2.0 {
            (stage.w / 2.0, stage.w / 2.0 / 0.8)
        } else {
            (high * 0.8, high)
        };
        let centre =
            (stage.x + stage.w / 2.0, stage.y + half.1 + (stage.h - 22.0 * unit - 2.0 * half.1) / 2.0);
        Self { centre, half, stage, unit }
    }

    /// The ring, in the colour of each place: 0 at the top, clockwise to 1.
    fn ring<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
        colour: impl Fn(f32) -> Rgb888,
    ) -> Result<(), D::Error> {
        let thick = 5.0 * self.unit;
        let (a, b) = (self.half.0 - thick, self.half.1 - thick);
        canvas.shape_shaded(
            Area::new(
                self.centre.0 - self.half.0,
                self.centre.1 - self.half.1,
                2.0 * self.half.0,
                2.0 * self.half.1,
            ),
            NIGHT,
            |x, y| {
                let (dx, dy) = (x - self.centre.0, y - self.centre.1);
                let turn = (dx / a).atan2(-dy / b) / core::f32::consts::TAU;
                let turn = if turn < 0.0 { turn + 1.0 } else { turn };
                (ellipse((dx, dy), (a, b)).abs() - thick / 2.0, colour(turn))
            },
        )
    }

    /// The face's box on the panel: as in a mirror, and so that a face at the right distance fills the ring.
    fn place(&self, face: Rect) -> Option<Area> {
        let finite = face.x.is_finite() && face.y.is_finite() && face.w.is_finite() && face.h.is_finite();
        if !finite || face.w <= 0.0 || face.h <= 0.0 {
            return None;
        }
        let high = 2.0 * self.half.1 / RIGHT_FACE_HEIGHT;
        let wide = high * FRAME_ASPECT;
        let x = self.centre.0 + (0.5 - face.x - face.w) * wide;
        let y = self.centre.1 + (face.y - 0.5) * high;
        // Kept on the stage: a face at the frame's border still shows on which side it is.
        let (w, h) = (
            (face.w * wide).clamp(24.0 * self.unit, self.stage.w),
            (face.h * high).clamp(24.0 * self.unit, self.stage.h),
        );
        Some(Area::new(
            x.clamp(self.stage.x, self.stage.x + self.stage.w - w),
            y.clamp(self.stage.y, self.stage.y + self.stage.h - h),
            w,
            h,
        ))
    }
}

/// What stands in and on the ring: the visitor's face as a box, or a face to show what is wanted.
fn guide<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    oval: &Oval,
    face: Option<Rect>,
    guidance: Guidance,
) -> Result<(), D::Error> {
    let place = face.and_then(|face| oval.place(face));
    let mut icon = Icon::of_guidance(guidance);
    if let Some(place) = place {
        brackets(canvas, place, oval.unit)?;
        canvas.icon(Icon::Face, place.centre(), place.h * 0.34, Paint { ink: MIST, on: NIGHT })?;
        if guidance == Guidance::Centre && place.centre().0 > oval.centre.0 {
            icon = Icon::Left;
        }
    } else {
        canvas.icon(Icon::Face, oval.centre, oval.half.1 * 0.55, Paint { ink: STEEL, on: NIGHT })?;
    }
    badge(canvas, oval, icon)
}

/// Four corners around the visitor's face.
fn brackets<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    place: Area,
    u: f32,
) -> Result<(), D::Error> {
    let (cx, cy) = place.centre();
    let (w, h) = (place.w / 2.0, place.h / 2.0);
    let arm = (w.min(h) * 0.45).min(28.0 * u);
    let radius = arm * 0.5;
    canvas.shape(place.inset(-4.0 * u), Paint { ink: WHITE, on: NIGHT }, |x, y| {
        let (x, y) = ((x - cx).abs(), (y - cy).abs());
        let (dx, dy) = (x - w + radius, y - h + radius);
        let outline = (dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius).abs() - 2.0 * u;
        outline.max(w - arm - x).max(h - arm - y)
    })
}

/// The disc on the lower end of the ring that says what to do.
fn badge<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    oval: &Oval,
    icon: Icon,
) -> Result<(), D::Error> {
    let at = (oval.centre.0, oval.centre.1 + oval.half.1 - 8.0 * oval.unit);
    canvas.disc(at, 34.0 * oval.unit, Paint { ink: NIGHT, on: NIGHT })?;
    canvas.disc(at, 29.0 * oval.unit, Paint { ink: BLUE, on: NIGHT })?;
    canvas.icon(icon, at, 16.0 * oval.unit, Paint { ink: BLACK, on: BLUE })
}

/// The sign behind a verdict's icon.
#[derive(Clone, Copy)]
enum Sign {
    Disc,
    Octagon,
    Square,
    None,
}

/// A screen that says one thing over the whole panel.
struct Verdict {
    ground: Rgb888,
    ink: Rgb888,
    sign: Sign,
    icon: Icon,
}

impl Verdict {
    fn paint<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
        words: &str,
        advice: &str,
    ) -> Result<(), D::Error> {
        let (u, area) = self.picture(canvas)?;
        let paint = Paint { ink: self.ink, on: self.ground };
        let (top, below) = area.split_top(area.h * 0.56);
        canvas.text(top, words, Style::bold(38.0 * u, 18.0 * u, 2).at(Align::Middle, Align::End), paint)?;
        let below = Area::new(below.x, below.y + 4.0 * u, below.w, below.h - 4.0 * u);
        canvas
            .text(below, advice, Style::regular(21.0 * u, 13.0 * u, 2).at(Align::Middle, Align::Start), paint)
            .map(|_| ())
    }

    /// The small word first, the name large.
    fn paint_name<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
        word: &str,
        name: &str,
    ) -> Result<(), D::Error> {
        let (u, area) = self.picture(canvas)?;
        let paint = Paint { ink: self.ink, on: self.ground };
        let (top, below) = area.split_top(28.0 * u);
        canvas.text(top, word, Style::regular(22.0 * u, 14.0 * u, 1), paint)?;
        canvas.text(below, name, Style::bold(42.0 * u, 18.0 * u, 3), paint).map(|_| ())
    }

    /// Ground, sign and icon; returns the unit and the words' area.
    fn picture<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<(f32, Area), D::Error> {
        canvas.clear(self.ground)?;
        let panel = canvas.area();
        let u = unit(panel);
        let (stage, words) = if panel.w > panel.h * 1.15 {
            panel.split_left(panel.w * 0.4)
        } else if panel.h > panel.w * 1.15 {
            panel.split_top(panel.h * 0.53)
        } else {
            panel.split_top(panel.h * 0.5)
        };
        let (cx, cy) = (stage.centre().0, stage.y + stage.h * 0.54);
        let half = (stage.h.min(stage.w) * 0.5 - 12.0 * u).min(72.0 * u);
        let filled = Paint { ink: self.ink, on: self.ground };
        let bounds = Area::new(cx - half, cy - half, 2.0 * half, 2.0 * half);
        match self.sign {
            Sign::Disc => canvas.disc((cx, cy), half, filled)?,
            Sign::Square => canvas.rounded(bounds, half * 0.28, filled)?,
            Sign::Octagon => canvas.shape(bounds, filled, |x, y| {
                let (x, y) = ((x - cx).abs(), (y - cy).abs());
                x.max(y).max((x + y) * core::f32::consts::FRAC_1_SQRT_2) - half
            })?,
            Sign::None => {}
        }
        let (share, paint) = match self.sign {
            Sign::Disc | Sign::Octagon | Sign::Square => (0.56, Paint { ink: self.ground, on: self.ink }),
            Sign::None => (0.95, filled),
        };
        canvas.icon(self.icon, (cx, cy), half * share, paint)?;
        Ok((u, Area::new(words.x + 12.0 * u, words.y, words.w - 24.0 * u, words.h - 10.0 * u)))
    }
}

/// Height of a face at the right distance, as a share of the frame's.
const RIGHT_FACE_HEIGHT: f32 = 0.45;
/// Width over height of the camera's frame; the domain gives the face in fractions.
const FRAME_ASPECT: f32 = 4.0 / 3.0;
