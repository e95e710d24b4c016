//! Recordings in the place of a camera: a folder of pictures, an MJPEG or AVI file, or Y4M.
//!
//! Owns: which frame is due when, and passing over late ones. Does not own: the formats (one file each), JPEG and
//! PNG (`picture`), what is seen.
//! Invariants: memory is bounded however large the recording is (it is streamed); a damaged frame is one
//! [`CameraError::Garbage`] and the next call goes on behind it; no bytes, however hostile, cause a panic.
//!
//! Two paces. `Recorded` shows each frame at its time by the clock it was given; whoever comes late gets the newest
//! frame that is due, as from a camera. `Fast` shows every frame at once and moves a [`SimClock`] to the frame's own
//! time before it returns; the program then runs on that clock, so strike times, tracks and event times are those
//! of the recording however fast the machine is.

mod avi;
mod folder;
mod mjpeg;
mod y4m;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostiary_domain::{FrameMeta, Millis, Mono};
use ostiary_ports::{Camera, CameraError, Clock, Detail};

use super::clock_os::pause;
use super::clock_sim::SimClock;
use super::detail;

/// How fast a recording is played.
#[derive(Clone)]
pub enum Pace {
    /// At the recorded times, by this clock.
    Recorded(Arc<dyn Clock>),
    /// Every frame at once; the clock is moved to each frame's time.
    Fast(Arc<SimClock>),
}

/// What the recording does not say itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// Frames per second of folders and MJPEG files, 1 to 1000. AVI and Y4M carry their own.
    pub fps: u32,
    /// Begin again at the end.
    pub repeat: bool,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self { fps: 30, repeat: false }
    }
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Missing, or not readable.
    #[error("the recording {0} cannot be read: {1}; check camera.path in the board file")]
    Io(PathBuf, #[source] io::Error),
    /// A folder without pictures.
    #[error("the folder {0} holds no .jpg, .jpeg or .png file")]
    Empty(PathBuf),
    /// A folder with too many pictures.
    #[error("the folder {0} holds more than {MAX_PICTURES} pictures; split it")]
    TooMany(PathBuf),
    /// No format that is understood.
    #[error("the recording {0} is neither a folder of JPEG/PNG nor an MJPEG, AVI (MJPEG inside) or Y4M file")]
    UnknownFormat(PathBuf),
    /// The right container with something else inside.
    #[error("the recording {0} cannot be played: {1}")]
    Unsupported(PathBuf, String),
}

/// Most pictures of a folder.
pub const MAX_PICTURES: usize = 100_000;

/// Opens a folder or a file; which format it is, its first bytes say.
///
/// # Errors
/// See [`ReplayError`].
pub fn open(path: &Path, pace: Pace, options: ReplayOptions) -> Result<Box<dyn Camera>, ReplayError> {
    let rate = Rate::per_second(options.fps.clamp(1, 1_000));
    let source: Box<dyn Source> = if path.is_dir() {
        Box::new(folder::Folder::open(path, rate)?)
    } else {
        let io_error = |e| ReplayError::Io(path.to_owned(), e);
        let mut file = File::open(path).map_err(io_error)?;
        let mut head = [0; 16];
        let got = read_up_to(&mut file, &mut head).map_err(io_error)?;
        file.rewind().map_err(io_error)?;
        let unsupported = |why: Detail| ReplayError::Unsupported(path.to_owned(), why.as_str().to_owned());
        match &head[..got] {
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => {
                Box::new(avi::Avi::open(file, rate).map_err(unsupported)?)
            }
            [b'Y', b'U', b'V', b'4', b'M', b'P', b'E', b'G', b'2', ..] => {
                Box::new(y4m::Y4m::open(file, rate).map_err(unsupported)?)
            }
            [0xff, 0xd8, ..] => Box::new(mjpeg::Mjpeg::new(file, rate)),
            _ => return Err(ReplayError::UnknownFormat(path.to_owned())),
        }
    };
    Ok(Box::new(Player::new(source, path.display().to_string(), pace, options.repeat)))
}

/// Frames per second as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    frames: u32,
    seconds: u32,
}

impl Rate {
    const fn per_second(frames: u32) -> Self {
        Self { frames, seconds: 1 }
    }

    /// Only what a camera or a time lapse can be: one frame in 60 s to 1000 frames a second.
    fn checked(frames: u32, seconds: u32) -> Option<Self> {
        let sound = frames > 0
            && seconds > 0
            && u64::from(frames) <= u64::from(seconds) * 1_000
            && u64::from(seconds) <= u64::from(frames) * 60;
        sound.then_some(Self { frames, seconds })
    }

    /// When that frame is due, from the start.
    fn time_of(self, index: u64) -> Millis {
        let ms = u128::from(index) * 1_000 * u128::from(self.seconds) / u128::from(self.frames);
        Millis(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// The newest frame that is due.
    fn index_at(self, span: Millis) -> u64 {
        // Rounded up, so that the frame whose time was rounded down counts as due at that time.
        let frames =
            ((u128::from(span.0) + 1) * u128::from(self.frames)).div_ceil(1_000 * u128::from(self.seconds));
        u64::try_from(frames.saturating_sub(1)).unwrap_or(u64::MAX)
    }
}

/// What the next place of a recording holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A frame that may be decoded.
    Frame,
    /// No new picture: the recorder dropped one. Its time passes.
    Gap,
    /// Something that is no picture.
    Garbage(Detail),
    /// No more frames.
    End,
    /// The file cannot be read any more.
    Gone(Detail),
}

/// A recording of one format.
trait Source: Send {
    /// Frames per second.
    fn rate(&self) -> Rate;
    /// Goes on to the next frame, without decoding it.
    fn advance(&mut self) -> Step;
    /// Decodes the present frame into `rgb` and says its size in pixels.
    fn decode(&mut self, rgb: &mut [u8]) -> Result<(u32, u32), Detail>;
    /// Back to before the first frame.
    fn rewind(&mut self) -> io::Result<()>;
}

/// Decides which frame is due.
struct Player {
    source: Box<dyn Source>,
    name: String,
    pace: Pace,
    repeat: bool,
    rate: Rate,
    start: Option<Mono>,
    /// Frames passed since the start, over all rounds.
    index: u64,
    /// Whether this round has shown anything: a recording of nothing but garbage is not repeated for ever.
    shown: bool,
}

/// Further behind than this (the process was stopped), the recording goes on from where it was.
const MAX_LATE: Millis = Millis(5_000);

impl Player {
    fn new(source: Box<dyn Source>, name: String, pace: Pace, repeat: bool) -> Self {
        let rate = source.rate();
        Self { source, name, pace, repeat, rate, start: None, index: 0, shown: false }
    }

    fn due(&self, start: Mono) -> Mono {
        start.after(self.rate.time_of(self.index))
    }

    /// Waits for the frame that is due next; passes over those that are late.
    fn wait(&mut self, clock: &dyn Clock, patience: Millis) -> Result<Mono, CameraError> {
        let now = clock.now().mono;
        let mut start = *self.start.get_or_insert(now);
        let due = self.due(start);
        if due > now {
            let wait = due.since(now);
            pause(wait.min(patience));
            return if wait > patience { Err(CameraError::Stalled) } else { Ok(start) };
        }
        if now.since(due) > MAX_LATE {
            start = start.after(now.since(due));
            self.start = Some(start);
        }
        let newest = self.rate.index_at(now.since(start));
        while self.index < newest {
            match self.step()? {
                Step::Frame => self.shown = true,
                Step::Gap | Step::Garbage(_) => {}
                // `step` turns both into errors.
                Step::End | Step::Gone(_) => return Err(CameraError::Ended),
            }
            self.index += 1;
        }
        Ok(start)
    }

    /// The next place, beginning again where that is wanted.
    fn step(&mut self) -> Result<Step, CameraError> {
        match self.source.advance() {
            Step::End if self.repeat && self.shown => {
                self.shown = false;
                self.source
                    .rewind()
                    .map_err(|e| CameraError::Gone(detail(format_args!("{}: {e}", self.name))))?;
                match self.source.advance() {
                    Step::End => Err(CameraError::Ended),
                    Step::Gone(why) => Err(CameraError::Gone(why)),
                    step @ (Step::Frame | Step::Gap | Step::Garbage(_)) => Ok(step),
                }
            }
            Step::End => Err(CameraError::Ended),
            Step::Gone(why) => Err(CameraError::Gone(why)),
            step @ (Step::Frame | Step::Gap | Step::Garbage(_)) => Ok(step),
        }
    }
}

impl Camera for Player {
    fn next(&mut self, rgb: &mut [u8], patience: Millis) -> Result<FrameMeta, CameraError> {
        loop {
            let captured = match self.pace.clone() {
                Pace::Recorded(clock) => {
                    let start = self.wait(&*clock, patience)?;
                    self.due(start)
                }
                Pace::Fast(clock) => {
                    let start = *self.start.get_or_insert_with(|| clock.now().mono);
                    self.due(start)
                }
            };
            let step = self.step()?;
            if let Pace::Fast(clock) = &self.pace {
                clock.advance_to(captured);
            }
            let seq = self.index;
            self.index += 1;
            match step {
                Step::Frame => {
                    let (width, height) = self.source.decode(rgb).map_err(CameraError::Garbage)?;
                    self.shown = true;
                    return Ok(FrameMeta { width, height, captured, seq });
                }
                Step::Garbage(why) => return Err(CameraError::Garbage(why)),
                Step::Gap => {}
                // `step` turns both into errors.
                Step::End | Step::Gone(_) => return Err(CameraError::Ended),
            }
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Fills as much of `buffer` as the reader still gives.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match reader.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests;
