//! The visitor's display, picture by picture.
//!
//! Owns: the goldens in `tests/golden/display` and the README's picture `docs/display.png`, regenerated with `OSTIARY_BLESS=1 cargo test --test display`, and
//! what holds of every screen at every size. Does not own: unit behaviour (beside the code).
//! Invariant: a golden is compared pixel by pixel; two steps of 256 are allowed for, as libm differs by platform.

use std::path::Path;

use embedded_graphics::pixelcolor::{Rgb565, Rgb888, RgbColor};
use embedded_graphics::prelude::*;
use ostiary::device::display::{
    Framebuffer, Language, PngDisplay, PngOptions, RenderOptions, Renderer, write_png,
};
use ostiary::domain::face::Rect;
use ostiary::domain::screen::AlarmKind;
use ostiary::domain::{Guidance, PunchKind, Screen, Utc, VisitorReason, clipped};
use ostiary::ports::Display as _;
use proptest::prelude::*;

const SIZES: [(u32, u32); 5] = [(240, 240), (240, 320), (320, 480), (320, 240), (128, 64)];

/// 2026-11-21T09:41:00Z.
const MORNING: Utc = Utc(1_795_254_060_000);

const NEAR: Rect = Rect { x: 0.36, y: 0.29, w: 0.28, h: 0.42 };
const FAR: Rect = Rect { x: 0.44, y: 0.40, w: 0.12, h: 0.19 };
const ASIDE: Rect = Rect { x: 0.18, y: 0.34, w: 0.24, h: 0.36 };

fn welcome(name: &str) -> Screen {
    Screen::Welcome { name: clipped(name) }
}

fn look(face: Option<Rect>, guidance: Guidance) -> Screen {
    Screen::Look { face, guidance }
}

fn kiosk(kind: Option<PunchKind>) -> Screen {
    Screen::Kiosk { time: Some(MORNING), kind, keys: PunchKind::ALL.map(Some) }
}

fn punched(name: &str, kind: PunchKind, again: bool) -> Screen {
    Screen::Punched { name: clipped(name), kind, again }
}

fn screens() -> Vec<(&'static str, Screen)> {
    let enrol = |taken, guidance| Screen::Enrol { taken, wanted: 5, guidance };
    let denied = |reason| Screen::Denied { reason };
    vec![
        ("idle", Screen::Idle { time: Some(MORNING), link_up: Some(true), queued: 0 }),
        ("idle-offline", Screen::Idle { time: Some(MORNING), link_up: Some(false), queued: 128 }),
        ("idle-no-clock", Screen::Idle { time: None, link_up: None, queued: 0 }),
        ("look", look(None, Guidance::LookHere)),
        ("look-closer", look(Some(FAR), Guidance::Closer)),
        ("look-centre", look(Some(ASIDE), Guidance::Centre)),
        ("look-turn", look(Some(NEAR), Guidance::FaceCamera)),
        ("look-still", look(Some(NEAR), Guidance::HoldStill)),
        ("look-dark", look(Some(NEAR), Guidance::MoreLight)),
        ("look-bright", look(Some(NEAR), Guidance::LessLight)),
        ("look-uncover", look(Some(NEAR), Guidance::Uncover)),
        ("look-one", look(Some(NEAR), Guidance::OneAtATime)),
        ("test-card", Screen::TestCard),
        ("welcome", welcome("José Ñuñez")),
        ("welcome-no-name", welcome("")),
        ("denied-unknown", denied(VisitorReason::NotRecognised)),
        ("denied-not-allowed", denied(VisitorReason::NotAllowed)),
        ("denied-wait", denied(VisitorReason::Wait)),
        ("denied-second", denied(VisitorReason::SecondPerson)),
        ("denied-pin", denied(VisitorReason::Pin)),
        ("denied-closed", denied(VisitorReason::Closed)),
        ("enrol-start", enrol(0, Guidance::LookHere)),
        ("enrol", enrol(2, Guidance::FaceCamera)),
        ("enrol-done", enrol(5, Guidance::HoldStill)),
        ("alarm-forced", Screen::Alarm(AlarmKind::Forced)),
        ("alarm-held", Screen::Alarm(AlarmKind::Held)),
        ("alarm-tamper", Screen::Alarm(AlarmKind::Tamper)),
        ("alarm-fire", Screen::Alarm(AlarmKind::Fire)),
        ("kiosk", kiosk(None)),
        ("kiosk-in", kiosk(Some(PunchKind::CheckIn))),
        ("kiosk-break", kiosk(Some(PunchKind::BreakOut))),
        ("kiosk-no-clock", Screen::Kiosk { time: None, kind: None, keys: [None; 6] }),
        ("punched", punched("José Ñuñez", PunchKind::CheckIn, false)),
        ("punched-again", punched("José Ñuñez", PunchKind::OvertimeOut, true)),
        ("keypad-id", Screen::Keypad { pin: false, entered: 3, left_s: 12 }),
        ("keypad-pin", Screen::Keypad { pin: true, entered: 4, left_s: 9 }),
        ("keypad-pin-empty", Screen::Keypad { pin: true, entered: 0, left_s: 15 }),
        ("second-person", Screen::SecondPerson { left_s: 15 }),
        ("second-person-last", Screen::SecondPerson { left_s: 1 }),
        ("setup", Screen::Setup { code: clipped("4711 0815") }),
        ("fault", Screen::Fault { what: clipped("No camera at /dev/video0. Check its cable.") }),
    ]
}

const NAMES: [&str; 18] = [
    "José Ñuñez",
    "Zoë Åström",
    "Łukasz Żółć",
    "Ελένη Παπαδοπούλου",
    "Дмитрий Щербаков",
    "李小龍",
    "山田太郎",
    "김민수",
    "محمد عبد الله",
    "אברהם",
    "ไทย",
    "Nguyễn Thị Ánh",
    "राम Meier",
    "Anna 😀",
    "😀",
    "Bo",
    "Maximiliane von Hohenzollern-Sigmaringen",
    "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenhaftschaferswessenschafewarenwohlgepflege",
];

fn picture(screen: &Screen, (width, height): (u32, u32), options: &RenderOptions) -> Framebuffer {
    let mut picture = Framebuffer::new(width, height);
    Renderer::new(options.clone()).render(screen, &mut picture).expect("memory takes every pixel");
    picture
}

/// Pictures side by side, as one.
fn sheet(pictures: &[Framebuffer], columns: usize) -> Framebuffer {
    const GAP: u32 = 8;
    let (w, h) = (pictures[0].width(), pictures[0].height());
    let rows = pictures.len().div_ceil(columns);
    let mut sheet = Framebuffer::new((w + GAP) * columns as u32 + GAP, (h + GAP) * rows as u32 + GAP);
    sheet.clear(Rgb888::new(0x55, 0x55, 0x55)).expect("memory");
    for (i, picture) in pictures.iter().enumerate() {
        let corner = Point::new(
            (GAP + (w + GAP) * (i % columns) as u32) as i32,
            (GAP + (h + GAP) * (i / columns) as u32) as i32,
        );
        let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
        sheet
            .draw_iter(pixels.map(|(x, y)| {
                Pixel(corner + Point::new(x as i32, y as i32), picture.pixel(x, y).expect("inside"))
            }))
            .expect("memory");
    }
    sheet
}

/// What differs from the golden, in words; nothing when it is the same.
fn difference(name: &str, picture: &Framebuffer) -> Option<String> {
    differs_from(&format!("tests/golden/display/{name}.png"), picture)
}

fn differs_from(path: &str, picture: &Framebuffer) -> Option<String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let difference = compared(&golden, picture)?;
    if std::env::var_os("OSTIARY_BLESS").is_some() {
        bless(picture, &golden);
        return None;
    }
    Some(format!("{path}: {difference}"))
}

fn compared(golden: &Path, picture: &Framebuffer) -> Option<String> {
    let Ok(wanted) = image::open(golden) else {
        return Some("no golden; bless and look at it".to_owned());
    };
    let wanted = wanted.to_rgb8();
    if wanted.dimensions() != (picture.width(), picture.height()) {
        return Some("another size".to_owned());
    }
    let off = wanted.as_raw().iter().zip(picture.rgb()).filter(|(a, b)| a.abs_diff(**b) > 2).count();
    (off > 0).then(|| {
        let seen = std::env::temp_dir().join(golden.file_name().unwrap_or_default());
        let _ = write_png(picture, &seen);
        format!("{off} values differ; the picture is {}", seen.display())
    })
}

/// Written as small as it goes: there are hundreds.
fn bless(picture: &Framebuffer, golden: &Path) {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::Adaptive);
    let (w, h) = (picture.width(), picture.height());
    image::ImageEncoder::write_image(encoder, picture.rgb(), w, h, image::ExtendedColorType::Rgb8)
        .expect("memory takes it");
    std::fs::write(golden, bytes).expect("the golden folder is writable");
}

/// Screens in the housing of a door terminal: the picture of README.md.
fn terminals(pictures: &[Framebuffer], columns: usize) -> Framebuffer {
    const BORDER: f32 = 16.0;
    const BROW: f32 = 44.0;
    const PITCH: f32 = 26.0;
    let (w, h) = (pictures[0].width() as f32, pictures[0].height() as f32);
    let (wide, high) = (w + 2.0 * BORDER, h + BORDER + BROW);
    let rows = pictures.len().div_ceil(columns);
    let width = ((wide + PITCH) * columns as f32 + PITCH) as u32;
    let height = ((high + PITCH) * rows as f32 + PITCH) as u32;
    let (wall, housing, rim) = ([0xE9u8, 0xED, 0xF1], [0x16, 0x18, 0x1C], [0x3C, 0x42, 0x4A]);
    let mix = |over: [u8; 3], under: [u8; 3], distance: f32| {
        let share = (0.5 - distance).clamp(0.0, 1.0);
        std::array::from_fn(|i| {
            (f32::from(under[i]) + (f32::from(over[i]) - f32::from(under[i])) * share) as u8
        })
    };
    let rounded = |x: f32, y: f32, w: f32, h: f32, radius: f32| {
        let (dx, dy) = ((x - w / 2.0).abs() - w / 2.0 + radius, (y - h / 2.0).abs() - h / 2.0 + radius);
        dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
    };
    let mut sheet = Framebuffer::new(width, height);
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = places.map(|(px, py)| {
        let (x, y) = (px as f32 + 0.5 - PITCH, py as f32 + 0.5 - PITCH);
        let (column, row) = ((x / (wide + PITCH)).floor().max(0.0), (y / (high + PITCH)).floor().max(0.0));
        let (x, y) = (x - column * (wide + PITCH), y - row * (high + PITCH));
        let shadow = rounded(x, y - 3.0, wide, high, 24.0).max(0.0);
        let dark = (1.0 - shadow / 9.0).clamp(0.0, 1.0).powi(2) * 0.28;
        let mut colour = wall.map(|v| (f32::from(v) * (1.0 - dark)) as u8);
        let body = rounded(x, y, wide, high, 24.0);
        colour = mix(rim, colour, body);
        colour = mix(housing, colour, body + 2.0);
        // The camera's eye above the panel, and its light.
        let eye = (x - wide / 2.0).hypot(y - BROW / 2.0);
        colour = mix([0x05, 0x06, 0x08], colour, eye - 9.0);
        colour = mix([0x27, 0x36, 0x4B], colour, eye - 5.0);
        colour = mix([0x8A, 0xA4, 0xC4], colour, (x - wide / 2.0 + 2.0).hypot(y - BROW / 2.0 + 2.0) - 1.5);
        let index = row as usize * columns + column as usize;
        let (sx, sy) = (x - BORDER, y - BROW);
        if let Some(screen) = pictures.get(index)
            && (0.0..w).contains(&sx)
            && (0.0..h).contains(&sy)
            && let Some(pixel) = screen.pixel(sx as u32, sy as u32)
        {
            colour = mix([pixel.r(), pixel.g(), pixel.b()], colour, rounded(sx, sy, w, h, 6.0));
        }
        Pixel(Point::new(px as i32, py as i32), Rgb888::new(colour[0], colour[1], colour[2]))
    });
    sheet.draw_iter(pixels).expect("memory");
    sheet
}

#[test]
fn the_picture_of_the_readme_is_what_the_display_shows() {
    let enrol = Screen::Enrol { taken: 2, wanted: 5, guidance: Guidance::FaceCamera };
    let shown = [
        Screen::Idle { time: Some(MORNING), link_up: Some(true), queued: 0 },
        look(Some(FAR), Guidance::Closer),
        look(Some(NEAR), Guidance::HoldStill),
        welcome("Zoë Åström"),
        Screen::Denied { reason: VisitorReason::NotRecognised },
        welcome("李小龍"),
        enrol,
        Screen::Alarm(AlarmKind::Held),
    ];
    let pictures = shown.map(|screen| picture(&screen, (240, 320), &RenderOptions::default()));
    assert_eq!(differs_from("docs/display.png", &terminals(&pictures, 4)), None);
}

#[test]
fn every_screen_looks_as_blessed_at_every_size() {
    let options = RenderOptions::default();
    let mut differences = Vec::new();
    for (name, screen) in screens() {
        for size in SIZES {
            let picture = picture(&screen, size, &options);
            differences.extend(difference(&format!("{name}-{}x{}", size.0, size.1), &picture));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn names_of_all_scripts_look_as_blessed() {
    let options = RenderOptions::default();
    let mut differences = Vec::new();
    for (size, columns) in [((240, 240), 4), ((320, 480), 3), ((128, 64), 6)] {
        let names =
            if size == (320, 480) { &NAMES[7..13] } else { &NAMES[..if size.0 == 240 { 16 } else { 18 }] };
        let pictures: Vec<_> = names.iter().map(|name| picture(&welcome(name), size, &options)).collect();
        differences.extend(difference(&format!("names-{}x{}", size.0, size.1), &sheet(&pictures, columns)));
    }
    let long: Vec<_> = NAMES[16..].iter().map(|name| picture(&welcome(name), (240, 320), &options)).collect();
    differences.extend(difference("names-long-240x320", &sheet(&long, 2)));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_language_has_its_sheet() {
    let mut differences = Vec::new();
    for language in Language::ALL {
        let options = RenderOptions { language, ..RenderOptions::default() };
        for (size, columns) in [((240, 240), 8), ((240, 320), 8), ((320, 480), 8), ((128, 64), 8)] {
            // The test card says nothing in any language.
            let spoken = screens().into_iter().filter(|(_, screen)| *screen != Screen::TestCard);
            let pictures: Vec<_> = spoken.map(|(_, screen)| picture(&screen, size, &options)).collect();
            let sheet = sheet(&pictures, columns);
            let name = format!("words-{}-{}x{}", language.code(), size.0, size.1);
            // Every screen of every language on the small panel, where room is least; on the others of those that run
            // from the right or have no spaces. English stands screen by screen beside these.
            if size.0 == 128 || matches!(language, Language::Arabic | Language::Chinese) {
                differences.extend(difference(&name, &sheet));
            } else if let Some(folder) = std::env::var_os("OSTIARY_SHEETS") {
                let path = Path::new(&folder).join(format!("{name}.png"));
                write_png(&sheet, &path).expect("the folder named by OSTIARY_SHEETS is writable");
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn no_phrase_is_ever_cut() {
    let mut cut = Vec::new();
    for language in Language::ALL {
        let mut renderer = Renderer::new(RenderOptions { language, ..RenderOptions::default() });
        for (name, screen) in screens() {
            for (width, height) in SIZES {
                let mut picture = Framebuffer::new(width, height);
                renderer.render(&screen, &mut picture).expect("memory takes every pixel");
                if renderer.shortened() {
                    cut.push(format!("{name} in {} at {width}x{height}", language.code()));
                }
            }
        }
    }
    assert!(cut.is_empty(), "{}", cut.join("\n"));
    let mut renderer = Renderer::new(RenderOptions::default());
    renderer.render(&welcome(&"Maximilian".repeat(12)), &mut Framebuffer::new(240, 240)).expect("painted");
    assert!(renderer.shortened(), "what is cut is told");
}

#[test]
fn only_a_welcome_shows_a_name() {
    let options = RenderOptions::default();
    assert_ne!(
        picture(&welcome("Anna"), (240, 320), &options),
        picture(&welcome("Berta"), (240, 320), &options),
        "a welcome names the visitor"
    );
    // No other screen can carry one; and its Debug, which a log may print, carries none either.
    assert_eq!(format!("{:?}", welcome("Anna")), "Welcome(<redacted>)");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut display = PngDisplay::open(PngOptions::new(folder.path())).expect("the folder is writable");
    display.show(&welcome("Anna")).expect("shown");
    assert!(!format!("{display:?}").contains("Anna"));
    assert!(!format!("{:?}", display.picture()).contains("Anna"));
}

#[test]
fn the_png_display_writes_once_and_keeps_what_it_may() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut display =
        PngDisplay::open(PngOptions { keep: 2, ..PngOptions::new(folder.path().join("screens")) })
            .expect("writable");
    let idle = |ms| Screen::Idle { time: Some(Utc(MORNING.0 + ms)), link_up: None, queued: 0 };
    display.show(&idle(0)).expect("shown");
    display.show(&idle(0)).expect("shown");
    display.show(&idle(59_999)).expect("the same minute");
    assert_eq!(display.written(), 1);
    display.show(&idle(60_000)).expect("the next minute");
    for _ in 0..3 {
        display.show(&welcome("Anna")).expect("shown");
        display.show(&idle(0)).expect("shown");
    }
    assert_eq!(display.written(), 8);
    let mut files: Vec<_> = std::fs::read_dir(folder.path().join("screens"))
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("ASCII"))
        .collect();
    files.sort();
    assert_eq!(files, ["latest.png", "screen-00007.png", "screen-00008.png"]);
    let latest = image::open(folder.path().join("screens/latest.png")).expect("a whole PNG").to_rgb8();
    assert_eq!(latest.as_raw().as_slice(), display.picture().rgb());
}

#[test]
fn a_display_that_cannot_write_says_where_and_recovers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("screens");
    let mut display = PngDisplay::open(PngOptions::new(&path)).expect("writable");
    std::fs::remove_dir_all(&path).expect("removed");
    let error = display.show(&welcome("Anna")).expect_err("the folder is gone");
    assert!(error.to_string().contains("latest.png") && !error.to_string().contains("Anna"), "{error}");
    std::fs::create_dir(&path).expect("made again");
    display.show(&welcome("Anna")).expect("the same screen is written now");
    assert!(path.join("latest.png").exists());
}

/// A panel of another pixel format, which forgets what it is shown.
struct Panel<C> {
    size: Size,
    seen: std::collections::BTreeSet<(i32, i32)>,
    colour: std::marker::PhantomData<C>,
}

impl<C> Panel<C> {
    fn new(width: u32, height: u32) -> Self {
        Self {
            size: Size::new(width, height),
            seen: std::collections::BTreeSet::new(),
            colour: std::marker::PhantomData,
        }
    }
}

impl<C> OriginDimensions for Panel<C> {
    fn size(&self) -> Size {
        self.size
    }
}

impl<C: PixelColor> DrawTarget for Panel<C> {
    type Color = C;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<C>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        self.seen.extend(pixels.into_iter().map(|Pixel(at, _)| (at.x, at.y)));
        Ok(())
    }

    fn fill_solid(
        &mut self,
        area: &embedded_graphics::primitives::Rectangle,
        _: C,
    ) -> Result<(), Self::Error> {
        self.seen.insert((area.top_left.x, area.top_left.y));
        Ok(())
    }
}

#[test]
fn other_pixel_formats_are_painted_too() {
    let mut renderer = Renderer::new(RenderOptions::default());
    for (_, screen) in screens() {
        let mut colour = Panel::<Rgb565>::new(240, 320);
        renderer.render(&screen, &mut colour).expect("painted");
        let mut mono = Panel::<embedded_graphics::pixelcolor::BinaryColor>::new(128, 64);
        renderer.render(&screen, &mut mono).expect("painted");
        assert!(colour.seen.len() > 500 && mono.seen.len() > 100, "{screen:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_text_on_any_size_is_painted(
        name in prop_oneof![".{0,128}", "\\PC{0,64}", "[\u{600}-\u{6ff}\u{200d}\u{202e} ]{0,64}", "[\u{e00}-\u{e7f}]{0,42}", "W{0,128}"],
        (width, height) in (1u32..400, 1u32..400),
        fault in any::<bool>(),
    ) {
        let screen = if fault { Screen::Fault { what: clipped(&name) } } else { welcome(&name) };
        let painted = picture(&screen, (width, height), &RenderOptions::default());
        prop_assert_eq!(painted.rgb().len(), (width * height * 3) as usize);
    }

    #[test]
    fn any_face_and_any_count_is_painted(
        (x, y, w, h) in (any::<f32>(), any::<f32>(), any::<f32>(), any::<f32>()),
        (taken, wanted) in (any::<u8>(), any::<u8>()),
        time in any::<i64>(),
        queued in any::<u32>(),
        (width, height) in prop_oneof![Just((240, 320)), Just((128, 64)), (1u32..300, 1u32..300)],
    ) {
        let options = RenderOptions { twelve_hours: true, ..RenderOptions::default() };
        for screen in [
            look(Some(Rect { x, y, w, h }), Guidance::Centre),
            Screen::Enrol { taken, wanted, guidance: Guidance::Closer },
            Screen::Idle { time: Some(Utc(time)), link_up: Some(false), queued },
        ] {
            picture(&screen, (width, height), &options);
        }
    }
}
