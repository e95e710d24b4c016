//! Colours: what each one means, and how they become the panel's.
//!
//! Owns: the palette and the conversion to the panel's pixel format. Does not own: where colours are used.
//! Invariant: every pair of ink and ground used for text keeps a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3).

use embedded_graphics::pixelcolor::{BinaryColor, PixelColor, Rgb565, Rgb888, RgbColor};

/// A pixel format that screens can be painted in.
pub trait Ink: PixelColor {
    /// Whether the panel knows only on and off, so that nothing may depend on a shade.
    const MONO: bool;

    /// The nearest colour the panel has.
    fn ink(colour: Rgb888) -> Self;
}

impl Ink for Rgb888 {
    const MONO: bool = false;

    fn ink(colour: Rgb888) -> Self {
        colour
    }
}

impl Ink for Rgb565 {
    const MONO: bool = false;

    fn ink(colour: Rgb888) -> Self {
        Self::from(colour)
    }
}

impl Ink for BinaryColor {
    const MONO: bool = true;

    fn ink(colour: Rgb888) -> Self {
        Self::from(luma(colour) >= 0.5)
    }
}

/// `share` (0 to 1) of `over` laid on `under`.
pub(super) fn blend(over: Rgb888, under: Rgb888, share: f32) -> Rgb888 {
    let mix = |o: u8, u: u8| (f32::from(u) + (f32::from(o) - f32::from(u)) * share + 0.5) as u8;
    Rgb888::new(mix(over.r(), under.r()), mix(over.g(), under.g()), mix(over.b(), under.b()))
}

/// How bright a colour looks, 0 to 1, near enough to cut it to black or white.
fn luma(colour: Rgb888) -> f32 {
    (0.299 * f32::from(colour.r()) + 0.587 * f32::from(colour.g()) + 0.114 * f32::from(colour.b())) / 255.0
}

/// The ground while nothing has been decided.
pub(super) const NIGHT: Rgb888 = Rgb888::new(0x0A, 0x10, 0x18);
/// Raised parts on [`NIGHT`].
pub(super) const SLATE: Rgb888 = Rgb888::new(0x1B, 0x26, 0x33);
/// What is not filled yet, on [`NIGHT`].
pub(super) const STEEL: Rgb888 = Rgb888::new(0x3A, 0x4A, 0x5C);
/// Second voice on [`NIGHT`].
pub(super) const MIST: Rgb888 = Rgb888::new(0xB4, 0xC2, 0xD0);
/// First voice.
pub(super) const WHITE: Rgb888 = Rgb888::new(0xFF, 0xFF, 0xFF);
/// Guidance, on [`NIGHT`].
pub(super) const BLUE: Rgb888 = Rgb888::new(0x4F, 0xB3, 0xFF);
/// The ground of a request to the visitor.
pub(super) const BLUE_GROUND: Rgb888 = Rgb888::new(0x10, 0x4E, 0x9E);
/// The ground of a welcome.
pub(super) const GREEN_GROUND: Rgb888 = Rgb888::new(0x0B, 0x6E, 0x3F);
/// The ground of a refusal.
pub(super) const RED_GROUND: Rgb888 = Rgb888::new(0xB0, 0x1C, 0x2A);
/// The ground of an alarm; a mark of trouble on [`NIGHT`].
pub(super) const AMBER: Rgb888 = Rgb888::new(0xFF, 0xB4, 0x1F);
/// Text on [`AMBER`].
pub(super) const BLACK: Rgb888 = Rgb888::new(0x00, 0x00, 0x00);

#[cfg(test)]
mod tests {
    use super::*;

    fn relative_luminance(colour: Rgb888) -> f32 {
        let linear = |v: u8| {
            let v = f32::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
    }

    #[test]
    fn text_keeps_its_contrast_everywhere() {
        for (ink, ground) in [
            (WHITE, NIGHT),
            (MIST, NIGHT),
            (MIST, SLATE),
            (BLUE, NIGHT),
            (AMBER, NIGHT),
            (WHITE, BLUE_GROUND),
            (WHITE, GREEN_GROUND),
            (WHITE, RED_GROUND),
            (BLACK, AMBER),
        ] {
            let (a, b) = (relative_luminance(ink), relative_luminance(ground));
            let ratio = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(ratio >= 4.5, "{ink:?} on {ground:?} has {ratio:.1}");
        }
    }

    #[test]
    fn blending_ends_at_its_ends() {
        assert_eq!(blend(WHITE, NIGHT, 0.0), NIGHT);
        assert_eq!(blend(WHITE, NIGHT, 1.0), WHITE);
    }
}
