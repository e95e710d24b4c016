//! Displays that hang on a bus or on the kernel's framebuffer.
//!
//! Owns: painting into memory, finding what changed, sending that and no more, opening a panel again that failed.
//! Does not own: layouts (`super`), the panels' commands (`spi`, `oled`, `kernel`).
//! Invariants: after a failure the whole picture is sent, to a panel that was set up anew; a panel that is not there is
//! an error of this screen and tried again with the next.

mod dirty;
mod kernel;
mod linux;
mod oled;
mod spi;

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::RgbColor as _;
use embedded_graphics::primitives::Rectangle;

use ostiary_domain::Screen;
use ostiary_ports::{Display, DisplayError};

use super::png::looks_like;
use super::{Framebuffer, RenderOptions, Renderer};

pub use dirty::changes;
pub use kernel::KernelPanel;
pub use linux::{SpiWires, oled, reachable, spi as spi_panel};
pub use oled::{ADDRESS, Oled};
pub use spi::{Bus, Controller, SpiPanel, SpiSetup};

/// Where pictures are sent.
pub trait Panel: Send {
    /// Width and height as the visitor sees it, in pixels.
    fn size(&self) -> (u32, u32);

    /// Whether a pixel is on or off and nothing between.
    fn is_mono(&self) -> bool {
        false
    }

    /// Sends that part of the picture.
    ///
    /// # Errors
    /// When the bus refuses; what the panel shows is then unknown.
    fn send(&mut self, picture: &Framebuffer, area: Rectangle) -> Result<(), DisplayError>;
}

/// Sets a panel up: called at the first screen and after every failure.
pub type Open = Box<dyn FnMut() -> Result<Box<dyn Panel>, DisplayError> + Send>;

/// A display on a panel.
pub struct PanelDisplay {
    open: Open,
    panel: Option<Box<dyn Panel>>,
    renderer: Renderer,
    picture: Framebuffer,
    /// What the panel holds.
    sent: Option<Framebuffer>,
    shown: Option<Screen>,
}

impl PanelDisplay {
    /// A display that sets its panel up when there is something to show.
    #[must_use]
    pub fn new(open: Open, render: RenderOptions) -> Self {
        let (panel, sent, shown) = (None, None, None);
        Self { open, panel, renderer: Renderer::new(render), picture: Framebuffer::new(1, 1), sent, shown }
    }

    /// What the panel was sent.
    #[must_use]
    pub const fn picture(&self) -> Option<&Framebuffer> {
        self.sent.as_ref()
    }

    fn draw(&mut self, screen: &Screen) -> Result<(), DisplayError> {
        let panel = match &mut self.panel {
            Some(panel) => panel,
            None => self.panel.insert((self.open)()?),
        };
        let (width, height) = panel.size();
        if (self.picture.width(), self.picture.height()) != (width, height) {
            self.picture = Framebuffer::new(width, height);
        }
        let painted = if panel.is_mono() {
            self.renderer.render(screen, &mut OnOff(&mut self.picture))
        } else {
            self.renderer.render(screen, &mut self.picture)
        };
        match painted {
            Ok(()) => {}
            Err(never) => match never {},
        }
        for area in changes(self.sent.as_ref(), &self.picture) {
            panel.send(&self.picture, area)?;
        }
        match &mut self.sent {
            Some(sent) => sent.clone_from(&self.picture),
            None => self.sent = Some(self.picture.clone()),
        }
        Ok(())
    }
}

impl Display for PanelDisplay {
    fn show(&mut self, screen: &Screen) -> Result<(), DisplayError> {
        if self.shown.as_ref().is_some_and(|shown| looks_like(shown, screen)) {
            return Ok(());
        }
        self.shown = None;
        let drawn = self.draw(screen);
        if drawn.is_ok() {
            self.shown = Some(screen.clone());
        } else {
            (self.panel, self.sent) = (None, None);
        }
        drawn
    }
}

/// A picture that is painted in black and white.
struct OnOff<'a>(&'a mut Framebuffer);

impl OriginDimensions for OnOff<'_> {
    fn size(&self) -> Size {
        self.0.size()
    }
}

impl DrawTarget for OnOff<'_> {
    type Color = BinaryColor;
    type Error = core::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(
        &mut self,
        pixels: I,
    ) -> Result<(), Self::Error> {
        self.0.draw_iter(pixels.into_iter().map(|Pixel(at, on)| Pixel(at, shade(on))))
    }

    fn fill_solid(&mut self, area: &Rectangle, on: BinaryColor) -> Result<(), Self::Error> {
        self.0.fill_solid(area, shade(on))
    }
}

const fn shade(on: BinaryColor) -> Rgb888 {
    match on {
        BinaryColor::On => Rgb888::WHITE,
        BinaryColor::Off => Rgb888::BLACK,
    }
}

#[cfg(test)]
mod tests;
