//! The idle screen of an attendance kiosk: the time, and what the keys stand for.
//!
//! Owns: where clock and keys stand. Does not own: words, letters, the choice of kind (`access`).
//! Invariants: the kind that the next punch will be is lit, and never by colour alone: it also stands alone in large
//! letters where the panel is small; at most six keys are shown.

use embedded_graphics::draw_target::DrawTarget;

use super::canvas::{Area, Canvas, Paint};
use super::icons::Icon;
use super::ink::{BLUE, Ink, MIST, NIGHT, SLATE, WHITE};
use super::text::{Align, Style};
use super::words::{INVITE, punch};
use super::{RenderOptions, clock};
use ostiary_domain::{PunchKind, Utc};

/// What is shown.
pub(super) struct Kiosk<'a> {
    pub(super) time: Option<Utc>,
    pub(super) kind: Option<PunchKind>,
    pub(super) keys: &'a [Option<PunchKind>; 6],
}

/// The full layout.
pub(super) fn paint<D: DrawTarget<Color: Ink>>(
    canvas: &mut Canvas<'_, D>,
    kiosk: &Kiosk<'_>,
    options: &RenderOptions,
) -> Result<(), D::Error> {
    canvas.clear(NIGHT)?;
    let panel = canvas.area();
    let wide = panel.w > panel.h * 1.15;
    let u = panel.w.min(panel.h) / 240.0;
    let (top, rest) = panel.split_top(panel.h * if wide { 0.42 } else { 0.4 });
    let (line, head) = top.split_top(top.h * 0.62);
    if let Some(now) = kiosk.time.and_then(|time| clock::read(time, options)) {
        let style = Style::regular(72.0 * u, 30.0 * u, 1).at(Align::Middle, Align::End);
        canvas.text(line.inset(6.0 * u), &now.time, style, Paint { ink: WHITE, on: NIGHT })?;
    } else {
        canvas.icon(Icon::Face, line.centre(), line.h * 0.36, Paint { ink: BLUE, on: NIGHT })?;
    }
    let words =
        kiosk.kind.map_or_else(|| options.language.say(INVITE), |kind| options.language.say(punch(kind)));
    let style = Style::bold(24.0 * u, 12.0 * u, 1);
    let ink = if kiosk.kind.is_some() { WHITE } else { MIST };
    let head = Area::new(head.x + 8.0 * u, head.y, head.w - 16.0 * u, head.h);
    canvas.text(head, words, style, Paint { ink, on: NIGHT })?;
    let (columns, rows) = if wide { (3, 2) } else { (2, 3) };
    let gap = 5.0 * u;
    let (w, h) = ((rest.w - gap) / columns as f32, (rest.h - gap) / rows as f32);
    for (i, kind) in kiosk.keys.iter().enumerate() {
        let Some(kind) = kind else { continue };
        let (column, row) = (i % columns, i / columns);
        let x = rest.x + gap + column as f32 * w;
        let y = rest.y + row as f32 * h;
        let tile = Area::new(x, y, w - gap, h - gap);
        // Dark on the lit key: white on this blue is not read from a step away.
        let (on, ink, faint) =
            if kiosk.kind == Some(*kind) { (BLUE, NIGHT, NIGHT) } else { (SLATE, WHITE, MIST) };
        canvas.rounded(tile, 8.0 * u, Paint { ink: on, on: NIGHT })?;
        let from_the_right = options.language.is_from_the_right();
        let (number, label) = tile.split_start(28.0 * u, from_the_right);
        let digit = ["1", "2", "3", "4", "5", "6"][i];
        canvas.text(number, digit, Style::bold(18.0 * u, 11.0 * u, 1), Paint { ink: faint, on })?;
        let margin = if from_the_right { 4.0 * u } else { 0.0 };
        let label = Area::new(label.x + margin, label.y, label.w - 4.0 * u, label.h);
        let style = Style::bold(18.0 * u, 9.0 * u, 2).at(Align::Start, Align::Middle);
        canvas.text(label, options.language.say(punch(*kind)), style, Paint { ink, on })?;
    }
    Ok(())
}
