//! Which screen the visitor sees.
//!
//! Owns: the order of what may be shown, how long a result stays, and that a screen is sent only when it changes.
//! Does not own: pixels (`device`), what happened.
//! Invariants: nothing shown says why a face was not recognised, nor names anyone but who was let in; life
//! before fault, fault before result, result before alarm, alarm before advice.

use ostiary_domain::screen::AlarmKind;
use ostiary_domain::{
    ClockTrust, Detection, Guidance, Millis, Mono, Now, PunchKind, QualityReasons, Rect, Screen, Utc,
    VisitorReason,
};

/// A minute: the idle screen's clock shows no less.
const MINUTE_MS: i64 = 60_000;
/// Steps a face's box moves in, per side of the frame: smaller moves are not worth a new picture.
const STEPS: f32 = 64.0;

/// What the gate knows that may want to be shown.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "what may want to be shown, each apart from the others")]
pub(super) struct View<'a> {
    pub(super) fire: bool,
    pub(super) fault: Option<&'a str>,
    pub(super) forced: bool,
    pub(super) held: bool,
    pub(super) tampered: bool,
    pub(super) locked_out: bool,
    pub(super) lockdown: bool,
    pub(super) somebody: bool,
    /// Digits being typed, a second person awaited.
    pub(super) course: Option<Screen>,
    /// This is a kiosk, and what it says while nobody is there.
    pub(super) kiosk: Option<Kiosk>,
}

/// What the idle screen of a kiosk says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kiosk {
    pub(super) kind: Option<PunchKind>,
    pub(super) keys: [Option<PunchKind>; 6],
}

/// The display's memory.
#[derive(Clone, Debug)]
pub(super) struct Screens {
    shown: Option<Screen>,
    result: Option<(Screen, Mono)>,
    result_span: Millis,
    guidance: Guidance,
    face: Option<Rect>,
    frame: Option<(u32, u32)>,
    link_up: Option<bool>,
    queued: u32,
}

impl Screens {
    pub(super) const fn new(result_span: Millis) -> Self {
        Self {
            shown: None,
            result: None,
            result_span,
            guidance: Guidance::LookHere,
            face: None,
            frame: None,
            link_up: None,
            queued: 0,
        }
    }

    /// A result, for its time.
    pub(super) fn result(&mut self, screen: Screen, now: Mono) {
        self.result = Some((screen, now.after(self.result_span)));
    }

    /// What the visitor should do, and where the face is.
    pub(super) fn guide(&mut self, reasons: QualityReasons, face: Option<&Detection>) {
        self.guidance = reasons.first().map_or(Guidance::HoldStill, Guidance::from);
        self.face = face.zip(self.frame).and_then(|(face, frame)| fraction(&face.bbox, frame));
    }

    /// Nobody is seen just now.
    pub(super) const fn look_here(&mut self) {
        (self.guidance, self.face) = (Guidance::LookHere, None);
    }

    /// A result that no longer holds.
    pub(super) fn drop_result(&mut self) {
        self.result = None;
    }

    pub(super) const fn link(&mut self, up: Option<bool>, queued: u32) {
        (self.link_up, self.queued) = (up, queued);
    }

    pub(super) const fn frame(&mut self, width: u32, height: u32) {
        self.frame = Some((width, height));
    }

    /// The screen to be shown now, where it is another than the last.
    pub(super) fn next(&mut self, view: &View<'_>, now: Now) -> Option<Screen> {
        self.result = self.result.take().filter(|(_, until)| now.mono < *until);
        let screen = self.choose(view, now);
        if self.shown.as_ref() == Some(&screen) {
            return None;
        }
        self.shown = Some(screen.clone());
        Some(screen)
    }

    /// When the screen changes by itself.
    pub(super) fn deadline(&self, now: Now) -> Option<Mono> {
        let result = self.result.as_ref().map(|(_, until)| *until);
        let idle = matches!(
            self.shown,
            Some(Screen::Idle { time: Some(_), .. } | Screen::Kiosk { time: Some(_), .. })
        );
        let minute = idle.then(|| {
            let left = MINUTE_MS - now.utc.0.rem_euclid(MINUTE_MS);
            now.mono.after(Millis(left.unsigned_abs()))
        });
        [result, minute].into_iter().flatten().min()
    }

    fn choose(&self, view: &View<'_>, now: Now) -> Screen {
        if view.fire {
            return Screen::Alarm(AlarmKind::Fire);
        }
        if let Some(what) = view.fault {
            return Screen::Fault { what: ostiary_domain::clipped(what) };
        }
        if let Some((result, _)) = &self.result {
            return result.clone();
        }
        if let Some(course) = &view.course {
            return course.clone();
        }
        if view.forced {
            return Screen::Alarm(AlarmKind::Forced);
        }
        if view.held {
            return Screen::Alarm(AlarmKind::Held);
        }
        if view.tampered {
            return Screen::Alarm(AlarmKind::Tamper);
        }
        if view.lockdown {
            return Screen::Denied { reason: VisitorReason::Closed };
        }
        if view.locked_out && view.somebody {
            return Screen::Denied { reason: VisitorReason::Wait };
        }
        if view.somebody {
            return Screen::Look { face: self.face, guidance: self.guidance };
        }
        let minute = Utc(now.utc.0 - now.utc.0.rem_euclid(MINUTE_MS));
        let time = match now.trust {
            ClockTrust::Trusted => Some(minute),
            ClockTrust::Untrusted => None,
        };
        if let Some(Kiosk { kind, keys }) = view.kiosk {
            return Screen::Kiosk { time, kind, keys };
        }
        Screen::Idle { time, link_up: self.link_up, queued: self.queued }
    }
}

/// Pixels to fractions of the frame, in steps, cut at its edges; `None` for a box outside or without a size.
fn fraction(bbox: &Rect, (width, height): (u32, u32)) -> Option<Rect> {
    if width == 0 || height == 0 {
        return None;
    }
    let step = |value: f32, side: u32| (value / side as f32 * STEPS + 0.5) as i32 as f32 / STEPS;
    let cut = |value: f32, side: u32| step(value, side).clamp(0.0, 1.0);
    let (x, y) = (cut(bbox.x, width), cut(bbox.y, height));
    let (right, bottom) = (cut(bbox.x + bbox.w, width), cut(bbox.y + bbox.h, height));
    (right > x && bottom > y).then_some(Rect { x, y, w: right - x, h: bottom - y })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_in_pixels_becomes_fractions_cut_at_the_edge() {
        let bbox = Rect { x: -32.0, y: 120.0, w: 192.0, h: 600.0 };
        assert_eq!(fraction(&bbox, (640, 480)), Some(Rect { x: 0.0, y: 0.25, w: 0.25, h: 0.75 }));
        assert_eq!(fraction(&Rect { x: 700.0, ..bbox }, (640, 480)), None);
        assert_eq!(fraction(&bbox, (0, 480)), None);
        assert_eq!(fraction(&Rect { x: f32::NAN, y: 0.0, w: f32::NAN, h: 1.0 }, (640, 480)), None);
    }

    #[test]
    fn a_screen_is_sent_once_and_the_clock_turns_by_the_minute() {
        let mut screens = Screens::new(Millis::secs(3));
        let at = |ms: u64| Now { mono: Mono(ms), utc: Utc(ms as i64), trust: ClockTrust::Trusted };
        let view = View::default();
        assert!(screens.next(&view, at(10_000)).is_some());
        assert_eq!(screens.next(&view, at(59_999)), None);
        assert_eq!(screens.deadline(at(59_999)), Some(Mono(60_000)));
        assert!(screens.next(&view, at(60_000)).is_some());
    }

    #[test]
    fn life_then_fault_then_result_then_alarm() {
        let mut screens = Screens::new(Millis::secs(3));
        let now = Now::default();
        screens.result(Screen::Denied { reason: VisitorReason::NotRecognised }, now.mono);
        let all = View { fire: true, fault: Some("x"), forced: true, somebody: true, ..View::default() };
        assert_eq!(screens.choose(&all, now), Screen::Alarm(AlarmKind::Fire));
        let fault = View { fire: false, ..all };
        assert!(matches!(screens.choose(&fault, now), Screen::Fault { .. }));
        let result = View { fault: None, ..fault };
        assert!(matches!(screens.choose(&result, now), Screen::Denied { .. }));
        screens.drop_result();
        assert_eq!(screens.choose(&result, now), Screen::Alarm(AlarmKind::Forced));
    }
}
