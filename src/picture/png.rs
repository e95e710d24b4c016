//! PNG to RGB through the image crate.
//!
//! Owns: limits and the reduction of every depth and channel count to 8-bit RGB. Does not own: the format.
//! Invariant: transparency ends as white, 16 bits end rounded, an animation ends as its first image.

use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageError};

use super::{Limits, Picture, PictureError, check_pixels};

/// Bytes of the widest pixel: RGBA of 16 bits.
const WIDEST_PIXEL: u64 = 8;

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<(Picture, Orientation), PictureError> {
    // The size stands at a fixed place (PNG 11.2.1) and is checked before the decoder sees the file.
    let header = bytes.get(..24).ok_or(PictureError::Truncated)?;
    let side = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    check_pixels(side(16).into(), side(20).into(), limits)?;

    let mut bounds = image::Limits::default();
    bounds.max_alloc = Some(limits.pixels * WIDEST_PIXEL + (16 << 20));
    let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), bounds).map_err(|e| damaged(&e))?;
    let (width, height) = decoder.dimensions();
    check_pixels(width.into(), height.into(), limits)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let color = decoder.color_type();
    let mut raw = vec![0; usize::try_from(decoder.total_bytes()).map_err(|_| PictureError::Truncated)?];
    decoder.read_image(&mut raw).map_err(|e| damaged(&e))?;
    let rgb = to_rgb(&raw, color)
        .ok_or_else(|| PictureError::Damaged(format!("pixels of kind {color:?} are not understood")))?;
    Ok((Picture::new(width, height, rgb)?, orientation))
}

fn damaged(error: &ImageError) -> PictureError {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => PictureError::Truncated,
        other => {
            let text = other.to_string();
            PictureError::Damaged(text.lines().next().unwrap_or_default().chars().take(120).collect())
        }
    }
}

/// Any kind of pixel the decoder gives to RGB of 8 bits; `None` for kinds PNG does not have.
fn to_rgb(raw: &[u8], color: ColorType) -> Option<Vec<u8>> {
    let (channels, wide) = match color {
        ColorType::L8 => (1, false),
        ColorType::La8 => (2, false),
        ColorType::Rgb8 => (3, false),
        ColorType::Rgba8 => (4, false),
        ColorType::L16 => (1, true),
        ColorType::La16 => (2, true),
        ColorType::Rgb16 => (3, true),
        ColorType::Rgba16 => (4, true),
        _ => return None,
    };
    let width = channels * if wide { 2 } else { 1 };
    let mut out = Vec::with_capacity(raw.len() / width * 3);
    for pixel in raw.chunks_exact(width) {
        let value = |c: usize| -> u8 {
            if wide {
                // Native byte order, as the decoder says; 65535 / 255 = 257, rounded to the nearest.
                let sample = u32::from(u16::from_ne_bytes([pixel[2 * c], pixel[2 * c + 1]]));
                ((sample + 128) / 257) as u8
            } else {
                pixel[c]
            }
        };
        let rgb = if channels < 3 { [value(0); 3] } else { [value(0), value(1), value(2)] };
        let alpha = if channels % 2 == 0 { u32::from(value(channels - 1)) } else { 255 };
        out.extend(rgb.map(|v| ((u32::from(v) * alpha + 255 * (255 - alpha) + 127) / 255) as u8));
    }
    Some(out)
}
