//! The small layout: 128x64 and its like, black and white.
//!
//! Owns: what stands where on a small panel, and the choice between pixel fonts and outlines. Does not own: words.
//! Invariants: a picture on the left third, words on the rest; nothing depends on a shade; a text whose letters the
//! pixel fonts lack is drawn from outlines, cut to on and off, never with holes.

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::Point;
use u8g2_fonts::FontRenderer;
use u8g2_fonts::fonts::{
    u8g2_font_5x8_tf, u8g2_font_helvB08_tf, u8g2_font_helvB10_tf, u8g2_font_helvB12_tf, u8g2_font_helvB14_tf,
    u8g2_font_helvB18_tf, u8g2_font_helvB24_tf, u8g2_font_helvR08_tf,
};
use u8g2_fonts::types::{FontColor, HorizontalAlignment, VerticalPosition};

use super::canvas::{Area, Canvas, Paint};
use super::icons::{Icon, ellipse};
use super::ink::{BLACK, Ink, WHITE};
use super::text::{Align, Style};
use super::words::{
    ENROLLED, ENTER_ID, INVITE, OUT_OF_ORDER, SETUP_CODE, STAYS_LOCKED, TAKEN_ALREADY, WELCOME, punch, typed,
};
use super::{RenderOptions, card, clock};
use ostiary_domain::face::Rect;
use ostiary_domain::{Guidance, Screen, Utc, VisitorReason};

/// Paints a screen; `text` is its drawable name or installer's line.
pub(super) fn paint<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    screen: &Screen,
    text: &str,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    let language = options.language;
    let u = canvas.area().h / 64.0;
    match screen {
        Screen::Idle { time, link_up, queued } => idle(canvas, *time, *link_up, *queued, options),
        Screen::Look { face, guidance } => {
            canvas.clear(BLACK)?;
            let words = look(canvas, *face, *guidance)?;
            write(canvas, words, language.guidance(*guidance), 2, ON_BLACK)
        }
        Screen::Enrol { taken, wanted, guidance } => {
            canvas.clear(BLACK)?;
            let words = if taken >= wanted {
                let (stage, words) = split(canvas.area());
                canvas.icon(Icon::Check, stage.centre(), stage.w * 0.4, ON_BLACK)?;
                words
            } else {
                look(canvas, None, *guidance)?
            };
            let (top, bar) = words.split_top(words.h - 16.0 * u);
            let phrase = if taken >= wanted { language.say(ENROLLED) } else { language.guidance(*guidance) };
            write(canvas, top, phrase, 2, ON_BLACK)?;
            steps(canvas, bar, *taken, *wanted)
        }
        Screen::Welcome { .. } => {
            // Light ground: the one good news is seen from afar.
            greet(canvas, language.say(WELCOME), text, u)
        }
        Screen::Kiosk { time, kind, .. } => {
            let Some(kind) = kind else { return idle(canvas, *time, None, 0, options) };
            canvas.clear(BLACK)?;
            let (top, below) = canvas.area().split_top(30.0 * u);
            if let Some(now) = time.and_then(|time| clock::read(time, options)) {
                write(canvas, top, &now.time, 1, ON_BLACK)?;
            }
            write(canvas, below, language.say(punch(*kind)), 1, ON_BLACK)
        }
        Screen::Punched { kind, again, .. } => {
            let words = language.say(if *again { TAKEN_ALREADY } else { punch(*kind) });
            greet(canvas, words, text, u)
        }
        Screen::Keypad { pin, entered, left_s } => {
            let phrase = if *pin { language.refusal(VisitorReason::Pin).0 } else { language.say(ENTER_ID) };
            let words = sign(canvas, Icon::Keypad, ON_BLACK)?;
            two(canvas, words, phrase, &typed(*entered, *left_s), ON_BLACK)
        }
        Screen::SecondPerson { left_s } => {
            let (phrase, _) = language.refusal(VisitorReason::SecondPerson);
            let words = sign(canvas, Icon::of_refusal(VisitorReason::SecondPerson), ON_BLACK)?;
            two(canvas, words, phrase, &typed(0, *left_s), ON_BLACK)
        }
        Screen::Denied { reason } => {
            let (phrase, advice) = language.refusal(*reason);
            let icon = match reason {
                VisitorReason::NotAllowed => Icon::Cross,
                VisitorReason::NotRecognised
                | VisitorReason::Wait
                | VisitorReason::SecondPerson
                | VisitorReason::Pin
                | VisitorReason::Closed => Icon::of_refusal(*reason),
            };
            let words = sign(canvas, icon, ON_BLACK)?;
            two(canvas, words, phrase, advice, ON_BLACK)
        }
        Screen::Alarm(kind) => {
            let (phrase, advice) = language.alarm(*kind);
            let words = sign(canvas, Icon::of_alarm(*kind), ON_BLACK)?;
            frame(canvas)?;
            let words = Area::new(words.x, words.y + 2.0, words.w - 3.0, words.h - 4.0);
            two(canvas, words, phrase, advice, ON_BLACK)
        }
        Screen::Setup { code } => {
            let words = sign(canvas, Icon::Keypad, ON_BLACK)?;
            two(canvas, words, code, language.say(SETUP_CODE), ON_BLACK)
        }
        Screen::TestCard => card::paint(canvas),
        Screen::Fault { .. } => {
            let words = sign(canvas, Icon::Warning, ON_BLACK)?;
            let advice = if text.is_empty() { language.say(STAYS_LOCKED) } else { text };
            let (top, below) = words.split_top(words.h * 0.28);
            write(canvas, top, language.say(OUT_OF_ORDER), 1, ON_BLACK)?;
            write(canvas, below, advice, 3, ON_BLACK)
        }
    }
}

/// The good news, and to whom it is given.
fn greet<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    phrase: &str,
    name: &str,
    u: f32,
) -> Result<(), D::Error> {
    if name.is_empty() {
        let words = sign(canvas, Icon::Check, ON_WHITE)?;
        return write(canvas, words, phrase, 1, ON_WHITE);
    }
    canvas.clear(WHITE)?;
    let (top, below) = canvas.area().split_top(22.0 * u);
    let (mark, word) = top.split_left(30.0 * u);
    canvas.fill(top, BLACK)?;
    canvas.icon(Icon::Check, mark.centre(), 9.0 * u, ON_BLACK)?;
    // In the middle of the panel, unless it needs what is beside the mark.
    let margin = if phrase.len() > 12 { 4.0 * u } else { 30.0 * u };
    let word = Area::new(word.x, word.y + 2.0, word.w - margin, word.h - 4.0);
    write(canvas, word, phrase, 1, ON_BLACK)?;
    write(canvas, below.inset(2.0), name, 2, ON_WHITE)
}

fn idle<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    time: Option<Utc>,
    link_up: Option<bool>,
    queued: u32,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    canvas.clear(BLACK)?;
    let panel = canvas.area();
    let u = panel.h / 64.0;
    if let Some(now) = time.and_then(|time| clock::read(time, options)) {
        let clock = Area::new(0.0, 3.0 * u, panel.w - 18.0 * u, 34.0 * u);
        write(canvas, clock, &now.time, 1, ON_BLACK)?;
    } else {
        canvas.icon(Icon::Face, (panel.w / 2.0, 22.0 * u), 19.0 * u, ON_BLACK)?;
    }
    let column = panel.w - 11.0 * u;
    match link_up {
        Some(true) => canvas.icon(Icon::Link, (column, 11.0 * u), 8.0 * u, ON_BLACK)?,
        Some(false) => canvas.icon(Icon::NoLink, (column, 11.0 * u), 8.0 * u, ON_BLACK)?,
        None => {}
    }
    if queued > 0 {
        canvas.icon(Icon::Outbox, (column, 32.0 * u), 7.0 * u, ON_BLACK)?;
    }
    let foot = Area::new(0.0, panel.h - 18.0 * u, panel.w, 18.0 * u);
    canvas.fill(foot, WHITE)?;
    write(canvas, foot.inset(2.0 * u), options.language.say(INVITE), 1, ON_WHITE)
}

/// The ring with the visitor's face as a box, or the guidance's icon; returns the words' area.
fn look<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    face: Option<Rect>,
    guidance: Guidance,
) -> Result<Area, D::Error> {
    let (stage, words) = split(canvas.area());
    let (cx, cy) = stage.centre();
    let half = (stage.w * 0.42, stage.h * 0.45);
    canvas.shape(stage, ON_BLACK, |x, y| ellipse((x - cx, y - cy), half).abs() - 1.0)?;
    let aside = face.map(|face| face.x + face.w / 2.0);
    let icon = match guidance {
        // The panel is a mirror: a face left in the frame stands right on it.
        Guidance::Centre if aside.is_some_and(|x| x < 0.5) => Icon::Left,
        Guidance::Centre
        | Guidance::LookHere
        | Guidance::Closer
        | Guidance::FaceCamera
        | Guidance::HoldStill
        | Guidance::MoreLight
        | Guidance::LessLight
        | Guidance::Uncover
        | Guidance::OneAtATime => Icon::of_guidance(guidance),
    };
    canvas.icon(icon, (cx, cy), half.0 * 0.68, ON_BLACK)?;
    Ok(words)
}

/// Boxes, one for each look wanted, filled for each taken.
fn steps<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    bar: Area,
    taken: u8,
    wanted: u8,
) -> Result<(), D::Error> {
    let wanted = wanted.max(1);
    let pitch = bar.w / f32::from(wanted);
    for step in 0..wanted {
        let left = bar.x + pitch * f32::from(step);
        let cell = Area::new(left, bar.y + 4.0, (pitch - 2.0).max(1.0), bar.h - 8.0);
        canvas.fill(cell, WHITE)?;
        if step >= taken && cell.w > 3.0 {
            canvas.fill(cell.inset(1.0), BLACK)?;
        }
    }
    Ok(())
}

/// Ground and a large icon; returns the words' area.
fn sign<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    icon: Icon,
    paint: Paint,
) -> Result<Area, D::Error> {
    canvas.clear(paint.on)?;
    let (stage, words) = split(canvas.area());
    let half = stage.w.min(stage.h) * 0.44;
    canvas.icon(icon, stage.centre(), half, paint)?;
    Ok(words)
}

/// A double border: an alarm is not mistaken for a refusal.
fn frame<D: DrawTarget<Color: Ink>>(canvas: &mut Canvas<'_, D>) -> Result<(), D::Error> {
    let panel = canvas.area();
    let thick = 2.0;
    canvas.fill(Area::new(0.0, 0.0, panel.w, thick), WHITE)?;
    canvas.fill(Area::new(0.0, panel.h - thick, panel.w, thick), WHITE)?;
    canvas.fill(Area::new(0.0, 0.0, thick, panel.h), WHITE)?;
    canvas.fill(Area::new(panel.w - thick, 0.0, thick, panel.h), WHITE)
}

/// Headline and advice.
fn two<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    words: Area,
    phrase: &str,
    advice: &str,
    paint: Paint,
) -> Result<(), D::Error> {
    let (top, below) = words.split_top(words.h * 0.52);
    write(canvas, top, phrase, 2, paint)?;
    write(canvas, below, advice, 3, paint)
}

/// Left the picture, right the words.
fn split(panel: Area) -> (Area, Area) {
    let (stage, words) = panel.split_left((panel.h * 0.72).min(panel.w * 0.45));
    let margin = panel.h / 32.0;
    (stage.inset(margin), words.inset(margin))
}

/// Sets a text as large as it goes: in a pixel font on up to `lines` lines, else from outlines.
fn write<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    area: Area,
    text: &str,
    lines: usize,
    paint: Paint,
) -> Result<(), D::Error> {
    for font in &FONTS {
        let high = font.height();
        // The last line needs no room for what hangs below it in the next.
        let room = ((area.h + 3.0) / high) as usize;
        let Some(broken) = font.broken(text, area.w, lines.min(room)) else { continue };
        let mut top = area.y + (area.h - high * broken.len() as f32) / 2.0;
        for &(from, to) in &broken {
            font.draw(canvas, &text[from..to], Area::new(area.x, top, area.w, high), paint)?;
            top += high;
        }
        return Ok(());
    }
    let style = Style::bold((area.h * 0.78).min(30.0), 10.0, lines).at(Align::Middle, Align::Middle);
    canvas.text(area, text, style, paint)
}

/// A pixel font and the height of its capitals.
struct PixelFont {
    font: FontRenderer,
    capitals: f32,
}

impl PixelFont {
    /// From line to line: capitals, a tail, an accent.
    fn height(&self) -> f32 {
        (self.capitals * 1.45).round()
    }

    /// Byte ranges of at most `lines` lines of whole words; `None` when it does not fit or a letter is missing.
    fn broken(&self, text: &str, width: f32, lines: usize) -> Option<heapless::Vec<(usize, usize), 4>> {
        let mut out = heapless::Vec::new();
        let (mut from, mut end) = (0, 0);
        let stops = text.match_indices(' ').map(|(at, _)| at).chain([text.len()]);
        for stop in stops {
            if self.fits(&text[from..stop], width) {
                end = stop;
                continue;
            }
            if end <= from || !self.fits(&text[end + 1..stop], width) {
                return None;
            }
            out.push((from, end)).ok()?;
            (from, end) = (end + 1, stop);
        }
        out.push((from, end)).ok()?;
        (out.len() <= lines).then_some(out)
    }

    /// Whether it has every letter and the text is no wider than `width`.
    fn fits(&self, text: &str, width: f32) -> bool {
        self.font
            .get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
            .is_ok_and(|size| size.advance.x as f32 <= width + 1.0)
    }

    fn draw<D: DrawTarget<Color: Ink>>(
        &self,
        canvas: &mut Canvas<'_, D>,
        text: &str,
        area: Area,
        paint: Paint,
    ) -> Result<(), D::Error> {
        let (cx, cy) = area.centre();
        let at = Point::new(cx.round() as i32, (cy + self.capitals / 2.0).round() as i32);
        let ink = FontColor::Transparent(D::Color::ink(paint.ink));
        let drawn = self.font.render_aligned(
            text,
            at,
            VerticalPosition::Baseline,
            HorizontalAlignment::Center,
            ink,
            canvas.target,
        );
        match drawn {
            Err(u8g2_fonts::Error::DisplayError(error)) => Err(error),
            // A letter is missing: `fits` said otherwise, so this is not reached; the words before it stand.
            Ok(_)
            | Err(u8g2_fonts::Error::BackgroundColorNotSupported | u8g2_fonts::Error::GlyphNotFound(_)) => {
                Ok(())
            }
        }
    }
}

/// Largest first. Helvetica of Adobe and Digital and misc-fixed, from the X11 distribution (docs/fonts.md).
const FONTS: [PixelFont; 8] = [
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB24_tf>(), capitals: 25.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB18_tf>(), capitals: 19.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB14_tf>(), capitals: 14.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB12_tf>(), capitals: 12.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB10_tf>(), capitals: 11.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvB08_tf>(), capitals: 8.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_helvR08_tf>(), capitals: 8.0 },
    PixelFont { font: FontRenderer::new::<u8g2_font_5x8_tf>(), capitals: 6.0 },
];

const ON_BLACK: Paint = Paint { ink: WHITE, on: BLACK };
const ON_WHITE: Paint = Paint { ink: BLACK, on: WHITE };
