//! A picture in memory that embedded-graphics draws on.
//!
//! Owns: the pixels, RGB, three bytes each, row by row. Does not own: where they go (a file, a panel's bus).
//! Invariant: the size is set once; drawing outside is ignored and never allocates.

use core::convert::Infallible;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{Dimensions as _, OriginDimensions, Point, Size};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor};
use embedded_graphics::primitives::Rectangle;

/// An RGB picture of a fixed size.
#[derive(Clone, PartialEq, Eq)]
pub struct Framebuffer {
    size: Size,
    rgb: Vec<u8>,
}

impl Framebuffer {
    /// A black picture. Sides are cut to 1..=[`MAX_SIDE`] pixels.
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        let size = Size::new(width.clamp(1, MAX_SIDE), height.clamp(1, MAX_SIDE));
        Self { size, rgb: vec![0; (size.width * size.height) as usize * CHANNELS] }
    }

    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.size.width
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.size.height
    }

    /// The bytes: red, green, blue, row by row, no padding.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The colour at a place inside; `None` outside.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> Option<Rgb888> {
        let at = self.offset(Point::new(i32::try_from(x).ok()?, i32::try_from(y).ok()?))?;
        Some(Rgb888::new(self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]))
    }

    fn offset(&self, at: Point) -> Option<usize> {
        let (x, y) = (u32::try_from(at.x).ok()?, u32::try_from(at.y).ok()?);
        (x < self.size.width && y < self.size.height).then(|| (y * self.size.width + x) as usize * CHANNELS)
    }
}

impl core::fmt::Debug for Framebuffer {
    /// A screen may show a name, so its pixels are not printed.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Framebuffer({}x{})", self.size.width, self.size.height)
    }
}

impl OriginDimensions for Framebuffer {
    fn size(&self) -> Size {
        self.size
    }
}

impl DrawTarget for Framebuffer {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            if let Some(at) = self.offset(at) {
                self.rgb[at..at + CHANNELS].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Rgb888) -> Result<(), Infallible> {
        let area = area.intersection(&self.bounding_box());
        for y in area.rows() {
            let Some(from) = self.offset(Point::new(area.top_left.x, y)) else { continue };
            for pixel in self.rgb[from..from + area.size.width as usize * CHANNELS].chunks_exact_mut(CHANNELS)
            {
                pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}

/// Longest side in pixels.
pub const MAX_SIDE: u32 = 2048;

const CHANNELS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_outside_is_ignored() {
        let mut picture = Framebuffer::new(4, 3);
        let all = [
            Point::new(-1, 0),
            Point::new(4, 0),
            Point::new(0, 3),
            Point::new(i32::MAX, i32::MIN),
            Point::new(3, 2),
        ];
        picture.draw_iter(all.map(|at| Pixel(at, Rgb888::RED))).unwrap();
        picture.fill_solid(&Rectangle::new(Point::new(-5, -5), Size::new(6, 6)), Rgb888::BLUE).unwrap();
        assert_eq!(picture.pixel(3, 2), Some(Rgb888::RED));
        assert_eq!(picture.pixel(0, 0), Some(Rgb888::BLUE));
        assert_eq!(picture.pixel(1, 1), Some(Rgb888::BLACK));
        assert_eq!(picture.pixel(4, 0), None);
        assert_eq!(Framebuffer::new(0, u32::MAX).rgb().len(), 2048 * 3);
    }
}
