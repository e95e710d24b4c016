//! The visitor's display: a [`Screen`] becomes pixels.
//!
//! Owns: layouts, words, letters, icons, and the displays that need no bus of their own ([`PngDisplay`]). Does not
//! own: what is shown and when (`access`), nor the panels' wiring.
//! Invariants: a name is drawn on `Screen::Welcome` and `Screen::Punched` alone; no score is ever drawn, for none
//! reaches this module; any screen renders on any size without a panic; after the first screen of a kind, painting allocates only to put
//! right-to-left names in order.
//!
//! Colour is never the only carrier of a meaning: welcome is a check mark on a disc, a refusal a cross on an octagon,
//! an alarm stands on a triangle's colour with its own picture, guidance is an arrow or a sign.

mod canvas;
mod card;
mod clock;
mod framebuffer;
mod icons;
mod ink;
mod kiosk;
mod mono;
mod oval;
pub mod panel;
mod png;
mod raster;
mod screens;
mod script;
mod text;
mod typeface;
mod words;

use ar_reshaper::ArabicReshaper;
use embedded_graphics::draw_target::DrawTarget;
use jiff::tz::TimeZone;

pub use framebuffer::{Framebuffer, MAX_SIDE};
pub use ink::Ink;
pub use png::{PngDisplay, PngOptions, write_png, write_rgb};
pub use words::Language;

use canvas::Canvas;
use ostiary_domain::Screen;
use raster::Raster;
use script::Shaped;
use typeface::Typefaces;

/// How the display speaks and counts hours.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Language of every phrase.
    pub language: Language,
    /// Where the door stands.
    pub time_zone: TimeZone,
    /// 1 to 12 with am and pm instead of 0 to 23.
    pub twelve_hours: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { language: Language::default(), time_zone: TimeZone::UTC, twelve_hours: false }
    }
}

/// Paints screens; keeps fonts and scratch memory between them.
pub struct Renderer {
    options: RenderOptions,
    faces: Typefaces,
    raster: Raster,
    reshaper: ArabicReshaper,
    shortened: bool,
}

impl Renderer {
    /// A painter with the embedded fonts.
    #[must_use]
    pub fn new(options: RenderOptions) -> Self {
        Self {
            options,
            faces: Typefaces::new(),
            raster: Raster::default(),
            reshaper: ArabicReshaper::default(),
            shortened: false,
        }
    }

    /// Paints the whole of `target`. Colour panels from 160x120 upwards get the full layout, side by side where
    /// they are wider than high; smaller ones and those without shades get one made for 128x64.
    ///
    /// # Errors
    /// What the target returns; the picture is then incomplete.
    pub fn render<D>(&mut self, screen: &Screen, target: &mut D) -> Result<(), D::Error>
    where
        D: DrawTarget<Color: Ink>,
    {
        let size = target.bounding_box().size;
        let text = self.text_of(screen);
        let (raster, faces, reshaper) = (&mut self.raster, &self.faces, &self.reshaper);
        let mut canvas = Canvas { target, raster, faces, reshaper, shortened: false };
        let painted = if D::Color::MONO || size.height < MIN_HEIGHT || size.width < MIN_WIDTH {
            mono::paint(&mut canvas, screen, &text, &self.options)
        } else {
            screens::paint(&mut canvas, screen, &text, &self.options)
        };
        self.shortened = canvas.shortened;
        painted
    }

    /// Whether a text of the screen painted last was too long and ends in an ellipsis.
    #[must_use]
    pub const fn shortened(&self) -> bool {
        self.shortened
    }

    /// The one text of a screen that is not ours: the visitor's name, or the installer's line. Made drawable.
    fn text_of(&self, screen: &Screen) -> Shaped {
        let text = match screen {
            Screen::Welcome { name } | Screen::Punched { name, .. } => name.as_str(),
            Screen::Fault { what } => what.as_str(),
            Screen::Idle { .. }
            | Screen::Look { .. }
            | Screen::Kiosk { .. }
            | Screen::Keypad { .. }
            | Screen::SecondPerson { .. }
            | Screen::Denied { .. }
            | Screen::Enrol { .. }
            | Screen::Setup { .. }
            | Screen::TestCard
            | Screen::Alarm(_) => "",
        };
        script::shape(text, &self.reshaper, |c| self.faces.has(c))
    }
}

impl core::fmt::Debug for Renderer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Renderer").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Paints one screen with a painter of its own. For a display in use keep a [`Renderer`].
///
/// # Errors
/// What the target returns.
pub fn render<D>(screen: &Screen, options: &RenderOptions, target: &mut D) -> Result<(), D::Error>
where
    D: DrawTarget<Color: Ink>,
{
    Renderer::new(options.clone()).render(screen, target)
}

/// The smallest panel of the full layout, in pixels.
const MIN_WIDTH: u32 = 160;
const MIN_HEIGHT: u32 = 120;
