//! The test card: what tells at a glance that a panel was built in right.
//!
//! Owns: its layout. A white line on the outermost pixels (a wrong offset or size cuts it off), bars that name their
//! own colour (a wrong order or an inverted glass contradicts them), the size in pixels, which is read the right way up.

use core::fmt::Write as _;

use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::pixelcolor::Rgb888;

use super::canvas::{Area, Canvas, Paint};
use super::ink::{BLACK, Ink, WHITE};
use super::text::Style;

const BARS: [(&str, Rgb888); 3] =
    [("R", Rgb888::new(0xC0, 0, 0)), ("G", Rgb888::new(0, 0x70, 0)), ("B", Rgb888::new(0, 0, 0xC0))];

pub(super) fn paint<D: DrawTarget<Color: Ink>>(canvas: &mut Canvas<'_, D>) -> Result<(), D::Error> {
    canvas.clear(WHITE)?;
    let panel = canvas.area();
    canvas.fill(panel.inset(1.0), BLACK)?;
    let (top, below) = panel.inset(3.0).split_top((panel.h * 0.4).floor());
    let mut size = heapless::String::<16>::new();
    // Two numbers of four digits fit.
    let _ = write!(size, "{}x{}", panel.w, panel.h);
    canvas.text(top.inset(2.0), &size, Style::bold(top.h * 0.5, 8.0, 1), Paint { ink: WHITE, on: BLACK })?;
    let width = (below.w / BARS.len() as f32).floor();
    for (at, (letter, colour)) in BARS.into_iter().enumerate() {
        let bar = Area::new(below.x + width * at as f32, below.y, width, below.h);
        canvas.fill(bar, colour)?;
        let style = Style::bold((bar.h * 0.5).min(bar.w * 0.8), 8.0, 1);
        canvas.text(bar.inset(2.0), letter, style, Paint { ink: WHITE, on: colour })?;
    }
    Ok(())
}
