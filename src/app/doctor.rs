//! `ostiary doctor`: each part checked on the spot, one line each, with what to do.
//!
//! Owns: the list of checks and their wording. Does not own: the parts; it uses them as `run` does.
//! Invariant: a check that was not made is not reported as passed; nothing is changed but what opening a gallery
//! changes; the relay is not energised.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::domain::limits::MAX_FRAME_BYTES;
use crate::domain::{ClockTrust, Millis};
use crate::ports::{CameraError, Clock};

use super::cli::Common;
use super::config::{Board, Config};
use super::out::Out;
use super::recognition::Recognition;
use super::{Answer, AppError, wiring};

/// How long the camera has to show a picture.
const CAMERA: Millis = Millis(5_000);

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

/// Checks what can be checked; exit code 1 when something is wrong.
pub(super) fn run(common: &Common, board: Option<&Path>, out: &mut Out) -> Result<Answer, AppError> {
    let config = Config::read(common.config.as_deref())?;
    let board = board.map(Board::read).transpose()?;
    let mut all_well = true;
    let mut report = |part, result: Result<String, String>| -> Result<(), AppError> {
        let (ok, says) = match result {
            Ok(says) => (true, says),
            Err(says) => (false, says),
        };
        all_well &= ok;
        Ok(out.result(&Check { part, ok, says })?)
    };

    let clock = wiring::clock();
    report(
        "clock",
        match clock.now().trust {
            ClockTrust::Trusted => Ok("the wall clock is set".to_owned()),
            ClockTrust::Untrusted => Err(
                "the wall clock is not set: people with a validity period are kept out; set up NTP or an RTC"
                    .into(),
            ),
        },
    )?;
    let models = wiring::Models::find(&config);
    let vision = models.and_then(|m| m.open(&config).map(|_| m));
    match vision {
        Ok(models) => {
            report("models", Ok(format!("set {:?}: every hash and shape is right", models.set)))?;
            report("gallery", gallery(common, &config, &models))?;
        }
        Err(error) => report("models", Err(error.to_string()))?,
    }
    let Some(board) = board else {
        let line = "camera, wires and display were not checked: name the board with --board FILE";
        out.line(line)?;
        return Ok(if all_well { Answer::Yes } else { Answer::No });
    };
    report(
        "camera",
        match wiring::camera(&board, &clock) {
            Ok(mut eyes) => picture(eyes.camera.as_mut(), &*clock),
            Err(error) => Err(error.to_string()),
        },
    )?;
    let door_clock = Arc::clone(&clock) as Arc<dyn Clock>;
    report(
        "wires",
        match wiring::door(&board, &door_clock) {
            Ok(mut door) => {
                door.set_relay(false).map(|()| "the relay is released".to_owned()).map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        },
    )?;
    report(
        "display",
        match wiring::display(&board) {
            Ok(mut display) => {
                let idle = crate::domain::Screen::Idle { time: None, link_up: None, queued: 0 };
                display
                    .show(&idle)
                    .map(|()| "the idle screen was drawn".to_owned())
                    .map_err(|e| e.to_string())
            }
            Err(error) => Err(error.to_string()),
        },
    )?;
    Ok(if all_well { Answer::Yes } else { Answer::No })
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

fn picture(camera: &mut dyn crate::ports::Camera, clock: &dyn Clock) -> Result<String, String> {
    let mut rgb = vec![0; MAX_FRAME_BYTES];
    let end = clock.now().mono.after(CAMERA);
    let mut last = None;
    while clock.now().mono < end {
        match camera.next(&mut rgb, Millis(500)) {
            Ok(meta) => {
                let bytes = &rgb[..meta.bytes()];
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
