//! One attempt at the door: from looks on a track to a finding.
//!
//! Owns: how many looks of one track must agree, and which tracks are closed for how long.
//! Does not own: whether the finding lets anybody in (`rules`), what is shown (`screens`).
//! Invariants: a finding of a person rests on that many looks of different frames, in a row, on one track, within
//! the window; a track found to be an attack never yields another finding; memory is bounded, and where it runs
//! out tracks are closed, not forgotten.

use super::config::{GateConfig, MAX_LOOK_AGE, REPEAT_DENIAL};
use ostiary_domain::limits::MAX_NAME;
use ostiary_domain::{
    DenyReason, Look, LookVerdict, Match, Millis, Mono, PersonId, QualityReasons, Standing, TrackId,
};

/// Tracks with an attempt of their own; the one longest unseen makes room.
const MAX_TRACKS: usize = 8;
/// Attacking tracks remembered one by one; see [`Spoofed`].
const MAX_SPOOFED: usize = 16;

/// What one look adds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// Nothing: too old, a frame seen before, or nothing moved.
    Nothing,
    /// Nobody is there.
    Nobody,
    /// Somebody is there whose picture is not good enough yet; empty reasons: good enough, go on.
    Somebody(QualityReasons),
    /// Somebody is there whose attempt is closed for now.
    Closed(TrackId),
    /// The attempt came to a finding.
    Found(TrackId, Found),
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// Not a living face.
    Spoof,
    /// Nobody that is enrolled.
    Unknown,
    /// Two people too much alike.
    LowMargin,
    /// The same person, often enough.
    Person {
        id: PersonId,
        name: heapless::String<MAX_NAME>,
        standing: Standing,
        /// When the first of the looks that agreed was captured.
        since: Mono,
    },
}

/// The attempts of all tracks.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    tracks: heapless::Vec<Attempt, MAX_TRACKS>,
    spoofed: Spoofed,
    paused_until: Option<Mono>,
    needed: u8,
    unknown_frames: u8,
    window: Millis,
    regrant: Millis,
    retry: Millis,
    pause: Millis,
}

#[derive(Clone, Debug)]
struct Attempt {
    track: TrackId,
    seen: Mono,
    newest_frame: Option<u64>,
    closed_until: Mono,
    streak: Option<Streak>,
    unknown: u8,
    low_margin: u8,
    denied: Option<(DenyReason, Mono)>,
}

#[derive(Clone, Debug)]
struct Streak {
    person: PersonId,
    looks: u8,
    since: Mono,
}

impl Attempts {
    pub(super) fn new(config: &GateConfig) -> Self {
        let s = config.settings();
        let ms = |ms: u32| Millis(u64::from(ms));
        Self {
            tracks: heapless::Vec::new(),
            spoofed: Spoofed::default(),
            paused_until: None,
            needed: s.consistent_frames,
            unknown_frames: s.unknown_frames,
            window: ms(s.consistent_window_ms),
            regrant: ms(s.regrant_ms),
            retry: ms(s.retry_ms),
            pause: ms(s.spoof_pause_ms),
        }
    }

    /// Takes a look.
    pub(super) fn look(&mut self, look: &Look, now: Mono) -> Heard {
        // A stamp from the future is as little worth as one from the past.
        if now.since(look.captured) > MAX_LOOK_AGE || look.captured.since(now) > MAX_LOOK_AGE {
            return Heard::Nothing;
        }
        let Some((track, _)) = look.subject else {
            return match look.verdict {
                LookVerdict::Still => Heard::Nothing,
                LookVerdict::Nobody
                | LookVerdict::Refused(_)
                | LookVerdict::Unsure
                | LookVerdict::Spoof
                | LookVerdict::Matched(_) => Heard::Nobody,
            };
        };
        if self.spoofed.contains(track) {
            return Heard::Closed(track);
        }
        let paused = self.paused_until.is_some_and(|until| now < until);
        let (needed, unknown_frames, window) = (self.needed, self.unknown_frames, self.window);
        let attempt = self.attempt(track, now);
        if attempt.newest_frame.is_some_and(|newest| look.frame_seq <= newest) {
            return Heard::Nothing;
        }
        (attempt.newest_frame, attempt.seen) = (Some(look.frame_seq), now);
        if matches!(look.verdict, LookVerdict::Spoof) {
            self.spoofed(track, now);
            return Heard::Found(track, Found::Spoof);
        }
        if paused || now < attempt.closed_until {
            // What is passed over must not join what lies before it and behind it.
            attempt.reset();
            return Heard::Closed(track);
        }
        match &look.verdict {
            LookVerdict::Still | LookVerdict::Nobody | LookVerdict::Spoof => Heard::Nothing,
            LookVerdict::Refused(reasons) => Heard::Somebody(*reasons),
            LookVerdict::Unsure => Heard::Somebody(QualityReasons::default()),
            LookVerdict::Matched(found) => attempt
                .matched(found, look.captured, needed, unknown_frames, window)
                .map_or(Heard::Somebody(QualityReasons::default()), |found| {
                    attempt.reset();
                    Heard::Found(track, found)
                }),
        }
    }

    /// The finding let somebody in: the track is closed for the re-grant time.
    pub(super) fn granted(&mut self, track: TrackId, now: Mono) {
        let regrant = self.regrant;
        let attempt = self.attempt(track, now);
        (attempt.closed_until, attempt.denied) = (now.after(regrant), None);
    }

    /// The finding kept somebody out: the track is closed for the retry time. `true` where it is news, `false`
    /// where the same was said of this track a short while ago.
    pub(super) fn denied(&mut self, track: TrackId, reason: DenyReason, now: Mono) -> bool {
        let retry = self.retry;
        let attempt = self.attempt(track, now);
        attempt.closed_until = now.after(retry);
        let known = attempt.denied.is_some_and(|(r, at)| r == reason && now.since(at) < REPEAT_DENIAL);
        if !known {
            attempt.denied = Some((reason, now));
        }
        !known
    }

    /// Whether the track was found to be an attack.
    pub(super) fn is_spoofed(&self, track: TrackId) -> bool {
        self.spoofed.contains(track)
    }

    /// Everything that was begun is void; what was closed stays closed.
    pub(super) fn interrupt(&mut self) {
        self.tracks.iter_mut().for_each(Attempt::reset);
    }

    fn spoofed(&mut self, track: TrackId, now: Mono) {
        self.spoofed.insert(track);
        self.tracks.retain(|a| a.track != track);
        self.paused_until = Some(now.after(self.pause));
    }

    fn attempt(&mut self, track: TrackId, now: Mono) -> &mut Attempt {
        if let Some(at) = self.tracks.iter().position(|a| a.track == track) {
            return &mut self.tracks[at];
        }
        if self.tracks.is_full() {
            let oldest = (0..self.tracks.len()).min_by_key(|i| self.tracks[*i].seen).unwrap_or(0);
            self.tracks.swap_remove(oldest);
        }
        // There is room now.
        let _ = self.tracks.push(Attempt::new(track, now));
        let newest = self.tracks.len() - 1;
        &mut self.tracks[newest]
    }
}

impl Attempt {
    const fn new(track: TrackId, now: Mono) -> Self {
        Self {
            track,
            seen: now,
            newest_frame: None,
            closed_until: Mono(0),
            streak: None,
            unknown: 0,
            low_margin: 0,
            denied: None,
        }
    }

    fn reset(&mut self) {
        (self.streak, self.unknown, self.low_margin) = (None, 0, 0);
    }

    fn matched(
        &mut self,
        found: &Match,
        captured: Mono,
        needed: u8,
        unknown_frames: u8,
        window: Millis,
    ) -> Option<Found> {
        match found {
            Match::Person { id, name, standing, .. } => {
                let streak = match self.streak.take() {
                    Some(s) if s.person == *id && captured.since(s.since) <= window => {
                        Streak { looks: s.looks.saturating_add(1), ..s }
                    }
                    // Another person, or the same too long ago.
                    Some(_) | None => Streak { person: id.clone(), looks: 1, since: captured },
                };
                let since = streak.since;
                let enough = streak.looks >= needed;
                self.streak = Some(streak);
                enough.then(|| Found::Person {
                    id: id.clone(),
                    name: name.clone(),
                    standing: *standing,
                    since,
                })
            }
            Match::Unknown { .. } => {
                self.streak = None;
                self.unknown = self.unknown.saturating_add(1);
                self.stranger(unknown_frames)
            }
            Match::LowMargin { .. } => {
                self.streak = None;
                self.low_margin = self.low_margin.saturating_add(1);
                self.stranger(unknown_frames)
            }
        }
    }

    /// Looks without an identity add up whatever comes between them: a face that is somebody only now and then
    /// is nobody.
    const fn stranger(&self, unknown_frames: u8) -> Option<Found> {
        if self.unknown.saturating_add(self.low_margin) < unknown_frames {
            None
        } else if self.unknown >= self.low_margin {
            Some(Found::Unknown)
        } else {
            Some(Found::LowMargin)
        }
    }
}

/// Tracks found to be attacks, for ever. Track numbers rise, so when there are too many to remember one by one the
/// lowest is given up for a mark below which every track is closed.
#[derive(Clone, Debug, Default)]
struct Spoofed {
    tracks: heapless::Vec<TrackId, MAX_SPOOFED>,
    closed_to: Option<TrackId>,
}

impl Spoofed {
    fn contains(&self, track: TrackId) -> bool {
        self.closed_to.is_some_and(|mark| track <= mark) || self.tracks.contains(&track)
    }

    fn insert(&mut self, track: TrackId) {
        if self.contains(track) {
            return;
        }
        if self.tracks.is_full() {
            let lowest = (0..self.tracks.len()).min_by_key(|i| self.tracks[*i]).unwrap_or(0);
            let lowest = self.tracks.swap_remove(lowest);
            self.closed_to = self.closed_to.max(Some(lowest));
        }
        // There is room now.
        let _ = self.tracks.push(track);
    }
}
