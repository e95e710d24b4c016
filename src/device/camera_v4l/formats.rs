//! In which form to ask a camera for its pictures.
//!
//! Owns: the order of wishes, setting a form. Does not own: capturing.
//! Invariant: the list is finite, without repetition, and begins with what was configured.

use std::io;

use nokhwa::utils::{CameraFormat, FrameFormat, Resolution};
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Device, Format, FourCC};

/// Layouts understood, best first: MJPEG leaves USB room for full rate; the others need no decoder.
const LAYOUTS: [FrameFormat; 3] = [FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12];
const SIZES: [(u32, u32); 5] = [(640, 480), (1280, 720), (800, 600), (640, 360), (320, 240)];
const RATES: [u32; 5] = [30, 25, 15, 10, 5];

/// What to ask for, one after the other: the configured size at any rate before any other size.
///
/// What a device says it offers is not asked: some offer ranges, some keep silent, and each form is tried anyway.
pub(super) fn wishes(width: u32, height: u32, fps: u32) -> Vec<CameraFormat> {
    let sizes = std::iter::once((width, height)).chain(SIZES.into_iter().filter(|s| *s != (width, height)));
    let mut wishes = Vec::new();
    for (w, h) in sizes {
        for rate in std::iter::once(fps).chain(RATES.into_iter().filter(|r| *r != fps)) {
            wishes.extend(LAYOUTS.map(|layout| CameraFormat::new(Resolution::new(w, h), layout, rate)));
        }
    }
    wishes
}

/// Sets a form; `false` when the device took another one instead.
pub(super) fn preset(device: &Device, wish: CameraFormat) -> io::Result<bool> {
    let Some(code) = fourcc(wish.format()) else { return Ok(false) };
    let (w, h) = (wish.resolution().width(), wish.resolution().height());
    let taken = device.set_format(&Format::new(w, h, code))?;
    if (taken.width, taken.height, taken.fourcc) != (w, h, code) {
        return Ok(false);
    }
    let rate = device.set_params(&Parameters::with_fps(wish.frame_rate()))?.interval;
    Ok(rate.numerator == 1 && rate.denominator == wish.frame_rate())
}

fn fourcc(layout: FrameFormat) -> Option<FourCC> {
    match layout {
        FrameFormat::MJPEG => Some(FourCC::new(b"MJPG")),
        FrameFormat::YUYV => Some(FourCC::new(b"YUYV")),
        FrameFormat::NV12 => Some(FourCC::new(b"NV12")),
        // Never asked for.
        FrameFormat::GRAY | FrameFormat::RAWRGB | FrameFormat::RAWBGR => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_comes_first_and_nothing_twice() {
        let f = |w, h, layout, fps| CameraFormat::new(Resolution::new(w, h), layout, fps);
        let wishes = wishes(1280, 720, 20);
        assert_eq!(wishes[0], f(1280, 720, FrameFormat::MJPEG, 20));
        assert_eq!(wishes[1], f(1280, 720, FrameFormat::YUYV, 20));
        assert_eq!(wishes.len(), 5 * 6 * 3);
        for (i, wish) in wishes.iter().enumerate() {
            assert!(!wishes[..i].contains(wish));
        }
    }
}
