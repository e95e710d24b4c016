//! Every panel against the goldens of `tests/golden/display`, through a bus that decodes the panel's own commands.
//!
//! Owns: what each panel must show. Does not own: the fake panels (`glass`), the goldens (`tests/display.rs` blesses them).

mod glass;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use embedded_graphics::pixelcolor::raw::RawU16;
use embedded_hal::delay::DelayNs;
use ostiary_domain::screen::AlarmKind;
use ostiary_domain::{Utc, clipped};

use super::*;
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::prelude::RgbColor;
use glass::{ACROSS, DOWN, Dc, Glass, Oled306, Rst, Shared};

/// 2026-11-21T09:41:00Z, as in the goldens.
const MORNING: Utc = Utc(1_795_254_060_000);

fn idle(minutes: i64) -> Screen {
    Screen::Idle { time: Some(Utc(MORNING.0 + minutes * 60_000)), link_up: Some(true), queued: 0 }
}

fn screens() -> [(&'static str, Screen); 4] {
    [
        ("idle", idle(0)),
        ("test-card", Screen::TestCard),
        ("welcome", Screen::Welcome { name: clipped("José Ñuñez") }),
        ("alarm-forced", Screen::Alarm(AlarmKind::Forced)),
    ]
}

fn golden(name: &str, width: u32, height: u32) -> image::RgbImage {
    let path = format!("../../tests/golden/display/{name}-{width}x{height}.png");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).to_rgb8()
}

struct NoTime;

impl DelayNs for NoTime {
    fn delay_ns(&mut self, _ns: u32) {}
}

fn setup(controller: Controller, width: u16, height: u16, rotate: u16) -> SpiSetup {
    let bgr = controller == Controller::Ili9341;
    SpiSetup { controller, width, height, rotate, invert: !bgr, bgr, offset: (0, 0) }
}

fn display(glass: &Shared, setup: SpiSetup, light: &Arc<Mutex<Vec<bool>>>) -> PanelDisplay {
    let (glass, light) = (glass.clone(), Arc::clone(light));
    let open: Open = Box::new(move || {
        let bus = Bus::new(glass.clone(), Dc(glass.clone()));
        let light = Arc::clone(&light);
        let switch = move |on| light.lock().unwrap().push(on);
        Ok(Box::new(SpiPanel::open(setup, bus, Some(Rst(glass.clone())), switch, &mut NoTime)?))
    });
    PanelDisplay::new(open, RenderOptions::default())
}

/// Each channel within one step of the panel's.
fn same(shown: Rgb565, wanted: image::Rgb<u8>) -> bool {
    let wanted = Rgb565::from(Rgb888::new(wanted.0[0], wanted.0[1], wanted.0[2]));
    let off = |a: u8, b: u8| a.abs_diff(b) > 1;
    !(off(shown.r(), wanted.r()) || off(shown.g(), wanted.g()) || off(shown.b(), wanted.b()))
}

/// Where a pixel of a picture, turned clockwise, lies on the glass.
fn turned((x, y): (u32, u32), rotate: u16) -> (u32, u32) {
    let (right, bottom) = (u32::from(ACROSS) - 1, u32::from(DOWN) - 1);
    match rotate {
        0 => (x, y),
        90 => (right - y, x),
        180 => (right - x, bottom - y),
        270 => (y, bottom - x),
        other => panic!("{other}"),
    }
}

#[test]
fn both_colour_panels_show_the_goldens_whichever_way_they_are_built_in() {
    for controller in [Controller::St7789, Controller::Ili9341] {
        for (width, height, rotate) in [(240, 320, 0), (320, 240, 90), (240, 320, 180), (320, 240, 270)] {
            let (glass, light) = (Glass::fresh(), Arc::new(Mutex::new(Vec::new())));
            let mut display = display(&glass, setup(controller, width, height, rotate), &light);
            for (name, screen) in screens() {
                display.show(&screen).unwrap();
                let wanted = golden(name, width.into(), height.into());
                let glass = glass.lock();
                let off = wanted.enumerate_pixels().filter(|(x, y, colour)| {
                    let (x, y) = turned((*x, *y), rotate);
                    !same(glass.at(x, y), **colour)
                });
                assert_eq!(off.count(), 0, "{name} on {controller:?} turned by {rotate}");
                assert!(glass.lit && glass.awake);
                assert!(glass.largest <= 4_096, "spidev takes no more: {}", glass.largest);
                assert_eq!(glass.inverted, controller == Controller::St7789);
                assert_eq!(
                    glass.address_mode & 0x08 != 0,
                    controller == Controller::Ili9341,
                    "order of colours"
                );
            }
            assert_eq!(*light.lock().unwrap(), [true], "lit with the first picture, once");
        }
    }
}

#[test]
fn only_what_changed_is_sent() {
    let (glass, light) = (Glass::fresh(), Arc::new(Mutex::new(Vec::new())));
    let mut display = display(&glass, setup(Controller::St7789, 240, 320, 0), &light);
    display.show(&idle(0)).unwrap();
    let whole = std::mem::take(&mut glass.lock().bytes);
    assert!(whole >= 240 * 320 * 2);
    display.show(&idle(0)).unwrap();
    assert_eq!(glass.lock().bytes, 0, "the same screen is not painted");
    display.show(&idle(1)).unwrap();
    let minute = std::mem::take(&mut glass.lock().bytes);
    assert!(minute > 0 && minute < whole / 8, "a minute costs {minute} of {whole} bytes");
    let shown = display.picture().expect("it was sent").clone();
    let glass = glass.lock();
    for (x, y) in (0..320).flat_map(|y| (0..240).map(move |x| (x, y))) {
        assert_eq!(glass.at(x, y), Rgb565::from(shown.pixel(x, y).unwrap()));
    }
}

#[test]
fn a_panel_that_failed_is_set_up_anew_and_gets_the_whole_picture() {
    let (glass, light) = (Glass::fresh(), Arc::new(Mutex::new(Vec::new())));
    let mut display = display(&glass, setup(Controller::Ili9341, 240, 320, 0), &light);
    glass.lock().broken = true;
    assert!(display.show(&idle(0)).unwrap_err().to_string().contains("SPI bus"));
    glass.lock().broken = false;
    display.show(&idle(0)).unwrap();
    let set_up = glass.lock().resets;
    glass.lock().broken = true;
    assert!(display.show(&idle(1)).is_err());
    glass.lock().broken = false;
    // Its memory was lost with its power.
    glass.lock().memory.fill(0x5555);
    display.show(&screens()[2].1).unwrap();
    assert_eq!(glass.lock().resets, set_up + 1);
    let wanted = golden("welcome", 240, 320);
    let glass = glass.lock();
    assert!(wanted.enumerate_pixels().all(|(x, y, colour)| same(glass.at(x, y), *colour)));
}

#[test]
fn the_small_panel_shows_the_goldens_in_black_and_white() {
    let glass = Oled306::default();
    glass.0.lock().unwrap().memory = vec![0xAA; 128 * 8];
    let bus = glass.clone();
    let open: Open = Box::new(move || Ok(Box::new(Oled::open(bus.clone(), ADDRESS, false)?)));
    let mut display = PanelDisplay::new(open, RenderOptions::default());
    for (name, screen) in screens() {
        display.show(&screen).unwrap();
        let state = glass.0.lock().unwrap();
        assert!(state.lit && state.pump && state.segments_from_right && state.rows_from_bottom);
        assert!(!state.lit_before_data, "nobody sees noise");
        let wanted = golden(name, 128, 64);
        let lit = |x: u32, y: u32| state.memory[(y / 8 * 128 + x) as usize] >> (y % 8) & 1 == 1;
        let off = wanted.enumerate_pixels().filter(|(x, y, colour)| lit(*x, *y) != (colour.0[1] >= 128));
        // The golden has shades at the edges, which are cut at half.
        let off = off.count();
        assert!(off <= 128 * 64 / 200, "{name}: {off} pixels");
        let shown = display.picture().expect("it was sent");
        for (x, y) in (0..64).flat_map(|y| (0..128).map(move |x| (x, y))) {
            assert_eq!(lit(x, y), shown.pixel(x, y) == Some(Rgb888::WHITE));
        }
    }
    let before = std::mem::take(&mut glass.0.lock().unwrap().messages);
    display.show(&idle(0)).unwrap();
    glass.0.lock().unwrap().messages = 0;
    display.show(&idle(1)).unwrap();
    assert!(glass.0.lock().unwrap().messages < before, "a minute is a few pages");
}

#[test]
fn a_small_panel_that_does_not_answer_is_said_with_its_address() {
    let glass = Oled306::default();
    let error = Oled::open(glass, 0x3D, false).err().expect("nobody is there").to_string();
    assert!(error.contains("0x3D") && error.contains("i2cdetect"), "{error}");
}

#[test]
fn the_kernel_s_framebuffer_shows_the_goldens_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let (device, sysfs) = (folder.path().join("fb0"), folder.path().join("class"));
    fs::create_dir_all(sysfs.join("fb0")).unwrap();
    let describe = |name: &str, text: &str| fs::write(sysfs.join("fb0").join(name), text).unwrap();
    describe("modes", "U:240x320p-60\n");
    describe("virtual_size", "240,640\n");
    for (bits, bytes, stride) in [("16", 2, 512), ("32", 4, 960)] {
        fs::write(&device, []).unwrap();
        describe("bits_per_pixel", bits);
        describe("stride", &format!("{stride}\n"));
        let (d, s) = (device.clone(), sysfs.clone());
        let open: Open = Box::new(move || Ok(Box::new(KernelPanel::described(&d, &s)?)));
        let mut display = PanelDisplay::new(open, RenderOptions::default());
        for (name, screen) in screens() {
            display.show(&screen).unwrap();
            let memory = fs::read(&device).unwrap();
            assert_eq!(memory.len(), stride * 320, "one picture, not the second page");
            for (x, y, colour) in golden(name, 240, 320).enumerate_pixels() {
                let at = y as usize * stride + x as usize * bytes;
                let shown = if bytes == 2 {
                    RawU16::new(u16::from_ne_bytes([memory[at], memory[at + 1]])).into()
                } else {
                    Rgb565::from(Rgb888::new(memory[at + 2], memory[at + 1], memory[at]))
                };
                assert!(same(shown, *colour), "{name} at {x},{y} with {bits} bits");
            }
        }
    }
    describe("bits_per_pixel", "8");
    let error = KernelPanel::described(&device, &sysfs).err().unwrap().to_string();
    assert!(error.contains("8 bits a pixel"), "{error}");
    let error = KernelPanel::described(&folder.path().join("fb7"), &sysfs).err().unwrap().to_string();
    assert!(error.contains("there is no") && error.contains("overlay"), "{error}");
}

#[test]
fn buses_that_are_not_there_are_said_with_what_to_do() {
    let error = oled(Path::new("/dev/i2c-99"), ADDRESS, false).err().unwrap().to_string();
    assert!(error.contains("/dev/i2c-99") && error.contains("overlays"), "{error}");
    let wires = SpiWires {
        bus: "/dev/spidev9.9".into(),
        hz: 1_000_000,
        chip: "/dev/gpiochip0".into(),
        dc: 1,
        reset: None,
        backlight: None,
    };
    let error = spi_panel(&wires, setup(Controller::St7789, 240, 320, 0)).err().unwrap().to_string();
    assert!(error.contains("/dev/spidev9.9") && error.contains("overlays"), "{error}");
}
