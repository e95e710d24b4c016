//! One camera process and the thread that empties its pipes.
//!
//! Owns: starting it, taking its newest frame and its last words, ending it. Does not own: when to (`super`).
//! Overflow policy: a frame that was not fetched is overwritten by the next one.
//! Invariants: three buffers that change hands, nothing allocated per frame; the thread never blocks for longer
//! than [`TICK`], so it ends soon after it is told to, whatever still holds the pipes open; the process and all it
//! started are killed when the feed is dropped.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use ostiary_domain::Millis;
use ostiary_domain::limits::MAX_FRAME_BYTES;
use ostiary_ports::CameraError;

use super::super::clock_os::pause;
use super::super::detail;
use super::wire::{HEADER, Header, parse_trouble};
use super::{Controls, V4lConfig};

/// How long the thread waits for its pipes before it looks whether it should end.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Of a line on standard error; the rest is dropped.
const MAX_LINE: usize = 256;
/// One frame of 640x480 fits almost whole, so the two processes change places less often.
const PIPE_BYTES: usize = 1 << 20;

/// A running camera process.
pub(super) struct Feed {
    shared: Arc<Shared>,
    child: Option<Child>,
    own: Box<[u8]>,
}

struct Shared {
    slot: Mutex<Slot>,
    arrived: Condvar,
    stop: AtomicBool,
}

struct Slot {
    newest: Option<Header>,
    buffer: Box<[u8]>,
    ended: Option<CameraError>,
}

/// What waiting brought.
pub(super) enum Take<'a> {
    /// The newest frame: `pixels[..header.length()]`.
    Frame(Header, &'a [u8]),
    /// None in time.
    Nothing,
    /// The process ended, or sent something that is no frame.
    Ended(CameraError),
}

impl Feed {
    /// Starts the process in a group of its own, with an empty environment.
    pub(super) fn start(config: &V4lConfig) -> io::Result<Self> {
        let Controls { exposure_us, gain, power_line_hz } = config.controls;
        let wishes = [("--exposure-us", exposure_us), ("--gain", gain), ("--power-line-hz", power_line_hz)];
        let wishes =
            wishes.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?.to_string()]));
        let mut child = Command::new(&config.program)
            .arg("camera-child")
            .arg("--device")
            .arg(&config.device)
            .args(["--width", &config.width.to_string()])
            .args(["--height", &config.height.to_string()])
            .args(["--fps", &config.fps.to_string()])
            .args(wishes.flatten())
            .env_clear()
            .current_dir(Path::new("/"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = child.stdout.take().zip(child.stderr.take());
        let buffer = || vec![0; MAX_FRAME_BYTES].into_boxed_slice();
        let slot = Slot { newest: None, buffer: buffer(), ended: None };
        let shared = Arc::new(Shared {
            slot: Mutex::new(slot),
            arrived: Condvar::new(),
            stop: AtomicBool::new(false),
        });
        // From here on, dropping the feed ends the process.
        let feed = Self { shared: Arc::clone(&shared), child: Some(child), own: buffer() };
        let (frames, words) =
            pipes.ok_or_else(|| io::Error::other("the pipes of the camera process are missing"))?;
        // A smaller pipe works too.
        let _ = rustix::pipe::fcntl_setpipe_size(&frames, PIPE_BYTES);
        let mut reader = Reader { frames, words, frame: buffer(), header: [0; HEADER], got: 0, now: None };
        thread::Builder::new().name("camera-feed".into()).spawn(move || {
            let ended = reader.run(&shared);
            shared.slot().ended = Some(ended);
            shared.arrived.notify_all();
        })?;
        Ok(feed)
    }

    /// Waits up to `patience` for a frame newer than the last one taken.
    pub(super) fn take(&mut self, patience: Duration) -> Take<'_> {
        let slot = self.shared.slot();
        let waited = self
            .shared
            .arrived
            .wait_timeout_while(slot, patience, |s| s.newest.is_none() && s.ended.is_none());
        let mut slot = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(slot, _)| slot);
        if let Some(header) = slot.newest.take() {
            mem::swap(&mut slot.buffer, &mut self.own);
            drop(slot);
            return Take::Frame(header, &self.own[..header.length()]);
        }
        slot.ended.clone().map_or(Take::Nothing, Take::Ended)
    }

    /// Kills the process with all it started. Gives it back when it does not die (its driver hangs), so that it can
    /// be waited for.
    pub(super) fn end(mut self) -> Option<Child> {
        self.kill()
    }

    fn kill(&mut self) -> Option<Child> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut child = self.child.take()?;
        if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
            // Gone already is as good.
            let _ = kill_process_group(group, Signal::KILL);
        }
        for _ in 0..20 {
            match child.try_wait() {
                Ok(Some(_)) => return None,
                Ok(None) => pause(Millis(10)),
                Err(_) => break,
            }
        }
        Some(child)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        // A panic between two moves leaves the slot valid.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    frames: ChildStdout,
    words: ChildStderr,
    frame: Box<[u8]>,
    header: [u8; HEADER],
    /// Bytes had of the header, or of the pixels once there is a header.
    got: usize,
    now: Option<Header>,
}

impl Reader {
    /// Reads until there is nothing more to read or to be trusted; says why.
    fn run(&mut self, shared: &Shared) -> CameraError {
        let mut last_words = LastWords::default();
        let mut words_open = true;
        while !shared.stop.load(Ordering::Relaxed) {
            let mut fds = [
                PollFd::new(&self.frames, PollFlags::IN),
                PollFd::from_borrowed_fd(
                    if words_open { self.words.as_fd() } else { self.frames.as_fd() },
                    PollFlags::IN,
                ),
            ];
            match poll(&mut fds, Some(&TICK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(e) => return CameraError::Refused(detail(format_args!("the camera's pipe broke: {e}"))),
            }
            let (frames, words) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if words && words_open {
                words_open = last_words.read(&mut self.words);
            }
            if frames {
                match self.read_frame(shared) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(why) => return CameraError::Garbage(detail(format_args!("{why}"))),
                }
            }
        }
        // What it said last arrives with or just before its end.
        while words_open && !shared.stop.load(Ordering::Relaxed) {
            let mut fds = [PollFd::new(&self.words, PollFlags::IN)];
            match poll(&mut fds, Some(&TICK)) {
                Ok(1) => words_open = last_words.read(&mut self.words),
                Ok(_) | Err(_) => break,
            }
        }
        last_words.meaning()
    }

    /// Takes what the pipe holds; `false` at its end.
    fn read_frame(&mut self, shared: &Shared) -> Result<bool, &'static str> {
        let room = match &self.now {
            None => &mut self.header[self.got..],
            Some(header) => &mut self.frame[self.got..header.length()],
        };
        match self.frames.read(room) {
            Ok(0) => return Ok(false),
            Ok(n) => self.got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(false),
        }
        match self.now {
            None if self.got == HEADER => {
                self.now = Some(Header::decode(&self.header)?);
                self.got = 0;
            }
            Some(header) if self.got == header.length() => {
                let mut slot = shared.slot();
                mem::swap(&mut slot.buffer, &mut self.frame);
                slot.newest = Some(header);
                drop(slot);
                shared.arrived.notify_one();
                self.now = None;
                self.got = 0;
            }
            None | Some(_) => {}
        }
        Ok(true)
    }
}

/// The last line of the process that tells of a trouble, and the last line of any kind.
#[derive(Default)]
struct LastWords {
    line: heapless::String<MAX_LINE>,
    last: heapless::String<MAX_LINE>,
    trouble: Option<CameraError>,
}

impl LastWords {
    /// `false` at the end.
    fn read(&mut self, words: &mut ChildStderr) -> bool {
        let mut bytes = [0; 512];
        match words.read(&mut bytes) {
            Ok(0) => {
                self.line_ends();
                false
            }
            Ok(n) => {
                for byte in &bytes[..n] {
                    self.take(*byte);
                }
                true
            }
            Err(e) => e.kind() == io::ErrorKind::Interrupted,
        }
    }

    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.line_ends(),
            // What does not fit is cut; control characters must not reach a terminal.
            0x20..0x7f => drop(self.line.push(char::from(byte))),
            _ => drop(self.line.push('?')),
        }
    }

    fn line_ends(&mut self) {
        if self.line.is_empty() {
            return;
        }
        match parse_trouble(&self.line) {
            Some(trouble) => self.trouble = Some(trouble),
            None => self.last.clone_from(&self.line),
        }
        self.line.clear();
    }

    fn meaning(self) -> CameraError {
        let last = if self.last.is_empty() { "it said nothing" } else { self.last.as_str() };
        self.trouble
            .unwrap_or_else(|| CameraError::Refused(detail(format_args!("the camera process ended: {last}"))))
    }
}
