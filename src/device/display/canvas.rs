//! Painting with smooth edges on any embedded-graphics target.
//!
//! Owns: filled areas, shapes given by their distance function, and lines of text. Does not own: what is painted
//! where (`screens`, `mono`), nor the pixels (the target).
//! Invariants: every edge is blended with the flat ground the caller names, so nothing is ever read back from the
//! panel; on a panel without shades an edge is on or off.

use ar_reshaper::ArabicReshaper;
use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Point, Size};
use embedded_graphics::iterator::PixelIteratorExt as _;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;

use super::icons::{Icon, length};
use super::ink::{Ink, blend};
use super::raster::Raster;
use super::script;
use super::text::{Align, Block, Style, fit};
use super::typeface::Typefaces;

/// An upright area of the panel in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) w: f32,
    pub(super) h: f32,
}

impl Area {
    pub(super) const fn new(x: f32, y: f32, w: f32, h: f32) -> Self {
        Self { x, y, w, h }
    }

    pub(super) const fn centre(&self) -> (f32, f32) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    /// The area less `margin` on every side.
    pub(super) const fn inset(&self, margin: f32) -> Self {
        Self::new(self.x + margin, self.y + margin, self.w - 2.0 * margin, self.h - 2.0 * margin)
    }

    /// Cuts the upper `height` off; returns it and the rest.
    pub(super) const fn split_top(&self, height: f32) -> (Self, Self) {
        (
            Self::new(self.x, self.y, self.w, height),
            Self::new(self.x, self.y + height, self.w, self.h - height),
        )
    }

    /// Cuts `width` off where a line begins, on the left or `from_the_right`; returns it and the rest.
    pub(super) const fn split_start(&self, width: f32, from_the_right: bool) -> (Self, Self) {
        if from_the_right {
            let (rest, start) = self.split_left(self.w - width);
            return (start, rest);
        }
        self.split_left(width)
    }

    /// Cuts the left `width` off; returns it and the rest.
    pub(super) const fn split_left(&self, width: f32) -> (Self, Self) {
        (Self::new(self.x, self.y, width, self.h), Self::new(self.x + width, self.y, self.w - width, self.h))
    }
}

/// What is painted with, and on.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    /// The colour.
    pub(super) ink: Rgb888,
    /// The flat colour underneath.
    pub(super) on: Rgb888,
}

/// A target with the tools to paint on it.
pub(super) struct Canvas<'a, D> {
    pub(super) target: &'a mut D,
    pub(super) raster: &'a mut Raster,
    pub(super) faces: &'a Typefaces,
    pub(super) reshaper: &'a ArabicReshaper,
    /// Whether any text had to be cut to fit.
    pub(super) shortened: bool,
}

impl<D: DrawTarget<Color: Ink>> Canvas<'_, D> {
    /// The whole panel.
    pub(super) fn area(&self) -> Area {
        let size = self.target.bounding_box().size;
        Area::new(0.0, 0.0, size.width as f32, size.height as f32)
    }

    /// Fills the whole panel.
    pub(super) fn clear(&mut self, colour: Rgb888) -> Result<(), D::Error> {
        self.target.clear(D::Color::ink(colour))
    }

    /// Fills an area, edges rounded to whole pixels.
    pub(super) fn fill(&mut self, area: Area, colour: Rgb888) -> Result<(), D::Error> {
        let corner = Point::new(area.x.round() as i32, area.y.round() as i32);
        let size = Size::new((area.w.round() as i32).max(0) as u32, (area.h.round() as i32).max(0) as u32);
        self.target.fill_solid(&Rectangle::new(corner, size), D::Color::ink(colour))
    }

    /// Paints the shape whose signed distance in pixels (negative inside) is `distance`, within `bounds`.
    pub(super) fn shape(
        &mut self,
        bounds: Area,
        paint: Paint,
        distance: impl Fn(f32, f32) -> f32,
    ) -> Result<(), D::Error> {
        self.shape_shaded(bounds, paint.on, |x, y| (distance(x, y), paint.ink))
    }

    /// The same with a colour of its own at every place.
    pub(super) fn shape_shaded(
        &mut self,
        bounds: Area,
        on: Rgb888,
        shade: impl Fn(f32, f32) -> (f32, Rgb888),
    ) -> Result<(), D::Error> {
        let panel = self.area();
        let left = (bounds.x.floor() - 1.0).max(0.0) as i32;
        let top = (bounds.y.floor() - 1.0).max(0.0) as i32;
        let right = ((bounds.x + bounds.w).ceil() + 1.0).min(panel.w) as i32;
        let bottom = ((bounds.y + bounds.h).ceil() + 1.0).min(panel.h) as i32;
        let pixels = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
        self.target.draw_iter(pixels.filter_map(|(x, y)| {
            let (distance, ink) = shade(x as f32 + 0.5, y as f32 + 0.5);
            let share = (0.5 - distance).clamp(0.0, 1.0);
            covered::<D::Color>(share, Paint { ink, on }).map(|colour| Pixel(Point::new(x, y), colour))
        }))
    }

    /// An area with round corners.
    pub(super) fn rounded(&mut self, area: Area, radius: f32, paint: Paint) -> Result<(), D::Error> {
        let (cx, cy) = area.centre();
        let (w, h) = (area.w / 2.0 - radius, area.h / 2.0 - radius);
        self.shape(area, paint, |x, y| {
            let (dx, dy) = ((x - cx).abs() - w, (y - cy).abs() - h);
            length(dx.max(0.0), dy.max(0.0)) + dx.max(dy).min(0.0) - radius
        })
    }

    /// A disc.
    pub(super) fn disc(&mut self, (cx, cy): (f32, f32), radius: f32, paint: Paint) -> Result<(), D::Error> {
        let bounds = Area::new(cx - radius, cy - radius, 2.0 * radius, 2.0 * radius);
        self.shape(bounds, paint, |x, y| length(x - cx, y - cy) - radius)
    }

    /// An icon; `half` is half its side.
    pub(super) fn icon(
        &mut self,
        icon: Icon,
        (cx, cy): (f32, f32),
        half: f32,
        paint: Paint,
    ) -> Result<(), D::Error> {
        let bounds = Area::new(cx - half * 1.1, cy - half * 1.1, half * 2.2, half * 2.2);
        self.shape(bounds, paint, |x, y| icon.distance((x - cx) / half, (y - cy) / half) * half)
    }

    /// Text fitted into `area`.
    pub(super) fn text(
        &mut self,
        area: Area,
        text: &str,
        style: Style,
        paint: Paint,
    ) -> Result<(), D::Error> {
        let text = &*script::joined(text, self.reshaper);
        // What is placed at the start stands on the right where the text begins there.
        let horizontal = match style.horizontal {
            Align::Start if script::is_from_the_right(text) => Align::End,
            Align::End if script::is_from_the_right(text) => Align::Start,
            Align::Start | Align::Middle | Align::End => style.horizontal,
        };
        let style = Style { horizontal, ..style };
        let block = fit(self.faces, text, area, style);
        self.shortened |= block.cut;
        let height = block.height();
        let mut y = area.y + style.vertical.share() * (area.h - height).max(0.0);
        for line in block.lines(text) {
            self.line(&line, Area::new(area.x, y, area.w, block.line_height()), &block, style, paint)?;
            y += block.line_height();
        }
        Ok(())
    }

    /// One line of a block: put in visual order, aligned, rasterised at once.
    fn line(
        &mut self,
        line: &str,
        area: Area,
        block: &Block,
        style: Style,
        paint: Paint,
    ) -> Result<(), D::Error> {
        let visual = script::visual(line);
        let size = block.size();
        let width = style.width(self.faces, &visual, size);
        let start = area.x + style.horizontal.share() * (area.w - width);
        // Letters may reach over their box: accents above, tails below, an italic corner beside.
        let spill = (size * 0.4).ceil();
        let (left, top) = ((start - spill).floor(), (area.y - spill).floor());
        self.raster.begin((width + 2.0 * spill) as u32 + 2, (area.h + 2.0 * spill) as u32 + 2);
        let baseline = (area.y + size * BASELINE).round() - top;
        let mut pen = start - left;
        for c in visual.chars() {
            self.faces.outline(c, style.weight, size, (pen, baseline), self.raster);
            pen += self.faces.advance(c, style.weight, size) + Style::tracking(size);
        }
        self.raster.close();
        let (raster, target) = (&*self.raster, &mut *self.target);
        let bounds = target.bounding_box();
        (0..raster.height())
            .flat_map(|y| raster.row(y).enumerate().map(move |(x, share)| (x, y, share)))
            .filter_map(|(x, y, share)| {
                let colour = covered::<D::Color>(share, paint)?;
                let at = Point::new(left as i32 + x as i32, top as i32 + y as i32);
                bounds.contains(at).then_some(Pixel(at, colour))
            })
            .draw(target)
    }
}

/// The panel's colour for a pixel covered by `share`; `None` where nothing is seen.
fn covered<C: Ink>(share: f32, paint: Paint) -> Option<C> {
    if C::MONO {
        return (share >= 0.5).then(|| C::ink(paint.ink));
    }
    (share > 1.0 / 512.0).then(|| C::ink(blend(paint.ink, paint.on, share)))
}

/// Where the letters stand within a line's box, in ems from its top.
const BASELINE: f32 = 0.98;
