//! The full layout: every screen on a colour panel, upright, square or wide.
//!
//! Owns: what stands where and in which colour. Does not own: words, letters, icons.
//! Invariants: sizes follow the panel's shorter side; a verdict fills the whole panel so that it is read from three
//! metres; a picture stands beside every colour.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Area, Canvas, Paint};
use super::icons::Icon;
use super::ink::{
    AMBER, BLACK, BLUE, BLUE_GROUND, GREEN_GROUND, Ink, MIST, NIGHT, RED_GROUND, SLATE, STEEL, WHITE,
};
use super::kiosk::{self, Kiosk};
use super::oval::{Oval, badge, guide};
use super::text::{Align, Style};
use super::words::{
    ENROLLED, ENTER_ID, INVITE, OFFLINE, OUT_OF_ORDER, SETUP_CODE, STAYS_LOCKED, TAKEN_ALREADY, WELCOME,
    punch, typed,
};
use super::{RenderOptions, card, clock};
use ostiary_domain::{Guidance, Screen, Utc, VisitorReason};

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
        Screen::Kiosk { time, kind, keys } => {
            kiosk::paint(canvas, &Kiosk { time: *time, kind: *kind, keys }, options)
        }
        Screen::Punched { kind, again, .. } => {
            let verdict = Verdict { ground: GREEN_GROUND, ink: WHITE, sign: Sign::Disc, icon: Icon::Check };
            let words = language.say(if *again { TAKEN_ALREADY } else { punch(*kind) });
            if text.is_empty() {
                return verdict.paint(canvas, words, "");
            }
            verdict.paint_name(canvas, words, text)
        }
        Screen::Keypad { pin, entered, left_s } => {
            let words = if *pin { language.refusal(VisitorReason::Pin).0 } else { language.say(ENTER_ID) };
            blue(Icon::Keypad).paint(canvas, words, &typed(*entered, *left_s))
        }
        Screen::SecondPerson { left_s } => {
            let (words, _) = language.refusal(VisitorReason::SecondPerson);
            blue(Icon::of_refusal(VisitorReason::SecondPerson)).paint(canvas, words, &typed(0, *left_s))
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
        Screen::Setup { code } => blue(Icon::Keypad).paint(canvas, code, language.say(SETUP_CODE)),
        Screen::TestCard => card::paint(canvas),
        Screen::Fault { .. } => fault(canvas, text, options),
    }
}

/// The picture's part of the panel and the words': above each other, or side by side on a wide panel.
fn stage_and_words(panel: Area) -> (Area, Area) {
    let u = unit(panel);
    if is_wide(panel) {
        let (stage, words) = panel.split_left(panel.w * 0.46);
        return (stage.inset(8.0 * u), words.inset(8.0 * u));
    }
    let share = if panel.h > panel.w * 1.15 { 0.72 } else { 0.7 };
    let (stage, words) = panel.split_top(panel.h * share);
    let words = Area::new(words.x + 10.0 * u, words.y, words.w - 20.0 * u, words.h - 8.0 * u);
    (stage.inset(8.0 * u), words)
}

/// Whether picture and words stand side by side.
fn is_wide(panel: Area) -> bool {
    panel.w > panel.h * 1.15
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
    canvas.text(area, words, Style::bold(34.0 * u, 16.0 * u, 2), Paint { ink, on })
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
    let from_the_right = options.language.is_from_the_right();
    let (sign, words) = pill.split_start(44.0 * u, from_the_right);
    canvas.icon(Icon::Face, sign.centre(), 14.0 * u, Paint { ink: BLUE, on: SLATE })?;
    let margin = if from_the_right { 14.0 * u } else { 0.0 };
    let words = Area::new(words.x + margin, words.y, words.w - 14.0 * u, words.h);
    let style = Style::bold(18.0 * u, 11.0 * u, 1).at(Align::Start, Align::Middle);
    canvas.text(words, options.language.say(INVITE), style, Paint { ink: WHITE, on: SLATE })
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
                // Beside its icon, whichever way the words run.
                style.at(
                    if options.language.is_from_the_right() { Align::End } else { Align::Start },
                    Align::Middle,
                ),
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
    let panel = canvas.area();
    let u = unit(panel);
    let (stage, words) =
        if is_wide(panel) { panel.split_left(panel.w * 0.4) } else { panel.split_top(panel.h * 0.46) };
    let half = (stage.h.min(stage.w) * 0.34).min(64.0 * u);
    canvas.icon(Icon::Warning, stage.centre(), half, Paint { ink: AMBER, on: NIGHT })?;
    let words = Area::new(words.x + 10.0 * u, words.y, words.w - 20.0 * u, words.h - 8.0 * u);
    let (top, below) = words.split_top(if is_wide(panel) { words.h * 0.36 } else { 44.0 * u });
    let white = Paint { ink: WHITE, on: NIGHT };
    let style = Style::bold(34.0 * u, 16.0 * u, 2).at(Align::Middle, Align::End);
    canvas.text(top, language.say(OUT_OF_ORDER), style, white)?;
    let (second, line) = below.split_top(28.0 * u);
    canvas.text(second, language.say(STAYS_LOCKED), Style::regular(20.0 * u, 12.0 * u, 1), white)?;
    let line = Area::new(line.x, line.y + 4.0 * u, line.w, line.h - 4.0 * u);
    let style = Style::regular(17.0 * u, 12.0 * u, 4).at(Align::Middle, Align::Start);
    canvas.text(line, text, style, Paint { ink: MIST, on: NIGHT })
}

/// The sign behind a verdict's icon.
#[derive(Clone, Copy)]
enum Sign {
    Disc,
    Octagon,
    Square,
    None,
}

/// The sign of something still to be brought.
const fn blue(icon: Icon) -> Verdict {
    Verdict { ground: BLUE_GROUND, ink: WHITE, sign: Sign::Square, icon }
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
        canvas.text(
            below,
            advice,
            Style::regular(21.0 * u, 13.0 * u, 2).at(Align::Middle, Align::Start),
            paint,
        )
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
        let wide = is_wide(canvas.area());
        let (top, below) = area.split_top(if wide { area.h * 0.36 } else { 28.0 * u });
        let style = Style::regular(22.0 * u, 14.0 * u, 1);
        canvas.text(
            top,
            word,
            style.at(Align::Middle, if wide { Align::End } else { Align::Middle }),
            paint,
        )?;
        let style = Style::bold(42.0 * u, 18.0 * u, 3);
        canvas.text(
            below,
            name,
            style.at(Align::Middle, if wide { Align::Start } else { Align::Middle }),
            paint,
        )
    }

    /// Ground, sign and icon; returns the unit and the words' area.
    fn picture<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
    ) -> Result<(f32, Area), D::Error> {
        canvas.clear(self.ground)?;
        let panel = canvas.area();
        let u = unit(panel);
        let (stage, words) = if is_wide(panel) {
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
