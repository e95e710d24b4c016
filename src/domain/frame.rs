//! A picture from the camera, borrowed.
//!
//! Owns: the layout of a frame in memory. Does not own: its bytes, where they come from, what is in it.
//! Invariant: `rgb.len() == width * height * 3`, rows from the top, no padding, 8 bits a channel, sRGB.

use core::fmt;

use super::limits::{MAX_FRAME_BYTES, MAX_FRAME_SIDE};
use super::time::Mono;

/// What is known of a frame apart from its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    /// Columns, 1 to 1920.
    pub width: u32,
    /// Rows, 1 to 1920.
    pub height: u32,
    /// When the sensor delivered it.
    pub captured: Mono,
    /// Counted by the camera from 0; a jump means frames were passed over.
    pub seq: u64,
}

impl FrameMeta {
    /// Bytes of such a frame.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }
}

/// One picture, borrowed from the buffer that the camera wrote.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    rgb: &'a [u8],
    meta: FrameMeta,
}

impl<'a> Frame<'a> {
    /// Looks at the first `meta.bytes()` of `buffer` as a picture.
    ///
    /// # Errors
    /// When a side is zero or too long, or the buffer is shorter than the picture.
    pub fn new(buffer: &'a [u8], meta: FrameMeta) -> Result<Self, FrameError> {
        if meta.width == 0 || meta.height == 0 {
            return Err(FrameError::Empty);
        }
        let too_large = meta.width > MAX_FRAME_SIDE || meta.height > MAX_FRAME_SIDE;
        if too_large || meta.bytes() > MAX_FRAME_BYTES {
            return Err(FrameError::TooLarge);
        }
        let rgb = buffer.get(..meta.bytes()).ok_or(FrameError::Short)?;
        Ok(Self { rgb, meta })
    }

    /// The pixels: RGB, row by row from the top.
    #[must_use]
    pub const fn rgb(&self) -> &'a [u8] {
        self.rgb
    }

    /// Size, time and number.
    #[must_use]
    pub const fn meta(&self) -> FrameMeta {
        self.meta
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.meta.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.meta.height
    }
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("meta", &self.meta).field("rgb", &"<redacted>").finish()
    }
}

/// Why a buffer is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A side is zero.
    Empty,
    /// A side is over 1920 pixels or the frame over 1920x1080 pixels.
    TooLarge,
    /// The buffer ends before the picture does.
    Short,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the frame has no pixels",
            Self::TooLarge => "the frame is larger than 1920x1080; choose a smaller camera.size",
            Self::Short => "the frame ends before its last row",
        })
    }
}

impl core::error::Error for FrameError {}
