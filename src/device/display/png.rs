//! A display that is a file: what simulated boards show, and what a person looks at.
//!
//! Owns: `latest.png`, replaced in one step so that a reader never sees half a picture, and a bounded number of
//! numbered pictures. Does not own: what is shown.
//! Invariants: the same screen twice writes once; nothing but files of its own names is touched; numbered pictures
//! are never more than asked for, the oldest go first.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

use super::{Framebuffer, RenderOptions, Renderer};
use ostiary_domain::{Screen, clipped};
use ostiary_ports::{Display, DisplayError};

/// What a [`PngDisplay`] shows and keeps.
#[derive(Clone, Debug)]
pub struct PngOptions {
    /// Where `latest.png` lies; made when missing.
    pub folder: PathBuf,
    /// Width in pixels, 1 to [`super::MAX_SIDE`].
    pub width: u32,
    /// Height in pixels, 1 to [`super::MAX_SIDE`].
    pub height: u32,
    /// Numbered pictures kept beside it (`screen-00001.png`); 0 keeps none. A picture of a welcome shows a name.
    pub keep: u32,
    /// Language, zone, hours.
    pub render: RenderOptions,
}

impl PngOptions {
    /// 240x320, English, UTC, nothing kept but `latest.png`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), width: 240, height: 320, keep: 0, render: RenderOptions::default() }
    }
}

/// Writes each screen to `latest.png`.
pub struct PngDisplay {
    folder: PathBuf,
    keep: u32,
    picture: Framebuffer,
    renderer: Renderer,
    shown: Option<Screen>,
    written: u32,
}

impl PngDisplay {
    /// Opens the folder. Numbered pictures of an earlier run are overwritten one by one.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(options: PngOptions) -> Result<Self, DisplayError> {
        fs::create_dir_all(&options.folder).map_err(|error| failed(&options.folder, &error))?;
        Ok(Self {
            folder: options.folder,
            keep: options.keep,
            picture: Framebuffer::new(options.width, options.height),
            renderer: Renderer::new(options.render),
            shown: None,
            written: 0,
        })
    }

    /// The picture shown now.
    #[must_use]
    pub const fn picture(&self) -> &Framebuffer {
        &self.picture
    }

    /// Pictures written since the start.
    #[must_use]
    pub const fn written(&self) -> u32 {
        self.written
    }

    fn write(&mut self) -> Result<(), DisplayError> {
        let latest = self.folder.join("latest.png");
        let unfinished = self.folder.join(".latest.png.part");
        write_png(&self.picture, &unfinished)?;
        self.written = self.written.saturating_add(1);
        if self.keep > 0 {
            let numbered = self.folder.join(numbered(self.written));
            fs::copy(&unfinished, &numbered).map_err(|error| failed(&numbered, &error))?;
            if let Some(oldest) = self.written.checked_sub(self.keep).filter(|&number| number > 0) {
                // Gone already is as good.
                let _ = fs::remove_file(self.folder.join(self::numbered(oldest)));
            }
        }
        fs::rename(&unfinished, &latest).map_err(|error| failed(&latest, &error))
    }
}

impl Display for PngDisplay {
    fn show(&mut self, screen: &Screen) -> Result<(), DisplayError> {
        if self.shown.as_ref().is_some_and(|shown| looks_like(shown, screen)) {
            return Ok(());
        }
        match self.renderer.render(screen, &mut self.picture) {
            Ok(()) => {}
            Err(never) => match never {},
        }
        self.shown = None;
        self.write()?;
        self.shown = Some(screen.clone());
        Ok(())
    }
}

impl core::fmt::Debug for PngDisplay {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PngDisplay")
            .field("folder", &self.folder)
            .field("picture", &self.picture)
            .finish_non_exhaustive()
    }
}

/// Writes a picture as PNG, quickly rather than small.
///
/// # Errors
/// When the file cannot be written.
pub fn write_png(picture: &Framebuffer, path: &Path) -> Result<(), DisplayError> {
    write_rgb(picture.rgb(), picture.width(), picture.height(), path)
}

/// The same for any picture: red, green, blue, row by row.
///
/// # Errors
/// When the file cannot be written or the bytes are not as many.
pub fn write_rgb(rgb: &[u8], width: u32, height: u32, path: &Path) -> Result<(), DisplayError> {
    let mut file = BufWriter::new(File::create(path).map_err(|error| failed(path, &error))?);
    PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Sub)
        .write_image(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| failed(path, &error))?;
    file.flush().map_err(|error| failed(path, &error))
}

/// Whether two screens give the same picture: the clock shows minutes.
pub(super) fn looks_like(one: &Screen, other: &Screen) -> bool {
    match (one, other) {
        (
            Screen::Idle { time: a, link_up: la, queued: qa },
            Screen::Idle { time: b, link_up: lb, queued: qb },
        ) => {
            let minute = |time: &Option<ostiary_domain::Utc>| time.map(|t| t.0.div_euclid(60_000));
            minute(a) == minute(b) && la == lb && qa == qb
        }
        (one, other) => one == other,
    }
}

fn numbered(number: u32) -> String {
    format!("screen-{number:05}.png")
}

fn failed(path: &Path, error: &dyn core::fmt::Display) -> DisplayError {
    DisplayError(clipped(&format!("{error}: {}", path.display())))
}
