//! JPEG to RGB through zune-jpeg.
//!
//! Owns: the size check before decoding, finding the end, the EXIF orientation. Does not own: the arithmetic.
//! Invariant: a file without its end marker is refused, because the decoder would fill the rest with grey.

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{Limits, Picture, PictureError, check_pixels};
use ostiary_domain::limits::MAX_FRAME_BYTES;

/// Most passes over a progressive picture; more is an attack on time.
const MAX_SCANS: usize = 64;

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

/// Decodes a camera's JPEG into `rgb` and says its size in pixels; EXIF is not looked at.
///
/// The pixels need no heap; the decoder itself allocates its tables and one row of blocks for each call.
///
/// # Errors
/// See [`PictureError`]; [`PictureError::Buffer`] when the picture does not fit.
pub fn decode_jpeg_into(bytes: &[u8], rgb: &mut [u8]) -> Result<(u32, u32), PictureError> {
    let end = jpeg_end(bytes).ok_or(PictureError::Truncated)?;
    let limits = Limits { bytes: bytes.len(), pixels: MAX_FRAME_BYTES as u64 / 3 };
    let (mut decoder, width, height) = open(&bytes[..end], limits)?;
    let wanted = width as usize * height as usize * 3;
    let got = rgb.len();
    let target = rgb.get_mut(..wanted).ok_or(PictureError::Buffer { got, wanted })?;
    decoder.decode_into(target).map_err(|e| damaged(&e))?;
    Ok((width, height))
}

pub(super) fn decode(bytes: &[u8], limits: Limits) -> Result<(Picture, Orientation), PictureError> {
    let end = jpeg_end(bytes).ok_or(PictureError::Truncated)?;
    let (mut decoder, width, height) = open(&bytes[..end], limits)?;
    let orientation = decoder.exif().and_then(|e| Orientation::from_exif_chunk(e));
    let mut rgb = vec![0; width as usize * height as usize * 3];
    decoder.decode_into(&mut rgb).map_err(|e| damaged(&e))?;
    Ok((Picture::new(width, height, rgb)?, orientation.unwrap_or(Orientation::NoTransforms)))
}

/// Reads the header and checks the size.
fn open(bytes: &[u8], limits: Limits) -> Result<(Decoder<'_>, u32, u32), PictureError> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let info = decoder.info().ok_or_else(|| PictureError::Damaged("no header".into()))?;
    check_pixels(u64::from(info.width), u64::from(info.height), limits)?;
    Ok((decoder, u32::from(info.width), u32::from(info.height)))
}

fn damaged(error: &zune_jpeg::errors::DecodeErrors) -> PictureError {
    let text = format!("{error:?}");
    PictureError::Damaged(text.lines().next().unwrap_or_default().chars().take(120).collect())
}

/// Where the first JPEG in `bytes` ends, just behind its end marker; `None` when it does not begin or end.
///
/// Walks the segments (ITU-T T.81 B.1.1), so a thumbnail inside a segment is not mistaken for the end, and
/// what a camera driver appends behind the picture is cut off.
#[must_use]
pub fn jpeg_end(bytes: &[u8]) -> Option<usize> {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return None;
    }
    let mut at = 2;
    let mut in_scan = false;
    loop {
        // To the next marker. Outside of a scan there is nothing but markers; what lies between is skipped.
        at += bytes.get(at..)?.iter().position(|b| *b == 0xff)?;
        let code = *bytes.get(at + 1)?;
        match code {
            // Fill byte: the marker begins one later.
            0xff => at += 1,
            // Stuffing and restarts belong to the scan's data; TEM stands alone.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            // An end before any scan ends nothing.
            0xd9 => return if in_scan { Some(at + 2) } else { None },
            _ => {
                let length = bytes.get(at + 2..at + 4)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                in_scan |= code == 0xda;
                at += 2 + length.max(2);
            }
        }
    }
}
