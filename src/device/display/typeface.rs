//! The letters: which font has which character, how wide it is, and its outline.
//!
//! Owns: the embedded fonts (docs/fonts.md tells where they come from and under which licence) and their metrics.
//! Does not own: shaping, direction, line breaking (`script`, `text`).
//! Invariant: a character is drawn from the first font of the chain that has it; one that none has is never
//! replaced by a box here, because `script` decides beforehand on the whole name.

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::raster::Raster;

/// How heavy letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Body text and the clock; Latin only, other scripts fall to bold.
    Regular,
    /// Headlines and names.
    Bold,
}

/// All embedded fonts, parsed once.
pub(super) struct Typefaces {
    regular: Option<Face<'static>>,
    bold: [Option<Face<'static>>; BOLD.len()],
}

impl Typefaces {
    /// Reads the embedded fonts. A font that cannot be read is passed over; a test proves that all can.
    pub(super) fn new() -> Self {
        Self { regular: Face::parse(REGULAR, 0).ok(), bold: BOLD.map(|data| Face::parse(data, 0).ok()) }
    }

    /// Whether any font has the character.
    pub(super) fn has(&self, c: char) -> bool {
        self.find(c, Weight::Bold).is_some()
    }

    /// How far the pen moves, in pixels, for letters of `size` pixels an em.
    pub(super) fn advance(&self, c: char, weight: Weight, size: f32) -> f32 {
        self.find(c, weight).map_or(0.0, |(face, glyph)| {
            f32::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * size / f32::from(face.units_per_em())
        })
    }

    /// Adds the character's outline with its origin at `x`, `y` (the baseline).
    pub(super) fn outline(
        &self,
        c: char,
        weight: Weight,
        size: f32,
        (x, y): (f32, f32),
        raster: &mut Raster,
    ) {
        if let Some((face, glyph)) = self.find(c, weight) {
            let scale = size / f32::from(face.units_per_em());
            face.outline_glyph(glyph, &mut Placed { raster, scale, x, y });
        }
    }

    fn find(&self, c: char, weight: Weight) -> Option<(&Face<'static>, GlyphId)> {
        let light = match weight {
            Weight::Regular => self.regular.as_ref(),
            Weight::Bold => None,
        };
        light
            .into_iter()
            .chain(self.bold.iter().flatten())
            .find_map(|face| Some((face, face.glyph_index(c)?)))
    }
}

/// Carries an outline from font units to its place on the panel.
struct Placed<'r> {
    raster: &'r mut Raster,
    scale: f32,
    x: f32,
    y: f32,
}

impl Placed<'_> {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Placed<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.raster.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.raster.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((cx, cy), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.raster.quad_to(cx, cy, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (a, b, end) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.raster.cubic_to(a, b, end);
    }

    fn close(&mut self) {
        self.raster.close();
    }
}

const REGULAR: &[u8] = include_bytes!("fonts/text-regular.ttf");

/// First come, first served: Latin, Greek and Cyrillic, then the other scripts, the big one last.
const BOLD: [&[u8]; 7] = [
    include_bytes!("fonts/text-bold.ttf"),
    include_bytes!("fonts/hebrew-bold.ttf"),
    include_bytes!("fonts/arabic-bold.ttf"),
    include_bytes!("fonts/thai-bold.ttf"),
    include_bytes!("fonts/armenian-bold.ttf"),
    include_bytes!("fonts/georgian-bold.ttf"),
    include_bytes!("fonts/cjk.ttf"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_font_is_read_and_draws() {
        let faces = Typefaces::new();
        assert!(faces.regular.is_some());
        assert!(faces.bold.iter().all(Option::is_some));
        let mut raster = Raster::default();
        for c in ['A', 'é', 'ł', 'Ж', 'Ω', 'ש', '\u{FEE3}', 'ก', 'Ա', 'გ', '李', '김', 'あ', 'ﷲ']
        {
            assert!(faces.has(c), "{c}");
            assert!(faces.advance(c, Weight::Bold, 40.0) > 5.0, "{c}");
            raster.begin(64, 64);
            faces.outline(c, Weight::Bold, 40.0, (4.0, 48.0), &mut raster);
            raster.close();
            let drawn: f32 = (0..raster.height()).flat_map(|y| raster.row(y)).sum();
            assert!(drawn > 30.0, "{c} drew {drawn}");
        }
        assert!(!faces.has('😀'));
    }
}
