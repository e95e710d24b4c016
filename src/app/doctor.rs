//! `ostiary doctor`: each part checked on the spot, one line each, with what to do.
//!
//! Owns: the list of checks and their wording. Does not own: the parts; it uses them as `run` does.
//! Invariant: a check that was not made is not reported as passed; nothing is changed but what opening a gallery
//! changes; the relay is energised only when the installer asks for its click, and released whatever happens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use crate::device::camera_v4l::{Controls, controls};
use crate::device::clock_os::pause;
use crate::device::display::write_rgb;
use crate::domain::limits::MAX_FRAME_BYTES;
use crate::domain::{ClockTrust, Millis, Screen};
use crate::ports::{CameraError, Clock, Door, Input};

use super::cli::Common;
use super::config::{Board, Config};
use super::out::Out;
use super::recognition::Recognition;
use super::{Answer, AppError, wiring};

/// How long the camera has to show a picture.
const CAMERA: Millis = Millis(5_000);
/// How long the relay, the lamps and the buzzer are on.
const CLICK: Millis = Millis(500);

#[derive(Serialize)]
struct Check {
    part: &'static str,
    ok: bool,
    says: String,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ok { "ok " } else { "BAD" };
        write!(f, "{mark} {:<9} {}", self.part, self.says)
    }
}

/// What is checked beside what always is.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// The board to check.
    #[arg(long, value_name = "FILE")]
    board: Option<PathBuf>,
    /// Energise the relay for half a second: stand at the door and listen. Unlocks the door for that time.
    #[arg(long, requires = "board")]
    click: bool,
    /// Show every change of the inputs for so many seconds (1 to 600): open the door, press the button, open the
    /// housing. Fails when nothing changed.
    #[arg(long, requires = "board", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=600))]
    watch_s: Option<u64>,
    /// Write the camera's picture there, as PNG.
    #[arg(long, requires = "board", value_name = "FILE")]
    picture: Option<PathBuf>,
}

/// Checks what can be checked; exit code 1 when something is wrong.
pub(super) fn run(common: &Common, args: &DoctorArgs, out: &mut Out) -> Result<Answer, AppError> {
    let config = Config::read_over(common.config.as_deref(), &common.data)?;
    let board = args.board.as_deref().map(Board::read).transpose()?;
    let mut all_well = true;
    let mut report = |out: &mut Out, part, result: Result<String, String>| -> Result<(), AppError> {
        let (ok, says) = match result {
            Ok(says) => (true, says),
            Err(says) => (false, says),
        };
        all_well &= ok;
        Ok(out.result(&Check { part, ok, says })?)
    };

    let clock = wiring::clock();
    report(
        out,
        "clock",
        match clock.now().trust {
            ClockTrust::Trusted => Ok("the wall clock is set".to_owned()),
            ClockTrust::Untrusted => Err(
                "the wall clock is not set: people with a validity period are kept out; set up NTP or an RTC"
                    .into(),
            ),
        },
    )?;
    report(out, "key", wiring::key_place(&common.data).map_err(|e| e.to_string()))?;
    let models = wiring::Models::find(&config).map(|m| m.beside(&common.data).serving(&common.data, &config));
    let vision = models.and_then(|m| m.open(&config).map(|_| m));
    match vision {
        Ok(models) => {
            report(out, "models", Ok(format!("set {:?}: every hash and shape is right", models.set)))?;
            report(out, "gallery", gallery(common, &config, &models))?;
        }
        Err(error) => report(out, "models", Err(error.to_string()))?,
    }
    let Some(board) = board else {
        let line = "camera, wires and display were not checked: name the board with --board FILE";
        out.line(line)?;
        return Ok(if all_well { Answer::Yes } else { Answer::No });
    };
    report(
        out,
        "camera",
        match wiring::camera(&board, &clock) {
            Ok(mut eyes) => picture(eyes.camera.as_mut(), &*clock, args.picture.as_deref()),
            Err(error) => Err(error.to_string()),
        },
    )?;
    if let Some((device, wish)) = wiring::controls(&board).filter(|(_, wish)| *wish != Controls::default()) {
        report(out, "light", controls::try_on(device, &wish))?;
    }
    let door_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    match wiring::door(&board, &door_clock) {
        Ok(mut door) => {
            report(out, "wires", wires(door.as_mut()))?;
            if args.click {
                report(out, "relay", click(door.as_mut()))?;
            }
            if let Some(seconds) = args.watch_s {
                let seen = watch(door.as_mut(), &*clock, Millis::secs(seconds), out)?;
                report(out, "inputs", seen)?;
            }
        }
        Err(error) => report(out, "wires", Err(error.to_string()))?,
    }
    report(
        out,
        "display",
        match wiring::display(&board) {
            Ok(mut display) => {
                let shown = display.show(&Screen::TestCard);
                // Lamps and buzzer go out with the display.
                pause(CLICK);
                let says = "the test card is shown: a white line on all four edges, R red, G green, B blue";
                shown.map(|()| says.to_owned()).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        },
    )?;
    Ok(if all_well { Answer::Yes } else { Answer::No })
}

/// How each input stands, in the installer's words.
fn wires(door: &mut dyn Door) -> Result<String, String> {
    door.set_relay(false).map_err(|e| e.to_string())?;
    let mut says = "the relay is released".to_owned();
    for input in [Input::Contact, Input::Rex, Input::Tamper, Input::Fire] {
        if let Some(active) = door.level(input).map_err(|e| e.to_string())? {
            says.push_str("; ");
            says.push_str(stands(input, active));
        }
    }
    Ok(says)
}

const fn stands(input: Input, active: bool) -> &'static str {
    match (input, active) {
        (Input::Contact, true) => "the door is open",
        (Input::Contact, false) => "the door is shut",
        (Input::Rex, true) => "the exit button is pressed",
        (Input::Rex, false) => "the exit button is not pressed",
        (Input::Tamper, true) => "the housing is open",
        (Input::Tamper, false) => "the housing is shut",
        (Input::Fire, true) => "the fire alarm calls",
        (Input::Fire, false) => "the fire alarm is silent",
    }
}

/// The relay on and off. Dropping the door releases it, too.
fn click(door: &mut dyn Door) -> Result<String, String> {
    let on = door.set_relay(true);
    pause(CLICK);
    door.set_relay(false).map_err(|e| format!("{e}; cut the relay's power"))?;
    on.map(|()| "it clicked twice, half a second apart; if not, see relay.line and its supply".to_owned())
        .map_err(|e| e.to_string())
}

/// Every change of the inputs, as it comes.
fn watch(
    door: &mut dyn Door,
    clock: &dyn Clock,
    span: Millis,
    out: &mut Out,
) -> Result<Result<String, String>, AppError> {
    let end = clock.now().mono.after(span);
    let mut changes = 0;
    while clock.now().mono < end {
        match door.poll_edge() {
            Ok(Some(edge)) => {
                changes += 1;
                out.line(format_args!("    {}", stands(edge.input, edge.active)))?;
            }
            Ok(None) => pause(Millis(10)),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
    Ok(if changes > 0 {
        Ok(format!("{changes} changes in {} s", span.0 / 1_000))
    } else {
        Err(format!("nothing changed in {} s; is every input's other wire on GND?", span.0 / 1_000))
    })
}

fn gallery(common: &Common, config: &Config, models: &wiring::Models) -> Result<String, String> {
    let store = wiring::store(&common.data, config).map_err(|e| e.to_string())?;
    let (model, open_set) = models.open_set(config).map_err(|e| e.to_string())?;
    let recognition = Recognition::load(&store, open_set, model).map_err(|e| e.to_string())?;
    let records = store.check().map_err(|e| e.to_string())?;
    let gallery = recognition.gallery();
    Ok(format!(
        "{} people with {} templates, all {records} sealed records open, the chain of events holds",
        gallery.people(),
        gallery.templates()
    ))
}

fn picture(
    camera: &mut dyn crate::ports::Camera,
    clock: &dyn Clock,
    file: Option<&Path>,
) -> Result<String, String> {
    let mut rgb = vec![0; MAX_FRAME_BYTES];
    let end = clock.now().mono.after(CAMERA);
    let mut last = None;
    while clock.now().mono < end {
        match camera.next(&mut rgb, Millis(500)) {
            Ok(meta) => {
                let bytes = &rgb[..meta.bytes()];
                if let Some(file) = file {
                    write_rgb(bytes, meta.width, meta.height, file).map_err(|e| e.0.to_string())?;
                }
                let mean = bytes.iter().map(|b| u64::from(*b)).sum::<u64>() / bytes.len().max(1) as u64;
                return match mean {
                    0..=8 => Err(format!("{}: the picture is black; is the lens covered?", camera.name())),
                    247.. => Err(format!("{}: the picture is white; is it overexposed?", camera.name())),
                    9..=246 => Ok(format!("{}: {}x{}", camera.name(), meta.width, meta.height)),
                };
            }
            Err(CameraError::Ended) => return Err(format!("{}: the recording is empty", camera.name())),
            Err(error) => last = Some(error),
        }
    }
    let why = last.map_or_else(|| "no picture".to_owned(), |e| e.to_string());
    Err(format!("{}: {why}", camera.name()))
}
