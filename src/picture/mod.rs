//! Picture files to pixels and back: JPEG and PNG, told apart by their first bytes.
//!
//! Owns: decoding within limits, orientation, scaling, encoding. Does not own: files, base64, what is seen.
//! Invariants: nothing is allocated for pixels before the size named in the header was checked; a picture that
//! ends early is an error, never half a picture; pixels and sizes agree; pixels are redacted in Debug.

use std::io::Write;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, RgbImage};

use ostiary_domain::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use ostiary_domain::{Frame, FrameMeta, Mono};

mod jpeg;
mod png;

pub use jpeg::{decode_jpeg_into, jpeg_end};

/// What a picture file may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the file.
    pub bytes: usize,
    /// Most pixels, width times height.
    pub pixels: u64,
}

impl Default for Limits {
    /// 5 MB and 25 megapixels (SPEC 3).
    fn default() -> Self {
        Self { bytes: 5_000_000, pixels: 25_000_000 }
    }
}

/// A decoded picture: RGB, 8 bits a channel, rows from the top, upright.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// Takes pixels as they are.
    ///
    /// # Errors
    /// When a side is zero or the number of bytes is not `width * height * 3`.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, PictureError> {
        let wanted = u64::from(width) * u64::from(height) * 3;
        if width == 0 || height == 0 || wanted != rgb.len() as u64 {
            return Err(PictureError::Size { width, height });
        }
        Ok(Self { width, height, rgb })
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// RGB, row by row from the top.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Scaled down, keeping its proportions, so that neither side is longer than `max_side`; never scaled up.
    ///
    /// # Errors
    /// When the resampler refuses the size, which sizes within the limits do not cause.
    pub fn fit(self, max_side: u32) -> Result<Self, PictureError> {
        let longest = self.width.max(self.height);
        let scale = f64::from(max_side.max(1)) / f64::from(longest);
        self.scaled(scale)
    }

    /// Scaled down, where needed, to what a [`Frame`] may hold.
    ///
    /// # Errors
    /// As [`Picture::fit`].
    pub fn fit_frame(self) -> Result<Self, PictureError> {
        let longest = self.width.max(self.height);
        let by_side = f64::from(MAX_FRAME_SIDE) / f64::from(longest);
        // A hair less than the exact factor, so that rounding up a side cannot leave the bound.
        let by_area = (MAX_FRAME_BYTES as f64 / self.rgb.len() as f64).sqrt() * 0.999;
        if by_side >= 1.0 && self.rgb.len() <= MAX_FRAME_BYTES {
            return Ok(self);
        }
        self.scaled(by_side.min(by_area))
    }

    fn scaled(self, scale: f64) -> Result<Self, PictureError> {
        if scale >= 1.0 {
            return Ok(self);
        }
        let side = |s: u32| ((f64::from(s) * scale).round() as u32).max(1);
        let (width, height) = (side(self.width), side(self.height));
        resample(self, width, height)
    }

    /// The picture as a frame of number 0.
    ///
    /// # Errors
    /// When it is larger than a frame may be; see [`Picture::fit_frame`].
    pub fn as_frame(&self, captured: Mono) -> Result<Frame<'_>, PictureError> {
        let meta = FrameMeta { width: self.width, height: self.height, captured, seq: 0 };
        Frame::new(&self.rgb, meta).map_err(|_| PictureError::Size { width: self.width, height: self.height })
    }

    fn oriented(self, orientation: Orientation) -> Result<Self, PictureError> {
        if orientation == Orientation::NoTransforms {
            return Ok(self);
        }
        let (width, height) = (self.width, self.height);
        let image = RgbImage::from_raw(width, height, self.rgb);
        let mut image = DynamicImage::ImageRgb8(image.ok_or(PictureError::Size { width, height })?);
        image.apply_orientation(orientation);
        let image = image.into_rgb8();
        Ok(Self { width: image.width(), height: image.height(), rgb: image.into_raw() })
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{}, <redacted>)", self.width, self.height)
    }
}

/// Why a file is no picture that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// the file is neither JPEG nor PNG
    #[error("the file is neither JPEG nor PNG; convert it to one of them")]
    UnknownFormat,
    /// the file is empty
    #[error("the file is empty")]
    Empty,
    /// the file has too many bytes
    #[error("the file has {bytes} bytes, at most {limit} are read; save it smaller")]
    TooManyBytes {
        /// Of the file.
        bytes: usize,
        /// Allowed.
        limit: usize,
    },
    /// the picture has too many pixels
    #[error("the picture has {width}x{height} pixels, at most {limit} in all are read; scale it down")]
    TooManyPixels {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
        /// Allowed.
        limit: u64,
    },
    /// the picture ends early
    #[error("the picture ends early; copy it again")]
    Truncated,
    /// the picture is damaged
    #[error("the picture is damaged or uses a variant that is not understood ({0})")]
    Damaged(String),
    /// the picture's size is out of range
    #[error("a picture of {width}x{height} pixels cannot be used here")]
    Size {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// the buffer is too small for the picture
    #[error("the buffer has {got} bytes, the picture needs {wanted}")]
    Buffer {
        /// There.
        got: usize,
        /// Needed.
        wanted: usize,
    },
    /// the picture cannot be encoded or written
    #[error("the picture cannot be written ({0})")]
    Encode(#[source] image::ImageError),
}

/// Decodes a JPEG (grey, colour, CMYK, baseline or progressive) or a PNG (any depth; the first image of an
/// animation; transparency over white) and turns it upright by its EXIF orientation.
///
/// # Errors
/// See [`PictureError`]; whatever the bytes are, there is no panic.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Picture, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if bytes.len() > limits.bytes {
        return Err(PictureError::TooManyBytes { bytes: bytes.len(), limit: limits.bytes });
    }
    let (picture, orientation) = match format(bytes).ok_or(PictureError::UnknownFormat)? {
        Format::Jpeg => jpeg::decode(bytes, limits)?,
        Format::Png => png::decode(bytes, limits)?,
    };
    picture.oriented(orientation)
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JFIF or EXIF.
    Jpeg,
    /// Portable Network Graphics.
    Png,
}

/// What the first bytes say; a file's name or a client's media type is never asked.
#[must_use]
pub fn format(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(Format::Jpeg)
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(Format::Png)
    } else {
        None
    }
}

/// Encodes RGB rows as JPEG of quality 1 to 100.
///
/// # Errors
/// When the size and the number of bytes do not agree, or a side is over 65,535.
pub fn encode_jpeg(width: u32, height: u32, rgb: &[u8], quality: u8) -> Result<Vec<u8>, PictureError> {
    check_size(width, height, rgb)?;
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality.clamp(1, 100))
        .write_image(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(PictureError::Encode)?;
    Ok(out)
}

/// Writes RGB rows as PNG.
///
/// # Errors
/// When the size and the number of bytes do not agree, or the writer fails.
pub fn write_png(out: impl Write, width: u32, height: u32, rgb: &[u8]) -> Result<(), PictureError> {
    check_size(width, height, rgb)?;
    PngEncoder::new(out)
        .write_image(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(PictureError::Encode)
}

fn check_size(width: u32, height: u32, rgb: &[u8]) -> Result<(), PictureError> {
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) * 3 != rgb.len() as u64 {
        return Err(PictureError::Size { width, height });
    }
    Ok(())
}

fn check_pixels(width: u64, height: u64, limits: Limits) -> Result<(), PictureError> {
    match width.checked_mul(height) {
        Some(0) => Err(PictureError::Damaged("a side is zero".into())),
        Some(pixels) if pixels <= limits.pixels => Ok(()),
        Some(_) | None => Err(PictureError::TooManyPixels { width, height, limit: limits.pixels }),
    }
}

/// Area-weighted, so that no pixel of the source is passed over.
fn resample(picture: Picture, width: u32, height: u32) -> Result<Picture, PictureError> {
    // Through `DynamicImage`, which is compiled once in its own crate: a generic resampler that is instantiated here
    // made half of this crate's code and build time.
    let bad = || PictureError::Size { width, height };
    let image = RgbImage::from_raw(picture.width, picture.height, picture.rgb).ok_or_else(bad)?;
    let scaled = DynamicImage::ImageRgb8(image).resize_exact(width, height, FilterType::Triangle);
    Picture::new(width, height, scaled.into_rgb8().into_raw())
}
