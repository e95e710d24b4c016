//! Exposure, gain and the flicker of lamps on the mains: what a camera by a window or under tubes has to be told.
//!
//! Owns: which V4L2 control a wish is, and in which unit. Does not own: when it is set (`child`, before the stream).
//! Invariants: a wish that is absent leaves the camera as it is; a camera that lacks a control still delivers, and
//! what it lacks is said.

use std::io;
use std::path::Path;

use v4l::Device;
use v4l::control::{Control, Value};

use super::node;

/// Identifiers of the Linux kernel's `v4l2-controls.h`.
const AUTOGAIN: u32 = 0x0098_0912;
const GAIN: u32 = 0x0098_0913;
const POWER_LINE_FREQUENCY: u32 = 0x0098_0918;
const EXPOSURE_AUTO: u32 = 0x009a_0901;
const EXPOSURE_ABSOLUTE: u32 = 0x009a_0902;
/// Of `EXPOSURE_AUTO`: by hand.
const MANUAL: i64 = 1;

/// What the camera is told before it delivers. Absent: left as it is, which is automatic after plugging in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Controls {
    /// Time of exposure by hand, in microseconds, 100 to 1,000,000; steps of 100.
    pub exposure_us: Option<u32>,
    /// Gain by hand, in the camera's own steps.
    pub gain: Option<u32>,
    /// Frequency of the mains, against banding under lamps: 50 or 60 Hz, or 0 for no correction.
    pub power_line_hz: Option<u32>,
}

/// Sets what is wished for. Gives a line for each control that the camera did not take.
pub(super) fn set(camera: &Device, wish: &Controls) -> Vec<String> {
    let mut missing = Vec::new();
    let mut tell = |name: &str, id: u32, value: i64| {
        if let Err(error) = camera.set_control(Control { id, value: Value::Integer(value) }) {
            missing.push(match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::RANGE.raw_os_error() => {
                    format!("{name} {value} is out of the camera's range (v4l2-ctl -L shows it)")
                }
                Some(code) if code == rustix::io::Errno::INVAL.raw_os_error() => {
                    format!("this camera has no {name}: leave it out of the board file")
                }
                Some(_) | None => format!("{name} {value}: {error}"),
            });
        }
    };
    if let Some(hz) = wish.power_line_hz {
        let choice = match hz {
            50 => 1,
            60 => 2,
            _ => 0,
        };
        tell("power_line_hz", POWER_LINE_FREQUENCY, choice);
    }
    if let Some(us) = wish.exposure_us {
        tell("exposure_us (by hand)", EXPOSURE_AUTO, MANUAL);
        tell("exposure_us", EXPOSURE_ABSOLUTE, i64::from(us / 100));
    }
    if let Some(gain) = wish.gain {
        // Cameras without automatic gain have no switch for it, and need none.
        let _ = camera.set_control(Control { id: AUTOGAIN, value: Value::Integer(0) });
        tell("gain", GAIN, i64::from(gain));
    }
    missing
}

/// Sets what is wished for, for somebody who wants to know whether the camera takes it.
///
/// # Errors
/// One line with what it does not take, or why it cannot be asked.
pub fn try_on(device: &Path, wish: &Controls) -> Result<String, String> {
    let failed = |e: &io::Error| node::trouble(device, e).to_string();
    let number = node::index(device).map_err(|e| e.to_string())?;
    let camera = Device::new(number as usize).map_err(|e| failed(&e))?;
    let missing = set(&camera, wish);
    if missing.is_empty() {
        Ok("it takes exposure, gain and mains as written".into())
    } else {
        Err(missing.join("; "))
    }
}
