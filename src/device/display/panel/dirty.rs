//! What changed between two pictures, as few rectangles.
//!
//! Owns: finding them. Does not own: sending them (the panels).
//! Invariants: every pixel that differs lies in exactly one rectangle; rectangles lie inside the picture; a picture
//! that did not change gives none. One pass over both pictures, no allocation but the list.

use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::primitives::Rectangle;

use super::super::Framebuffer;

/// Rows that share one rectangle: small enough that a blinking clock sends a strip, large enough that a new screen is
/// a few transfers.
const BAND: u32 = 16;

/// Where `new` differs from `old`; all of `new` where there is no old one of the same size.
#[must_use]
pub fn changes(old: Option<&Framebuffer>, new: &Framebuffer) -> Vec<Rectangle> {
    let (width, height) = (new.width(), new.height());
    let Some(old) = old.filter(|old| old.width() == width && old.height() == height) else {
        return vec![Rectangle::new(Point::zero(), Size::new(width, height))];
    };
    let mut found: Vec<Rectangle> = Vec::new();
    let row = width as usize * 3;
    for top in (0..height).step_by(BAND as usize) {
        let rows = BAND.min(height - top);
        let mut span: Option<(u32, u32)> = None;
        let (mut first, mut last) = (0, 0);
        for y in top..top + rows {
            let at = y as usize * row;
            let Some((left, right)) = differs(&old.rgb()[at..at + row], &new.rgb()[at..at + row]) else {
                continue;
            };
            if span.is_none() {
                first = y;
            }
            last = y;
            span = Some(span.map_or((left, right), |(l, r)| (l.min(left), r.max(right))));
        }
        let Some((left, right)) = span else { continue };
        let area = Rectangle::new(
            Point::new(left as i32, first as i32),
            Size::new(right - left + 1, last - first + 1),
        );
        match found.last_mut() {
            Some(above) if joins(above, &area) => above.size.height += area.size.height,
            Some(_) | None => found.push(area),
        }
    }
    found
}

/// First and last column of two rows that differ.
fn differs(old: &[u8], new: &[u8]) -> Option<(u32, u32)> {
    if old == new {
        return None;
    }
    let first = old.iter().zip(new).position(|(a, b)| a != b)?;
    let last = old.iter().zip(new).rposition(|(a, b)| a != b)?;
    Some(((first / 3) as u32, (last / 3) as u32))
}

fn joins(above: &Rectangle, area: &Rectangle) -> bool {
    above.top_left.x == area.top_left.x
        && above.size.width == area.size.width
        && above.top_left.y + above.size.height as i32 == area.top_left.y
}

#[cfg(test)]
mod tests {
    use embedded_graphics::Pixel;
    use embedded_graphics::draw_target::DrawTarget as _;
    use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_change_lies_in_one_rectangle_and_nothing_else_is_sent_twice(
            (width, height) in (1_u32..80, 1_u32..80),
            points in proptest::collection::vec((0_i32..80, 0_i32..80), 0..40),
        ) {
            let old = Framebuffer::new(width, height);
            let mut new = old.clone();
            let points = points.into_iter().map(|(x, y)| Pixel(Point::new(x, y), Rgb888::RED));
            new.draw_iter(points).unwrap();
            let found = changes(Some(&old), &new);
            let whole = Rectangle::new(Point::zero(), Size::new(width, height));
            for area in &found {
                prop_assert_eq!(area.intersection(&whole), *area);
            }
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let at = Point::new(x as i32, y as i32);
                let times = found.iter().filter(|area| area.contains(at)).count();
                prop_assert!(times <= 1);
                prop_assert!(times == 1 || old.pixel(x, y) == new.pixel(x, y));
            }
            prop_assert_eq!(found.is_empty(), old == new);
        }
    }
}
