//! What the camera sees and the display says, for somebody at the console who watches.
//!
//! Owns: the one picture that is kept for a moment, and who asked for it. Does not own: encoding, who may watch
//! (`commands/watch`). Overflow policy: a newer picture takes the place of the last; while somebody reads it the vision
//! thread does not wait and leaves the picture out.
//! Invariants: nothing is copied unless somebody asked within the last [`INTEREST`]; nothing is ever written to a disk;
//! a picture is forgotten when nobody watches; no allocation a frame once the first was copied.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{Frame, Look, LookVerdict, Millis, Mono, Rect, Screen};

/// How long one asking keeps pictures coming.
const INTEREST: Millis = Millis::secs(3);
/// Pictures a second at most.
const APART: Millis = Millis(150);
/// Longest wait for a picture.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Longest side of a picture as it is shown, in pixels.
const SIDE: u32 = 640;
/// A screen stays at least so long for somebody who asks twice a second.
const SCREEN: Millis = Millis(900);

/// The window of the console onto the door.
#[derive(Default)]
pub struct Window {
    wanted_until: AtomicU64,
    sight: Mutex<Option<View>>,
    arrived: Condvar,
    screen: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    now: Option<Screen>,
    /// The last one that was about a visitor, and when it came.
    visitor: Option<(Screen, Mono)>,
}

/// One picture.
#[derive(Clone)]
pub struct View {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// RGB, row by row.
    pub rgb: Vec<u8>,
    /// When it was captured.
    pub captured: Mono,
    /// The face that is looked at, in fractions of the picture.
    pub face: Option<Rect>,
    /// Faces seen.
    pub faces: u8,
    /// `still`, `nobody`, `refused`, `unsure`, `spoof` or `living`.
    pub found: &'static str,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "View({}x{}, <redacted>)", self.width, self.height)
    }
}

impl Window {
    /// Whether the vision thread should call [`Window::saw`] for a frame of that time.
    #[must_use]
    pub fn is_wanted(&self, now: Mono) -> bool {
        now.0 < self.wanted_until.load(Ordering::Relaxed)
    }

    /// A frame was looked at.
    pub fn saw(&self, frame: Frame<'_>, look: &Look) {
        let Ok(mut sight) = self.sight.try_lock() else { return };
        if sight.as_ref().is_some_and(|v| look.captured.since(v.captured) < APART) {
            return;
        }
        let (width, height) = (frame.width(), frame.height());
        let step = width.max(height).div_ceil(SIDE).max(1);
        let mut view = sight.take().unwrap_or_else(View::empty);
        (view.width, view.height) = (width / step, height / step);
        shrink(frame.rgb(), width as usize, step as usize, &mut view);
        view.captured = look.captured;
        let scale = |v: f32, whole: u32| v / whole as f32;
        view.face = look.subject.as_ref().map(|(_, d)| Rect {
            x: scale(d.bbox.x, width),
            y: scale(d.bbox.y, height),
            w: scale(d.bbox.w, width),
            h: scale(d.bbox.h, height),
        });
        view.faces = look.faces;
        view.found = match look.verdict {
            LookVerdict::Still => "still",
            LookVerdict::Nobody => "nobody",
            LookVerdict::Refused(_) => "refused",
            LookVerdict::Unsure => "unsure",
            LookVerdict::Spoof => "spoof",
            LookVerdict::Matched(_) => "living",
        };
        *sight = Some(view);
        self.arrived.notify_all();
    }

    /// Nobody watches any more: what is left is forgotten.
    pub fn forget(&self) {
        if let Ok(mut sight) = self.sight.try_lock() {
            *sight = None;
        }
    }

    /// The newest picture, waited for a little; `None` when the camera delivers none.
    pub fn look(&self, now: Mono) -> Option<View> {
        self.wanted_until.fetch_max(now.after(INTEREST).0, Ordering::Relaxed);
        let sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        let old = |v: &mut Option<View>| v.as_ref().is_none_or(|v| now.since(v.captured) > Millis(2_000));
        let waited = self.arrived.wait_timeout_while(sight, PATIENCE, old);
        let (sight, ended) = waited.unwrap_or_else(PoisonError::into_inner);
        if ended.timed_out() { None } else { sight.clone() }
    }

    /// The display shows something else.
    pub fn shows(&self, screen: &Screen, now: Mono) {
        let mut shown = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        if is_about_a_visitor(screen) {
            shown.visitor = Some((screen.clone(), now));
        }
        shown.now = Some(screen.clone());
    }

    /// What the display shows; a welcome or a refusal that has just gone still counts.
    #[must_use]
    pub fn screen(&self, now: Mono) -> Option<Screen> {
        let shown = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        match &shown.visitor {
            Some((screen, at)) if now.since(*at) < SCREEN => Some(screen.clone()),
            Some(_) | None => shown.now.clone(),
        }
    }
}

impl View {
    fn empty() -> Self {
        Self {
            width: 0,
            height: 0,
            rgb: Vec::new(),
            captured: Mono(0),
            face: None,
            faces: 0,
            found: "nobody",
        }
    }
}

const fn is_about_a_visitor(screen: &Screen) -> bool {
    matches!(screen, Screen::Welcome { .. } | Screen::Punched { .. } | Screen::Denied { .. })
}

/// Every `step`-th pixel of every `step`-th row.
fn shrink(rgb: &[u8], width: usize, step: usize, view: &mut View) {
    view.rgb.clear();
    let (columns, rows) = (view.width as usize, view.height as usize);
    for row in 0..rows {
        let line = &rgb[row * step * width * 3..][..width * 3];
        if step == 1 {
            view.rgb.extend_from_slice(line);
        } else {
            for pixel in line.chunks_exact(3 * step).take(columns) {
                view.rgb.extend_from_slice(&pixel[..3]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::FrameMeta;

    fn look(at: u64) -> Look {
        Look { captured: Mono(at), frame_seq: at, subject: None, faces: 0, verdict: LookVerdict::Nobody }
    }

    fn show(window: &Window, at: u64, width: u32, height: u32) {
        let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i / 3 % width % 251) as u8).collect();
        let meta = FrameMeta { width, height, captured: Mono(at), seq: at };
        window.saw(Frame::new(&rgb, meta).unwrap(), &look(at));
    }

    #[test]
    fn pictures_come_only_while_somebody_watches_and_are_small() {
        let window = Window::default();
        assert!(!window.is_wanted(Mono(0)));
        show(&window, 1_000, 1_280, 960);
        let view = window.look(Mono(1_000)).unwrap();
        assert_eq!((view.width, view.height, view.rgb.len()), (640, 480, 640 * 480 * 3));
        assert_eq!(view.rgb[..9], [0, 0, 0, 2, 2, 2, 4, 4, 4], "every second pixel");
        assert!(window.is_wanted(Mono(3_999)) && !window.is_wanted(Mono(4_000)));
        show(&window, 1_100, 64, 64);
        assert_eq!(window.look(Mono(1_100)).unwrap().width, 640, "not more often than it is good for");
        show(&window, 1_200, 301, 7);
        assert_eq!(window.look(Mono(1_200)).unwrap().rgb.len(), 301 * 7 * 3);
        window.forget();
        assert!(window.look(Mono(9_000)).is_none(), "a camera that is silent");
    }

    #[test]
    fn a_refusal_stays_long_enough_to_be_read() {
        let window = Window::default();
        assert!(window.screen(Mono(0)).is_none());
        let denied = Screen::Denied { reason: crate::domain::VisitorReason::NotAllowed };
        let idle = Screen::Idle { time: None, link_up: None, queued: 0 };
        window.shows(&denied, Mono(1_000));
        window.shows(&idle, Mono(1_200));
        assert_eq!(window.screen(Mono(1_500)), Some(denied));
        assert_eq!(window.screen(Mono(2_000)), Some(idle));
    }
}
