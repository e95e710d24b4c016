//! From a name as it is stored to characters that can be drawn, one after the other, in any script.
//!
//! Owns: cleaning (controls, direction overrides, invisible characters), composition (NFC), joining of Arabic
//! letters, the readable fallback, and the visual order of a line. Does not own: fonts, sizes, line breaks.
//! Invariants: what comes out holds only characters for which `has` said yes, and spaces; it is at most
//! [`MAX_TEXT`] bytes; nothing stored can change the direction of, hide, or draw over anything else.
//!
//! The fallback is decided once for a whole name: a name half in its own script and half transliterated reads
//! worse than either.

use std::borrow::Cow;

use ar_reshaper::ArabicReshaper;
use heapless::String;
use unicode_bidi::{BidiInfo, Level};
use unicode_normalization::UnicodeNormalization;

/// Bytes of the longest text drawn: a name may grow by transliteration and by Arabic presentation forms.
pub(super) const MAX_TEXT: usize = 384;

/// A text ready to be broken into lines: logical order, letters joined.
pub(super) type Shaped = String<MAX_TEXT>;

/// Makes a stored text drawable. Empty when nothing readable is left.
pub(super) fn shape(text: &str, reshaper: &ArabicReshaper, has: impl Fn(char) -> bool) -> Shaped {
    let mut clean = Shaped::new();
    push_words(&mut clean, text.nfc().filter(|&c| !is_silent(c)));
    // Pictures of things are no part of a readable name; the rest of it is.
    if !clean.chars().all(|c| c == ' ' || has(c) || is_arabic(c)) {
        let mut plain = Shaped::new();
        push_words(&mut plain, clean.chars().filter(|&c| !is_pictogram(c)));
        if !plain.is_empty() {
            clean = plain;
        }
    }
    if clean.chars().any(is_arabic) {
        let joined = reshaper.reshape(clean.as_str());
        clean.clear();
        push_words(&mut clean, joined.chars().filter(|&c| !is_silent(c)));
    }
    if clean.chars().all(|c| c == ' ' || has(c)) {
        return clean;
    }
    let mut readable = Shaped::new();
    push_words(&mut readable, text.nfc().filter(|&c| !is_silent(c)).flat_map(in_ascii));
    readable
}

/// One of our own phrases with its letters joined; a text that was shaped already stays as it is.
pub(super) fn joined<'t>(text: &'t str, reshaper: &ArabicReshaper) -> Cow<'t, str> {
    if text.chars().any(is_arabic) { Cow::Owned(reshaper.reshape(text)) } else { Cow::Borrowed(text) }
}

/// Whether a text begins on the right.
pub(super) fn is_from_the_right(text: &str) -> bool {
    text.chars().find(|c| c.is_alphabetic()).is_some_and(is_right_to_left)
}

/// The line in the order it is drawn, left to right.
pub(super) fn visual(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_right_to_left) {
        return Cow::Borrowed(line);
    }
    let info = BidiInfo::new(line, None);
    let Some(paragraph) = info.paragraphs.first() else { return Cow::Borrowed(line) };
    let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
    let mut out = std::string::String::with_capacity(line.len());
    for run in runs {
        let backwards = levels.get(run.start).is_some_and(Level::is_rtl);
        let Some(part) = line.get(run) else { continue };
        if backwards {
            out.extend(part.chars().rev().map(mirrored));
        } else {
            out.push_str(part);
        }
    }
    Cow::Owned(out)
}

/// Whether lines may be broken before or after the character: scripts written without spaces.
pub(super) const fn breaks_anywhere(c: char) -> bool {
    matches!(c, '\u{2E80}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// Appends with single spaces between words and none at the ends, as far as the capacity reaches.
fn push_words(out: &mut Shaped, chars: impl Iterator<Item = char>) {
    let mut gap = false;
    for c in chars {
        if c.is_whitespace() {
            gap = !out.is_empty();
            continue;
        }
        if gap && out.push(' ').is_err() {
            break;
        }
        gap = false;
        if out.push(c).is_err() {
            break;
        }
    }
    while out.ends_with(' ') {
        out.pop();
    }
}

/// The Latin reading of one character; a space behind a syllable or an ideograph that stands for a word.
fn in_ascii(c: char) -> impl Iterator<Item = char> {
    let reading = if c.is_whitespace() { " " } else { deunicode::deunicode_char(c).unwrap_or("") };
    reading.chars().filter(|c| c.is_ascii_graphic() || *c == ' ')
}

/// Characters that draw nothing of their own: controls, format characters, direction marks and overrides, joiners,
/// variation selectors, tags, private use; and vowel signs whose place above a letter our fonts do not tell.
const fn is_silent(c: char) -> bool {
    matches!(c,
        '\u{0000}'..='\u{0008}' | '\u{000E}'..='\u{001F}' | '\u{007F}'..='\u{009F}' | '\u{00AD}' | '\u{034F}'
        | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}' | '\u{05C2}' | '\u{05C4}' | '\u{05C5}' | '\u{05C7}'
        | '\u{0600}'..='\u{0605}' | '\u{0610}'..='\u{061A}' | '\u{061C}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DD}' | '\u{06DF}'..='\u{06E4}' | '\u{06E7}' | '\u{06E8}' | '\u{06EA}'..='\u{06ED}'
        | '\u{070F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
        | '\u{D7B0}'..='\u{D7FF}' | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFF}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0000}'..='\u{10FFFF}')
}

/// Emoji, dingbats and the like.
const fn is_pictogram(c: char) -> bool {
    matches!(c, '\u{2190}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}')
}

const fn is_arabic(c: char) -> bool {
    matches!(c, '\u{0600}'..='\u{06FF}' | '\u{0750}'..='\u{077F}')
}

const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}'
        | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// A bracket seen from the other side (Unicode, `BidiMirroring`; the ones a name may hold).
const fn mirrored(c: char) -> char {
    match c {
        '(' => ')',
        ')' => '(',
        '[' => ']',
        ']' => '[',
        '{' => '}',
        '}' => '{',
        '<' => '>',
        '>' => '<',
        '«' => '»',
        '»' => '«',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::typeface::Typefaces;
    use super::*;

    fn shaped(name: &str) -> Shaped {
        let faces = Typefaces::new();
        shape(name, &ArabicReshaper::default(), |c| faces.has(c))
    }

    #[test]
    fn names_keep_their_script_where_the_fonts_have_it() {
        for name in [
            "José Ñuñez",
            "Zoë Åström",
            "Łukasz Żółć",
            "Ελένη Παπαδοπούλου",
            "Дмитрий Щербаков",
            "李小龍",
            "山田太郎",
            "김민수",
            "אברהם",
            "ไทย",
            "Nguyễn Thị Ánh",
            "Արամ",
            "გიორგი",
        ] {
            assert_eq!(shaped(name), name);
        }
    }

    #[test]
    fn decomposed_letters_are_composed() {
        assert_eq!(shaped("Zoe\u{308}"), "Zoë");
        assert_eq!(shaped("\u{1100}\u{1175}\u{11B7}"), "김");
    }

    #[test]
    fn arabic_letters_join_and_run_from_the_right() {
        let name = shaped("محمد");
        assert!(name.chars().all(|c| ('\u{FE70}'..='\u{FEFC}').contains(&c)), "{:?}", name.as_bytes());
        let drawn = visual(&name);
        assert_eq!(drawn.chars().next(), name.chars().last());
    }

    #[test]
    fn mixed_directions_keep_digits_and_brackets_readable() {
        assert_eq!(visual("אב (12)"), "(12) בא");
        assert_eq!(visual("Anna"), "Anna");
    }

    #[test]
    fn what_no_font_has_is_transliterated_as_a_whole() {
        let name = shaped("राम Meier");
        assert!(name.is_ascii() && name.ends_with("Meier") && name.len() > 6, "{name}");
        assert_eq!(shaped("Anna 😀"), "Anna");
        assert!(shaped("😀").is_ascii());
        assert!(!shaped("😀").is_empty());
    }

    #[test]
    fn nothing_stored_can_hide_or_turn_the_text() {
        assert_eq!(shaped("\u{202E}evil\u{202C} \u{200B}\u{FEFF}x\u{0007}\n y"), "evil x y");
        assert_eq!(shaped("  \u{2066}\u{2069}\u{200F} "), "");
    }

    proptest! {
        #[test]
        fn any_text_becomes_drawable(name in "\\PC{0,64}|.{0,64}|[\u{600}-\u{6FF} a-z]{0,40}|[\u{590}-\u{5FF}0-9()]{0,40}") {
            let faces = Typefaces::new();
            let out = shape(&name, &ArabicReshaper::default(), |c| faces.has(c));
            prop_assert!(out.chars().all(|c| c == ' ' || faces.has(c)));
            prop_assert!(!out.chars().any(is_silent));
            let drawn = visual(&out);
            prop_assert_eq!(drawn.chars().count(), out.chars().count());
        }
    }
}
