//! The board's hardware, from the names in its file: camera, wires, display, lamps.
//!
//! Owns: which adapter stands behind which kind, and asking the machine what of it is to be had. Does not own: the
//! adapters' work. Invariant: with `wiring` itself the only place that builds them.

use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::device::camera_v4l::{Controls, V4lCamera, V4lConfig};
use crate::device::clock_os::OsClock;
use crate::device::clock_sim::SimClock;
use crate::device::display::panel::{self, Controller, KernelPanel, PanelDisplay, SpiSetup, SpiWires};
use crate::device::display::{PngDisplay, PngOptions, RenderOptions};
use crate::device::door_gpio::{
    self, Bias, GpioConfig, GpioDoor, GpioError, InputLine, OutputLine, PatientDoor,
};
use crate::device::no_panel::NoPanel;
use crate::device::replay::{self, Pace, ReplayOptions};
use crate::device::signals::{Lamps, Signals};
use crate::device::sim::SimDoor;
use crate::device::walkup::{Arrivals, Show, Visitor, WalkupCamera};
use crate::domain::Millis;
use crate::ports::{Camera, Clock, Display, Door};

use super::super::config::{
    self, Board, RawBias, RawCamera, RawDisplay, RawDoor, RawInput, RawOutput, RawPace, RawSpiPanel,
};
use super::{WiringError, clock};

/// Numbered pictures that a simulated display keeps beside the latest.
const PICTURES: u32 = 200;

/// A camera, and the clock that its frames follow where that is not the board's.
pub struct Eyes {
    /// The camera.
    pub camera: Box<dyn Camera>,
    /// Set for a recording played as fast as possible: time then is the recording's.
    pub virtual_clock: Option<Arc<SimClock>>,
}

/// The board's camera and what it is told, if it is one that can be told anything.
#[must_use]
pub fn controls(board: &Board) -> Option<(&Path, Controls)> {
    match &board.0.camera {
        RawCamera::V4l { device, exposure_us, gain, power_line_hz, .. } => {
            let wish = Controls { exposure_us: *exposure_us, gain: *gain, power_line_hz: *power_line_hz };
            Some((device, wish))
        }
        RawCamera::Replay { .. } | RawCamera::Visitors { .. } => None,
    }
}

/// The camera of the board.
///
/// # Errors
/// When a recording cannot be read. A camera that is not there is no error: it is waited for.
pub fn camera(board: &Board, clock: &Arc<OsClock>) -> Result<Eyes, WiringError> {
    match &board.0.camera {
        RawCamera::V4l { device, width, height, fps, .. } => {
            let program = std::env::current_exe()
                .map_err(|e| WiringError::Device(format!("this program's own file cannot be found: {e}")))?;
            let (device, controls) =
                (device.clone(), controls(board).map_or_else(Controls::default, |(_, c)| c));
            let wanted = V4lConfig { device, width: *width, height: *height, fps: *fps, controls, program };
            let camera: Box<dyn Camera> = Box::new(V4lCamera::new(wanted, Arc::clone(clock)));
            Ok(Eyes { camera, virtual_clock: None })
        }
        RawCamera::Replay { path, pace, repeat, fps } => {
            let options = ReplayOptions { fps: *fps, repeat: *repeat };
            let (pace, virtual_clock) = match pace {
                RawPace::Recorded => (Pace::Recorded(Arc::clone(clock) as Arc<dyn Clock>), None),
                RawPace::Fast => {
                    let sim = Arc::new(SimClock::new(clock.now()));
                    (Pace::Fast(Arc::clone(&sim)), Some(sim))
                }
            };
            let camera = replay::open(path, pace, options).map_err(|e| WiringError::Device(e.to_string()))?;
            Ok(Eyes { camera, virtual_clock })
        }
        RawCamera::Visitors { seed, people } => {
            let show = Show::Endless { seed: *seed, people: u64::from(*people) };
            let clock = Arc::clone(clock) as Arc<dyn Clock>;
            let camera = Box::new(WalkupCamera::new(show, clock, Arrivals::default()));
            Ok(Eyes { camera, virtual_clock: None })
        }
    }
}

/// A camera before which the visitors walk up.
#[must_use]
pub fn walkup(visitors: Vec<Visitor>, clock: &Arc<OsClock>, arrivals: Arrivals) -> Box<dyn Camera> {
    Box::new(WalkupCamera::new(Show::Once(visitors), Arc::clone(clock) as Arc<dyn Clock>, arrivals))
}

/// The wires of the board. Wires that cannot be had are no error: the door stays locked and they are tried again.
#[must_use]
pub fn waiting_door(board: &Board, clock: &Arc<dyn Clock>) -> Box<dyn Door> {
    match wires(board) {
        Wires::Simulated { visitors } => Box::new(SimDoor::new(Arc::clone(clock), visitors)),
        Wires::Gpio(config) => Box::new(PatientDoor::new(config, Arc::clone(clock))),
    }
}

/// Drives the relay to its released level and ends; waits that long for a chip that is not there yet. `false` where
/// the board has no wires.
///
/// # Errors
/// When the line cannot be had; says which and what to do.
pub fn release_relay(board: &Board, patience: Millis) -> Result<bool, WiringError> {
    let Wires::Gpio(config) = wires(board) else { return Ok(false) };
    let clock = clock();
    let end = clock.now().mono.after(patience);
    loop {
        match GpioDoor::release(&config) {
            Ok(()) => return Ok(true),
            Err(GpioError::NoChip(_) | GpioError::Permission(_)) if clock.now().mono < end => {
                crate::device::clock_os::pause(Millis(100));
            }
            Err(error) => return Err(WiringError::Device(error.to_string())),
        }
    }
}

/// The wires of the board, as they are now.
///
/// # Errors
/// When a line cannot be had; says which and what to do.
pub fn door(board: &Board, clock: &Arc<dyn Clock>) -> Result<Box<dyn Door>, WiringError> {
    Ok(match wires(board) {
        Wires::Simulated { visitors } => Box::new(SimDoor::new(Arc::clone(clock), visitors)),
        Wires::Gpio(config) => Box::new(
            GpioDoor::open(&config, Arc::clone(clock)).map_err(|e| WiringError::Device(e.to_string()))?,
        ),
    })
}

enum Wires {
    Simulated { visitors: bool },
    Gpio(GpioConfig),
}

/// Which line is what.
fn wires(board: &Board) -> Wires {
    match &board.0.door {
        RawDoor::Sim { contact } => Wires::Simulated { visitors: *contact },
        RawDoor::Gpio { chip, relay, contact, rex, tamper, fire } => Wires::Gpio(GpioConfig {
            chip: chip.clone(),
            relay: OutputLine { line: relay.line, active_low: relay.active_low },
            max_on: relay.max_on_s.map(|s| Millis::secs(s.into())),
            contact: contact.as_ref().map(input),
            rex: rex.as_ref().map(input),
            tamper: tamper.as_ref().map(input),
            fire: fire.as_ref().map(input),
        }),
    }
}

/// The display of the board, with its lamps. A panel or a lamp that is not there is no error: it is tried again.
///
/// # Errors
/// When the folder for a display's pictures cannot be made.
pub fn display(board: &Board) -> Result<Box<dyn Display>, WiringError> {
    let panel = panel(board)?;
    let Some(raw) = &board.0.signals else { return Ok(panel) };
    let lamp = |name, wire: &Option<RawOutput>| {
        let wire = wire.as_ref()?;
        let line = OutputLine { line: wire.line, active_low: wire.active_low };
        let found = door_gpio::output(&raw.chip, name, line);
        found.map_err(|error| tracing::error!(%error, "the door works without it")).ok()
    };
    let lamps = Lamps {
        granted: lamp("signals.granted", &raw.granted),
        refused: lamp("signals.refused", &raw.refused),
        buzzer: lamp("signals.buzzer", &raw.buzzer),
    };
    Ok(Box::new(Signals::new(panel, lamps).map_err(|e| WiringError::Device(e.to_string()))?))
}

fn panel(board: &Board) -> Result<Box<dyn Display>, WiringError> {
    let render = RenderOptions { time_zone: TimeZone::system(), ..RenderOptions::default() };
    let open: panel::Open = match &board.0.display {
        RawDisplay::None => return Ok(Box::new(NoPanel)),
        RawDisplay::Png { folder, width, height } => {
            let options = PngOptions {
                width: *width,
                height: *height,
                keep: PICTURES,
                render,
                ..PngOptions::new(folder)
            };
            let panel = PngDisplay::open(options);
            return Ok(Box::new(panel.map_err(|e| WiringError::Device(e.to_string()))?));
        }
        RawDisplay::Framebuffer { device } => {
            let device = device.clone();
            Box::new(move || Ok(Box::new(KernelPanel::open(&device)?)))
        }
        RawDisplay::St7789(raw) => spi(raw, Controller::St7789),
        RawDisplay::Ili9341(raw) => spi(raw, Controller::Ili9341),
        RawDisplay::Ssd1306 { bus, address, turned } => {
            let (bus, address, turned) = (bus.clone(), *address, *turned);
            Box::new(move || panel::oled(&bus, address, turned))
        }
    };
    Ok(Box::new(PanelDisplay::new(open, render)))
}

fn spi(raw: &RawSpiPanel, controller: Controller) -> panel::Open {
    let setup = SpiSetup {
        controller,
        width: raw.width as u16,
        height: raw.height as u16,
        rotate: raw.rotate,
        invert: raw.invert,
        bgr: raw.bgr,
        offset: (raw.offset[0], raw.offset[1]),
    };
    let backlight = raw.backlight.as_ref();
    let wires = SpiWires {
        bus: raw.bus.clone(),
        hz: raw.mhz * 1_000_000,
        chip: raw.chip.clone(),
        dc: raw.dc,
        reset: raw.reset,
        backlight: backlight.map(|b| OutputLine { line: b.line, active_low: b.active_low }),
    };
    Box::new(move || panel::spi_panel(&wires, setup))
}

/// What of the board is not to be had on this machine: one line each, with what to do. Nothing is moved or lit.
#[must_use]
pub fn here(board: &Board) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut chips: Vec<&Path> = Vec::new();
    let lines = config::lines(&board.0);
    for line in &lines {
        if chips.contains(&line.chip) {
            continue;
        }
        chips.push(line.chip);
        let on_chip = lines.iter().filter(|l| l.chip == line.chip).map(|l| (l.name, l.line));
        wrong.extend(door_gpio::free(line.chip, on_chip).into_iter().map(|e| e.to_string()));
    }
    let device = match &board.0.display {
        RawDisplay::None | RawDisplay::Png { .. } => None,
        RawDisplay::Framebuffer { device } => Some((device, "video")),
        RawDisplay::St7789(raw) | RawDisplay::Ili9341(raw) => Some((&raw.bus, "spi")),
        RawDisplay::Ssd1306 { bus, .. } => Some((bus, "i2c")),
    };
    let camera = match &board.0.camera {
        RawCamera::V4l { device, .. } => Some((device, "video")),
        RawCamera::Replay { .. } | RawCamera::Visitors { .. } => None,
    };
    for (path, group) in [camera, device].into_iter().flatten() {
        wrong.extend(panel::reachable(path, group).err().map(|e| e.0.to_string()));
    }
    wrong
}

fn input(raw: &RawInput) -> InputLine {
    let bias = match raw.bias {
        RawBias::AsIs => Bias::AsIs,
        RawBias::PullUp => Bias::PullUp,
        RawBias::PullDown => Bias::PullDown,
        RawBias::Disabled => Bias::Disabled,
    };
    InputLine { line: raw.line, active_low: raw.active_low, bias }
}
