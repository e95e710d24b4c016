//! The camera process: opens the device, decodes, writes frames to its standard output.
//!
//! Owns: the conversation with V4L2 through nokhwa. Does not own: recovery; whatever goes wrong is said in one line
//! on standard error and ends the process, because only a fresh process gets a stalled device back.
//! Invariants: ends with its parent, however that ends (parent-death signal, and a closed pipe); gains no
//! privileges and leaves no core file (it would hold pictures of people).

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use nokhwa::Camera;
use nokhwa::utils::{CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};

use ostiary_domain::Millis;
use ostiary_domain::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use ostiary_picture::decode_jpeg_into;
use ostiary_ports::CameraError;

use super::super::clock_os::{mono_micros, wall_clock};
use super::super::{detail, yuv};
use super::wire::{Header, trouble_line};
use super::{Controls, controls, formats, node};

/// A camera that delivers nothing but garbage for so long is given up.
const GARBAGE_FOR: Millis = Millis(2_000);
/// A frame that was waiting already and is older than this is passed over: where decoding is slower than the camera,
/// the driver's queue fills, and what it hands out is the oldest.
const BACKLOG_US: u64 = 150_000;
/// A frame had so quickly was waiting already.
const WAITING_US: u64 = 2_000;
/// The driver's queue holds four frames: behind three old ones comes a fresh one.
const MAX_PASSED_OVER: u32 = 3;
/// A driver's time stamp is believed when it is at most this old.
const OLDEST_STAMP_US: u64 = 2_000_000;

/// Runs until the device or the parent goes away; gives the exit code.
///
/// 0: the parent went away. 10: the camera is gone. 11: it cannot be used. 12: it delivers no pictures.
#[must_use]
pub fn run(device: &Path, width: u32, height: u32, fps: u32, wish: &Controls) -> u8 {
    guard();
    let trouble = match capture(device, width, height, fps, wish) {
        Ok(never) => match never {},
        Err(Stop::ParentGone) => return 0,
        Err(Stop::Trouble(trouble)) => trouble,
    };
    // With nobody there to read it, it does not matter.
    let _ = writeln!(io::stderr(), "{}", trouble_line(&trouble));
    match trouble {
        CameraError::Gone(_) | CameraError::Ended => 10,
        CameraError::Refused(_) => 11,
        CameraError::Garbage(_) | CameraError::Stalled => 12,
    }
}

enum Stop {
    ParentGone,
    Trouble(CameraError),
}

/// None of these is needed for work, so none is worth refusing it.
fn guard() {
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::thread::set_no_new_privs(true);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

fn capture(
    device: &Path,
    width: u32,
    height: u32,
    fps: u32,
    wish: &Controls,
) -> Result<std::convert::Infallible, Stop> {
    let mut camera = open(device, width, height, fps, wish).map_err(Stop::Trouble)?;
    let failed = |e: nokhwa::NokhwaError| Stop::Trouble(node::trouble_of_message(device, &e.to_string()));
    camera.open_stream().map_err(failed)?;
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(|_| Stop::ParentGone)?);
    let mut rgb = vec![0; MAX_FRAME_BYTES];
    let (mut seq, mut dropped) = (0, 0);
    let mut garbage_since = None;
    let mut passed_over = 0;
    loop {
        let asked = mono_micros();
        let frame = camera.frame().map_err(failed)?;
        let now = mono_micros();
        let captured_us = captured(frame.capture_timestamp(), now);
        let waiting = now - asked < WAITING_US && now - captured_us > BACKLOG_US;
        if waiting && passed_over < MAX_PASSED_OVER {
            passed_over += 1;
            continue;
        }
        passed_over = 0;
        let size = (frame.resolution().width(), frame.resolution().height());
        match convert(frame.buffer(), frame.source_frame_format(), size, &mut rgb) {
            Ok((width, height)) => {
                garbage_since = None;
                let header = Header { seq, captured_us, width, height, dropped };
                seq += 1;
                let sent =
                    out.write_all(&header.encode()).and_then(|()| out.write_all(&rgb[..header.length()]));
                sent.map_err(|_| Stop::ParentGone)?;
            }
            Err(why) => {
                dropped += 1;
                if now - *garbage_since.get_or_insert(now) > GARBAGE_FOR.0 * 1_000 {
                    return Err(Stop::Trouble(CameraError::Garbage(why)));
                }
            }
        }
    }
}

/// Opens the device in the first form that it takes.
///
/// nokhwa refuses a device whose present layout it does not know or whose present rate is no whole number, whatever
/// it is asked for. So each form is set through V4L2 first, and nokhwa asked for exactly that.
fn open(device: &Path, width: u32, height: u32, fps: u32, told: &Controls) -> Result<Camera, CameraError> {
    let number = node::index(device)?;
    let index = CameraIndex::Index(number);
    let node = v4l::Device::new(number as usize).map_err(|e| node::trouble(device, &e))?;
    for missing in controls::set(&node, told) {
        // A picture with other light is better than none; `doctor` says the same to the installer.
        let _ = writeln!(io::stderr(), "{missing}");
    }
    let mut last = String::from("it offers no known form");
    for wish in formats::wishes(width, height, fps) {
        match formats::preset(&node, wish) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(e) => match node::trouble(device, &e) {
                gone @ CameraError::Gone(_) => return Err(gone),
                busy @ CameraError::Refused(_) if e.kind() == io::ErrorKind::ResourceBusy => {
                    return Err(busy);
                }
                // Another form may suit it better.
                CameraError::Refused(why) | CameraError::Garbage(why) => {
                    why.as_str().clone_into(&mut last);
                    continue;
                }
                CameraError::Stalled | CameraError::Ended => continue,
            },
        }
        let layout = [wish.format()];
        let exact = RequestedFormat::with_formats(RequestedFormatType::Exact(wish), &layout);
        match Camera::new(index.clone(), exact) {
            Ok(camera) => {
                // For whoever runs the process by hand; the parent keeps it among its last words.
                let _ = writeln!(io::stderr(), "delivers {}", describe(wish));
                return Ok(camera);
            }
            Err(e) => {
                last = e.to_string();
                if let gone @ CameraError::Gone(_) = node::trouble_of_message(device, &last) {
                    return Err(gone);
                }
            }
        }
    }
    Err(CameraError::Refused(detail(format_args!("none of MJPEG, YUYV, NV12 works ({last})"))))
}

fn describe(format: CameraFormat) -> String {
    let (w, h) = (format.resolution().width(), format.resolution().height());
    format!("{} {w}x{h} at {} frames a second", format.format(), format.frame_rate())
}

/// To RGB; the size is the picture's own where it says one.
fn convert(
    bytes: &[u8],
    layout: FrameFormat,
    (width, height): (u32, u32),
    rgb: &mut [u8],
) -> Result<(u32, u32), ostiary_ports::Detail> {
    if width == 0 || height == 0 || width > MAX_FRAME_SIDE || height > MAX_FRAME_SIDE {
        return Err(detail(format_args!("a frame of {width}x{height} pixels")));
    }
    let (w, h) = (width as usize, height as usize);
    let done = match layout {
        FrameFormat::MJPEG => return decode_jpeg_into(bytes, rgb).map_err(|e| detail(format_args!("{e}"))),
        FrameFormat::YUYV => yuv::yuyv(bytes, w, h, rgb),
        FrameFormat::NV12 => yuv::nv12(bytes, w, h, rgb),
        // Never asked for.
        FrameFormat::GRAY | FrameFormat::RAWRGB | FrameFormat::RAWBGR => false,
    };
    if done {
        Ok((width, height))
    } else {
        Err(detail(format_args!("a {layout} frame of {} bytes", bytes.len())))
    }
}

/// nokhwa gives the driver's monotonic stamp as wall time; this takes it back, if it is one.
fn captured(stamp: Option<std::time::Duration>, now_us: u64) -> u64 {
    let age = stamp.and_then(|stamp| wall_clock().checked_sub(stamp)).map(|age| age.as_micros() as u64);
    match age {
        Some(age) if age <= OLDEST_STAMP_US => now_us.saturating_sub(age),
        Some(_) | None => now_us,
    }
}
