//! What scaling must give, against the plain formulas in floating point.

use super::*;
use ostiary_domain::{FrameMeta, Mono};

fn input(width: usize, height: usize) -> Input {
    Input { width, height, colour: Colour::Rgb, mean: 0.0, scale: 1.0 }
}

fn frame(rgb: &[u8], width: u32, height: u32) -> Frame<'_> {
    Frame::new(rgb, FrameMeta { width, height, captured: Mono(0), seq: 0 }).unwrap()
}

fn noise(bytes: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn a_flat_frame_stays_flat_at_any_size() {
    for (w, h) in [(1, 1), (3, 7), (33, 20), (64, 64), (101, 57), (640, 480), (1, 90), (90, 1)] {
        for colours in [[10, 100, 200], [0, 1, 255]] {
            let rgb: Vec<u8> = colours.repeat(w * h);
            let mut boxer = Letterboxer::new(input(32, 32));
            let (pixels, layout) = boxer.fill(frame(&rgb, w as u32, h as u32));
            assert!(layout.width == 32 || layout.height == 32, "{w}x{h}");
            for (at, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
                let inside = at % 32 < layout.width && at / 32 < layout.height;
                assert_eq!(*pixel, if inside { colours } else { [0; 3] }, "{w}x{h} {at}");
            }
            let mut cropper = Cropper::new(input(16, 16));
            let whole = Crop { x: 0, y: 0, width: w, height: h };
            let pixels = cropper.fill(frame(&rgb, w as u32, h as u32), whole);
            assert!(pixels.as_chunks::<3>().0.iter().all(|p| *p == colours), "{w}x{h}");
        }
    }
}

#[test]
fn halving_averages_four_pixels() {
    let rgb: Vec<u8> = (0..16_u8).flat_map(|v| [v * 4; 3]).collect();
    let mut boxer = Letterboxer::new(input(2, 2));
    let (pixels, layout) = boxer.fill(frame(&rgb, 4, 4));
    assert!((layout.scale - 0.5).abs() < 1e-6);
    assert_eq!(pixels, [[10; 3], [18; 3], [42; 3], [50; 3]].as_flattened());
}

#[test]
fn the_order_of_colours_is_the_networks() {
    let rgb = [1, 2, 3].repeat(8 * 8);
    let bgr = Input { colour: Colour::Bgr, ..input(4, 4) };
    assert_eq!(Letterboxer::new(bgr).fill(frame(&rgb, 8, 8)).0[..3], [3, 2, 1]);
    let whole = Crop { x: 0, y: 0, width: 8, height: 8 };
    assert_eq!(Cropper::new(bgr).fill(frame(&rgb, 8, 8), whole)[..3], [3, 2, 1]);
}

/// The weights in floating point, once more and plainly.
fn exact(source: usize, target: usize, scale: f32, t: usize) -> Vec<(usize, f32)> {
    let mut weights = Vec::new();
    let first = if scale < 1.0 {
        area(&mut weights, source, t, scale)
    } else {
        linear(&mut weights, source, t, scale)
    };
    let all: f32 = weights.iter().sum();
    assert!(t < target && first + weights.len() <= source);
    weights.into_iter().enumerate().map(|(i, w)| (first + i, w / all)).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    /// Fixed point is as good as floating point: half a step from rounding, and a tenth from the weights.
    #[test]
    fn a_letterbox_is_the_weighted_mean(
        width in 1_usize..400, height in 1_usize..300, side in 8_usize..70, seed in 0_u64..1000,
    ) {
        let rgb = noise(width * height * 3, seed);
        let mut boxer = Letterboxer::new(input(side, side));
        let (pixels, layout) = boxer.fill(frame(&rgb, width as u32, height as u32));
        for y in 0..layout.height {
            for x in 0..layout.width {
                let (rows, columns) = (
                    exact(height, layout.height, layout.scale, y),
                    exact(width, layout.width, layout.scale, x),
                );
                for c in 0..3 {
                    let value: f32 = rows.iter().flat_map(|(r, v)| columns.iter().map(move |(q, w)| (r, q, v * w)))
                        .map(|(r, q, w)| w * f32::from(rgb[(r * width + q) * 3 + c])).sum();
                    let got = f32::from(pixels[(y * side + x) * 3 + c]);
                    proptest::prop_assert!((got - value).abs() < 0.6, "{x},{y} {got} {value}");
                }
            }
        }
    }

    #[test]
    fn a_crop_is_bilinear(
        x in 0_usize..90, y in 0_usize..60, width in 1_usize..120, height in 1_usize..90, side in 4_usize..64,
        seed in 0_u64..1000,
    ) {
        let (w, h) = (100_usize, 70_usize);
        let rgb = noise(w * h * 3, seed);
        let mut cropper = Cropper::new(input(side, side));
        let pixels = cropper.fill(frame(&rgb, w as u32, h as u32), Crop { x, y, width, height });
        let (width, height) = (width.min(w - x), height.min(h - y));
        for (at, pixel) in pixels.as_chunks::<3>().0.iter().enumerate() {
            let (left, across) = nearest(at % side, width as f32 / side as f32, width);
            let (top, down) = nearest(at / side, height as f32 / side as f32, height);
            for c in 0..3 {
                let value = |dx: usize, dy: usize| {
                    let (x, y) = (x + (left + dx).min(width - 1), y + (top + dy).min(height - 1));
                    f32::from(rgb[(y * w + x) * 3 + c])
                };
                let upper = value(0, 0) + across * (value(1, 0) - value(0, 0));
                let lower = value(0, 1) + across * (value(1, 1) - value(0, 1));
                let value = upper + down * (lower - upper);
                proptest::prop_assert!((f32::from(pixel[c]) - value).abs() < 0.55, "{at} {pixel:?} {value}");
            }
        }
    }
}
