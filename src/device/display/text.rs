//! Fitting text into an area: shrink, then wrap, then cut.
//!
//! Owns: line breaks, sizes, the ellipsis. Does not own: letters (`typeface`), direction (`script`), painting.
//! Invariants: a block never has more lines than its style allows nor sizes outside the style's range; only a text
//! that fits at no size is cut, and then its last line ends in an ellipsis.

use heapless::{String, Vec};

use super::canvas::Area;
use super::script::{MAX_TEXT, breaks_anywhere};
use super::typeface::{Typefaces, Weight};

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// How heavy.
    pub(super) weight: Weight,
    /// The size wanted, in pixels an em.
    pub(super) largest: f32,
    /// The smallest size still readable.
    pub(super) smallest: f32,
    /// Lines at most, 1 to [`MAX_LINES`].
    pub(super) lines: usize,
    /// Left, middle or right.
    pub(super) horizontal: Align,
    /// Top, middle or bottom.
    pub(super) vertical: Align,
}

impl Style {
    /// A bold text of up to `lines` lines in the middle of its area.
    pub(super) const fn bold(largest: f32, smallest: f32, lines: usize) -> Self {
        let middle = Align::Middle;
        Self { weight: Weight::Bold, largest, smallest, lines, horizontal: middle, vertical: middle }
    }

    /// The same, in regular weight.
    pub(super) const fn regular(largest: f32, smallest: f32, lines: usize) -> Self {
        Self { weight: Weight::Regular, ..Self::bold(largest, smallest, lines) }
    }

    /// The same, placed at the start of its area's lines.
    pub(super) const fn at(self, horizontal: Align, vertical: Align) -> Self {
        Self { horizontal, vertical, ..self }
    }

    /// Width of a line in pixels.
    pub(super) fn width(&self, faces: &Typefaces, line: &str, size: f32) -> f32 {
        line.chars().map(|c| faces.advance(c, self.weight, size) + Self::tracking(size)).sum()
    }

    /// Space added behind each letter, in pixels: large letters stand closer.
    pub(super) fn tracking(size: f32) -> f32 {
        if size > 24.0 { -0.008 * size } else { 0.0 }
    }
}

/// Where a text lies in its area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    /// Left or top.
    Start,
    /// In the middle.
    Middle,
    /// Right or bottom.
    End,
}

impl Align {
    /// The part of the free space that lies before the text.
    pub(super) const fn share(self) -> f32 {
        match self {
            Self::Start => 0.0,
            Self::Middle => 0.5,
            Self::End => 1.0,
        }
    }
}

/// A text broken into lines at a size.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    size: f32,
    /// Byte ranges of the text.
    lines: Vec<(usize, usize), MAX_LINES>,
    /// Whether the end is missing.
    pub(super) cut: bool,
}

impl Block {
    /// Pixels an em.
    pub(super) const fn size(&self) -> f32 {
        self.size
    }

    /// Pixels from line to line.
    pub(super) fn line_height(&self) -> f32 {
        (self.size * LEADING).round()
    }

    /// Pixels in all.
    pub(super) fn height(&self) -> f32 {
        self.line_height() * self.lines.len() as f32
    }

    /// The lines, the last with an ellipsis where the text was cut.
    pub(super) fn lines<'t>(&'t self, text: &'t str) -> impl Iterator<Item = String<MAX_LINE>> + 't {
        self.lines.iter().enumerate().map(move |(index, &(from, to))| {
            let mut line = String::new();
            // Infallible: a line is part of a text of at most MAX_TEXT bytes; were it not, it would stay empty.
            let _ = line.push_str(text.get(from..to).unwrap_or(""));
            if self.cut && index + 1 == self.lines.len() {
                let _ = line.push(ELLIPSIS);
            }
            line
        })
    }
}

/// Finds the largest setting of `text` that stays inside `area`. One line may shrink to [`ONE_LINE_SHRINKS`] of the
/// size wanted before more lines are tried; then the largest letters win, and of equals the fewest lines.
pub(super) fn fit(faces: &Typefaces, text: &str, area: Area, style: Style) -> Block {
    let allowed = style.lines.clamp(1, MAX_LINES);
    let mut best: Option<Block> = None;
    for lines in 1..=allowed {
        let floor = best.as_ref().map_or(style.smallest, |best| best.size + 1.0);
        let mut size = style.largest;
        while size >= floor {
            if (size * LEADING).round() * lines as f32 <= area.h
                && let Some(block) = broken(faces, text, area.w, style, size, lines, false)
            {
                best = Some(block);
                break;
            }
            size -= 1.0;
        }
        if best.as_ref().is_some_and(|best| best.size >= style.largest * ONE_LINE_SHRINKS) {
            break;
        }
    }
    best.or_else(|| {
        let size = style.smallest;
        let room = ((area.h / (size * LEADING).round()) as usize).clamp(1, allowed);
        broken(faces, text, area.w, style, size, room, true)
    })
    .unwrap_or(Block { size: style.smallest, lines: Vec::new(), cut: false })
}

/// Breaks `text` into at most `lines` lines of `width`; `None` when it does not fit and may not be cut.
fn broken(
    faces: &Typefaces,
    text: &str,
    width: f32,
    style: Style,
    size: f32,
    lines: usize,
    may_cut: bool,
) -> Option<Block> {
    let mut block = Block { size, lines: Vec::new(), cut: false };
    let dots = faces.advance(ELLIPSIS, style.weight, size);
    let mut from = 0;
    while from < text.len() {
        let rest = &text[from..];
        let last = block.lines.len() + 1 == lines;
        let (mut taken, mut next) = first_line(faces, rest, width, style, size, may_cut)?;
        if last && next < rest.len() {
            if !may_cut {
                return None;
            }
            taken = fill(faces, rest, (width - dots).max(0.0), style, size).0;
            next = rest.len();
            block.cut = true;
        }
        let end = from + rest[..taken].trim_end().len();
        // Infallible: `last` ends the loop before the capacity does.
        let _ = block.lines.push((from, end));
        from += next;
    }
    Some(block)
}

/// The bytes of the first line and where the next begins; `None` when a word is wider than the line.
fn first_line(
    faces: &Typefaces,
    rest: &str,
    width: f32,
    style: Style,
    size: f32,
    may_split: bool,
) -> Option<(usize, usize)> {
    let (full, stop) = fill(faces, rest, width, style, size);
    if full == rest.len() {
        return Some((full, full));
    }
    match stop {
        Some(at) => {
            let next = at + rest[at..].len() - rest[at..].trim_start().len();
            Some((at, next))
        }
        // At least one character a line, so that every text ends.
        None if may_split => {
            let one = rest.chars().next().map_or(0, char::len_utf8);
            Some((full.max(one), full.max(one)))
        }
        None => None,
    }
}

/// How many bytes fit into `width`, and the last place among them where the line may end.
fn fill(faces: &Typefaces, rest: &str, width: f32, style: Style, size: f32) -> (usize, Option<usize>) {
    let (mut pen, mut stop) = (0.0, None);
    let mut before = None;
    for (at, c) in rest.char_indices() {
        let free = breaks_anywhere(c) || before.is_some_and(breaks_anywhere) || before == Some('-');
        if at > 0 && (c == ' ' || free) {
            stop = Some(at);
        }
        pen += faces.advance(c, style.weight, size) + Style::tracking(size);
        if pen > width + 0.01 && c != ' ' {
            return (at, stop);
        }
        before = Some(c);
    }
    (rest.len(), stop)
}

/// Lines of the longest text.
const MAX_LINES: usize = 4;
/// Bytes of the longest line: any text and the ellipsis.
const MAX_LINE: usize = MAX_TEXT + 4;
/// From line to line, in ems.
const LEADING: f32 = 1.24;
/// How far one line shrinks, as a share of the size wanted, before two larger ones read better.
const ONE_LINE_SHRINKS: f32 = 0.8;
const ELLIPSIS: char = '…';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str, style: Style) -> (std::vec::Vec<std::string::String>, Block) {
        let area = Area::new(0.0, 0.0, 220.0, 120.0);
        let block = fit(&Typefaces::new(), text, area, style);
        (block.lines(text).map(|line| line.as_str().to_owned()).collect(), block)
    }

    #[test]
    fn short_stays_large_long_shrinks_longer_wraps_and_only_then_is_cut() {
        let style = Style::bold(40.0, 20.0, 2);
        let (lines, block) = set("Anna", style);
        assert_eq!((lines, block.size), (vec!["Anna".to_owned()], 40.0));
        let (lines, block) = set("Zoë Åström", style);
        assert!(lines.len() == 1 && block.size < 40.0, "{lines:?}");
        let (lines, block) = set("Ελένη Παπαδοπούλου", style);
        assert!(lines.len() == 2 && !block.cut);
        let (lines, block) = set(&"Wolfeschlegelsteinhausenbergerdorff ".repeat(3), style);
        assert!(lines.len() == 2 && block.cut && lines[1].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn scripts_without_spaces_break_between_characters() {
        let (lines, block) = set(&"山田太郎".repeat(3), Style::bold(40.0, 20.0, 3));
        assert!(lines.len() > 1 && !block.cut, "{lines:?}");
    }

    proptest! {
        #[test]
        fn any_text_fits_any_area(text in "[a-zA-Zäé李 -]{0,120}", w in 0.0f32..300.0, h in 0.0f32..200.0, lines in 0usize..6) {
            let faces = Typefaces::new();
            let style = Style::bold(48.0, 12.0, lines);
            let block = fit(&faces, &text, Area::new(0.0, 0.0, w, h), style);
            prop_assert!(block.lines.len() <= lines.clamp(1, MAX_LINES));
            prop_assert!((12.0..=48.0).contains(&block.size));
            if w > 40.0 {
                for line in block.lines(&text) {
                    prop_assert!(style.width(&faces, &line, block.size) <= w + 1.0, "{line} in {w}");
                }
            }
        }
    }
}
