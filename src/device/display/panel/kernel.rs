//! The kernel's framebuffer, `/dev/fb0`: HDMI, DSI, and panels that have a kernel driver.
//!
//! Owns: its size and format, as sysfs tells them, and writing it. Does not own: the picture, the text console (which
//! an installer takes off the panel with `vt.global_cursor_default=0 fbcon=map:9` on the kernel's command line).
//! Invariant: a format that is not known is refused by name, never guessed.
//!
//! The whole picture is written whatever changed: drivers with deferred updates (bochs, simple DRM panels) show nothing
//! of a write of single rows, and memory is fast.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use embedded_graphics::pixelcolor::{IntoStorage as _, Rgb565, RgbColor as _};
use embedded_graphics::primitives::Rectangle;

use ostiary_domain::clipped;
use ostiary_ports::DisplayError;

use super::super::{Framebuffer, MAX_SIDE};
use super::Panel;

/// Where the kernel describes its framebuffers.
const SYSFS: &str = "/sys/class/graphics";

/// A framebuffer.
pub struct KernelPanel {
    device: PathBuf,
    file: File,
    size: (u32, u32),
    stride: usize,
    format: Format,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// 16 bits: red 5, green 6, blue 5.
    Rgb565,
    /// 32 bits: blue in the lowest byte.
    Xrgb8888,
}

impl KernelPanel {
    /// Opens `/dev/fbN`.
    ///
    /// # Errors
    /// When it is not there, not allowed, or of a format that is not known.
    pub fn open(device: &Path) -> Result<Self, DisplayError> {
        Self::described(device, Path::new(SYSFS))
    }

    /// The same, with the kernel's descriptions elsewhere.
    ///
    /// # Errors
    /// As [`KernelPanel::open`].
    pub fn described(device: &Path, sysfs: &Path) -> Result<Self, DisplayError> {
        let file = OpenOptions::new().write(true).open(device).map_err(|e| refused(device, &e))?;
        let folder = sysfs.join(device.file_name().unwrap_or_default());
        let read = |name: &str| {
            fs::read_to_string(folder.join(name))
                .map_err(|e| said(format_args!("{}: {e}; is it a framebuffer?", folder.join(name).display())))
        };
        let number = |name: &str| {
            let text = read(name)?;
            text.trim().parse::<u32>().map_err(|_| said(format_args!("{name} is no number: {text}")))
        };
        // What is visible, where the kernel tells it; the memory may hold several pictures.
        let size = read("modes")
            .ok()
            .and_then(|modes| mode(&modes))
            .map_or_else(|| read("virtual_size").map(|text| pair(&text, ',')), |size| Ok(Some(size)))?
            .filter(|(w, h)| (1..=MAX_SIDE).contains(w) && (1..=MAX_SIDE).contains(h))
            .ok_or_else(|| said(format_args!("{} has no size that can be used", device.display())))?;
        let format = match number("bits_per_pixel")? {
            16 => Format::Rgb565,
            32 => Format::Xrgb8888,
            bits => {
                return Err(said(format_args!(
                    "{} has {bits} bits a pixel; set its mode to 16 or 32",
                    device.display()
                )));
            }
        };
        let stride = number("stride")? as usize;
        let row = size.0 as usize * format.bytes();
        if stride < row || stride > 16 * MAX_SIDE as usize {
            return Err(said(format_args!("{}: {stride} bytes a row cannot be", device.display())));
        }
        let bytes = vec![0; stride * size.1 as usize];
        Ok(Self { device: device.to_owned(), file, size, stride, format, bytes })
    }
}

impl Panel for KernelPanel {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn send(&mut self, picture: &Framebuffer, _area: Rectangle) -> Result<(), DisplayError> {
        let width = self.size.0 as usize;
        for (row, line) in self.bytes.chunks_exact_mut(self.stride).zip(picture.rgb().chunks_exact(width * 3))
        {
            let pixels = row.chunks_exact_mut(self.format.bytes()).zip(line.chunks_exact(3));
            for (out, rgb) in pixels {
                let colour = embedded_graphics::pixelcolor::Rgb888::new(rgb[0], rgb[1], rgb[2]);
                match self.format {
                    Format::Rgb565 => out.copy_from_slice(&Rgb565::from(colour).into_storage().to_ne_bytes()),
                    Format::Xrgb8888 => out.copy_from_slice(&[colour.b(), colour.g(), colour.r(), 0xFF]),
                }
            }
        }
        self.file.write_all_at(&self.bytes, 0).map_err(|e| refused(&self.device, &e))
    }
}

impl Format {
    const fn bytes(self) -> usize {
        match self {
            Self::Rgb565 => 2,
            Self::Xrgb8888 => 4,
        }
    }
}

/// `U:240x320p-60`: the first mode is the present one.
fn mode(modes: &str) -> Option<(u32, u32)> {
    let first = modes.lines().next()?;
    let size = first.split(':').nth(1)?.split(['p', 'i', '-']).next()?;
    pair(size, 'x')
}

fn pair(text: &str, between: char) -> Option<(u32, u32)> {
    let (a, b) = text.trim().split_once(between)?;
    Some((a.trim().parse().ok()?, b.trim().parse().ok()?))
}

fn refused(device: &Path, error: &io::Error) -> DisplayError {
    let device = device.display();
    let text = match error.kind() {
        io::ErrorKind::NotFound => {
            format!(
                "there is no {device}; `ls /dev/fb*` shows which there are; was the panel's overlay loaded?"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("no permission for {device}; add the user to the group video")
        }
        _ => format!("{device}: {error}"),
    };
    DisplayError(clipped(&text))
}

fn said(what: core::fmt::Arguments<'_>) -> DisplayError {
    DisplayError(clipped(&what.to_string()))
}
