//! In which form to ask a camera for its pictures.
//!
//! Owns: the order of wishes. Does not own: asking. Pure.
//! Invariant: the list is finite, without repetition, and begins with what was configured.

use nokhwa::utils::{CameraFormat, FrameFormat, Resolution};

/// Layouts understood, best first: MJPEG leaves USB room for full rate; the others need no decoder.
pub(super) const LAYOUTS: [FrameFormat; 3] = [FrameFormat::MJPEG, FrameFormat::YUYV, FrameFormat::NV12];
const SIZES: [(u32, u32); 5] = [(640, 480), (1280, 720), (800, 600), (640, 360), (320, 240)];
const RATES: [u32; 5] = [30, 25, 15, 10, 5];

/// What to ask for, one after the other. `offered` is what the camera says it can do, empty where it does not say;
/// what it offers comes before what it does not (some drivers keep silent about what they can).
pub(super) fn wishes(width: u32, height: u32, fps: u32, offered: &[CameraFormat]) -> Vec<CameraFormat> {
    let sizes = std::iter::once((width, height)).chain(SIZES.into_iter().filter(|s| *s != (width, height)));
    let mut known = Vec::new();
    let mut blind = Vec::new();
    for (w, h) in sizes {
        let rates = std::iter::once(fps).chain(RATES.into_iter().filter(|r| *r != fps));
        for rate in rates {
            for layout in LAYOUTS {
                let wish = CameraFormat::new(Resolution::new(w, h), layout, rate);
                if offered.contains(&wish) { known.push(wish) } else { blind.push(wish) }
            }
        }
    }
    // The configured size and rate are always worth asking for; the rest only where nothing is known.
    let keep = if known.is_empty() { blind.len() } else { LAYOUTS.len() };
    known.extend(blind.into_iter().take(keep));
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_comes_first_and_what_is_offered_before_what_is_not() {
        let f = |w, h, layout, fps| CameraFormat::new(Resolution::new(w, h), layout, fps);
        let blind = wishes(1280, 720, 20, &[]);
        assert_eq!(blind[0], f(1280, 720, FrameFormat::MJPEG, 20));
        assert_eq!(blind.len(), 5 * 6 * 3);
        let offered = [
            f(320, 240, FrameFormat::YUYV, 30),
            f(640, 480, FrameFormat::YUYV, 30),
            f(640, 480, FrameFormat::MJPEG, 15),
        ];
        let known = wishes(640, 480, 30, &offered);
        assert_eq!(known[..3], [offered[1], offered[2], offered[0]]);
        let mut seen = known.clone();
        seen.dedup();
        assert_eq!(seen.len(), known.len());
    }
}
