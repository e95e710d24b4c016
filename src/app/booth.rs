//! What the door's own camera does for a command: an enrolment, or a face session.
//!
//! Owns: the job at the camera, its looks, its attempts and its end by time. Does not own: vision, what is enrolled
//! (`commands`), the walk-up's decisions.
//! Rules: an enrolment takes looks of one living person only, apart in time, that resemble each other; while it runs,
//! no look reaches the gate, so that the door neither greets nor turns away who is being enrolled. A session never
//! opens or bars the door: the walk-up goes on beside it. An attempt is one track with three living looks that are
//! somebody else's, or one attack.
//! Invariants: one enrolment at a time, at most eight sessions; all end by time; of a session's photo only its
//! template is ever kept, in memory; when nothing is to be done the vision thread pays one relaxed load a frame.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::{
    Calibration, Embedding, Frame, Guidance, Look, LookVerdict, Millis, Mono, Now, QualityReasons, Screen,
    TrackId,
};
use crate::link::wire::{
    Caller, CameraProgress, CameraStage, Code, Enrolled, Moment, PersonPut, Refusal, SessionView,
};
use crate::matching::MatchLevel;
use crate::picture::Picture;
use crate::vision::{Examined, Purpose, Vision};

/// Between two looks of an enrolment.
const APART: Millis = Millis(400);
const MAX_SESSIONS: usize = 8;
/// After this nothing of a session is left (SPEC 3.3).
const SESSION_TIME: Millis = Millis::secs(600);
/// Living looks of one track that use an attempt up.
const LOOKS_OF_AN_ATTEMPT: u8 = 3;

/// The camera's work for commands.
pub struct Booth {
    active: AtomicBool,
    state: Mutex<State>,
    taken: SyncSender<Taken>,
}

/// A person who stood before the camera, ready to be enrolled.
pub struct Taken {
    /// Who asked.
    pub caller: Caller,
    /// Who it is.
    pub put: PersonPut,
    /// Living looks of them.
    pub shots: Vec<(Box<Examined>, Picture)>,
}

#[derive(Default)]
struct State {
    job: Option<Job>,
    sessions: VecDeque<Session>,
}

struct Job {
    caller: Caller,
    put: PersonPut,
    wanted: u8,
    until: Mono,
    track: Option<TrackId>,
    last: Mono,
    shots: Vec<(Box<Examined>, Picture)>,
    count: u8,
    reasons: QualityReasons,
    stage: CameraStage,
    outcome: Option<Result<Enrolled, Refusal>>,
    shown: Option<Screen>,
}

struct Session {
    id: String,
    nonce: String,
    template: Embedding,
    level: MatchLevel,
    attempts_left: u8,
    track: Option<TrackId>,
    misses: u8,
    finished: bool,
    match_level: u8,
    until: Mono,
    expires: Moment,
}

/// What becomes of a look.
pub struct Attention {
    /// Whether the gate sees it.
    pub pass_on: bool,
    /// What the display shows instead.
    pub screen: Option<Screen>,
}

impl Booth {
    /// A booth without work, and where finished enrolments come out.
    #[must_use]
    pub fn new() -> (Self, Receiver<Taken>) {
        let (taken, finished) = sync_channel(1);
        (Self { active: AtomicBool::new(false), state: Mutex::default(), taken }, finished)
    }

    /// Whether the vision thread should call [`Booth::saw`].
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Begins an enrolment.
    ///
    /// # Errors
    /// `Conflict` while another one runs.
    pub fn enrol(
        &self,
        caller: Caller,
        put: PersonPut,
        wanted: u8,
        within: Millis,
        now: Mono,
    ) -> Result<CameraProgress, Refusal> {
        let mut state = self.state();
        state.expire(now);
        if state.job.as_ref().is_some_and(Job::is_running) {
            return Err(Refusal::new(Code::Conflict, "somebody is being enrolled at the camera already"));
        }
        let job = Job {
            caller,
            put,
            wanted,
            until: now.after(within),
            track: None,
            last: Mono(0),
            shots: Vec::new(),
            count: 0,
            reasons: QualityReasons::default(),
            stage: CameraStage::Looking,
            outcome: None,
            shown: None,
        };
        let progress = job.progress();
        state.job = Some(job);
        self.active.store(true, Ordering::Relaxed);
        Ok(progress)
    }

    /// How the enrolment fares, or fared.
    ///
    /// # Errors
    /// `NotFound` when there was none.
    pub fn progress(&self, now: Mono) -> Result<CameraProgress, Refusal> {
        let mut state = self.state();
        state.expire(now);
        state.job.as_ref().map(Job::progress).ok_or_else(nobody)
    }

    /// Ends the enrolment, unless it is being written.
    ///
    /// # Errors
    /// `NotFound` when there was none.
    pub fn cancel(&self) -> Result<CameraProgress, Refusal> {
        let mut state = self.state();
        let job = state.job.as_mut().ok_or_else(nobody)?;
        if job.stage == CameraStage::Looking {
            job.fail(Refusal::new(Code::Conflict, "the enrolment was cancelled"));
        }
        Ok(job.progress())
    }

    /// The enrolment was written, or not.
    pub fn written(&self, outcome: Result<Enrolled, Refusal>) {
        if let Some(job) = &mut self.state().job {
            job.stage = if outcome.is_ok() { CameraStage::Done } else { CameraStage::Failed };
            job.outcome = Some(outcome);
        }
    }

    /// Begins a session.
    ///
    /// # Errors
    /// `Conflict` when eight are open.
    pub fn open_session(
        &self,
        (id, nonce): (String, String),
        template: Embedding,
        level: MatchLevel,
        attempts: u8,
        now: Now,
    ) -> Result<SessionView, Refusal> {
        let mut state = self.state();
        state.expire(now.mono);
        if state.sessions.len() >= MAX_SESSIONS {
            return Err(Refusal::new(Code::Conflict, format!("{MAX_SESSIONS} sessions are open already")));
        }
        let session = Session {
            id,
            nonce,
            template,
            level,
            attempts_left: attempts,
            track: None,
            misses: 0,
            finished: false,
            match_level: 0,
            until: now.mono.after(SESSION_TIME),
            expires: Moment(now.utc.0 + SESSION_TIME.0 as i64),
        };
        let view = session.view();
        state.sessions.push_back(session);
        self.active.store(true, Ordering::Relaxed);
        Ok(view)
    }

    /// How a session stands.
    ///
    /// # Errors
    /// `NotFound` for one that is not, or not any more.
    pub fn session(&self, id: &str, now: Mono) -> Result<SessionView, Refusal> {
        let mut state = self.state();
        state.expire(now);
        let found = state.sessions.iter().find(|s| s.id == id);
        found.map(Session::view).ok_or_else(|| Refusal::not_found("session", id))
    }

    /// The vision thread looked at a frame; `live` is the living face's template where there was one.
    pub fn saw(
        &self,
        vision: &mut Vision,
        frame: Frame<'_>,
        look: &Look,
        live: Option<&Embedding>,
        calibration: &Calibration,
        now: Mono,
    ) -> Attention {
        let mut state = self.state();
        state.expire(now);
        state.attend(look, live, calibration);
        let running = state.job.as_mut().filter(|job| job.stage == CameraStage::Looking);
        let attention = match running {
            None => Attention { pass_on: true, screen: None },
            Some(job) => {
                let guidance = job.look(vision, frame, look, now);
                let screen = Screen::Enrol { taken: job.count, wanted: job.wanted, guidance };
                let screen = (job.shown.as_ref() != Some(&screen)).then_some(screen);
                if screen.is_some() {
                    job.shown.clone_from(&screen);
                }
                if job.stage == CameraStage::Looking && job.count == job.wanted {
                    job.stage = CameraStage::Writing;
                    let taken = Taken {
                        caller: job.caller.clone(),
                        put: job.put.clone(),
                        shots: std::mem::take(&mut job.shots),
                    };
                    if self.taken.try_send(taken).is_err() {
                        job.fail(Refusal::busy("the last enrolment is still being written"));
                    }
                }
                Attention { pass_on: false, screen }
            }
        };
        let looking = state.job.as_ref().is_some_and(|job| job.stage == CameraStage::Looking);
        let open = state.sessions.iter().any(|s| !s.finished);
        self.active.store(looking || open, Ordering::Relaxed);
        attention
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counts and looks of one job; a panic in between ends at worst that job by its time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn expire(&mut self, now: Mono) {
        self.sessions.retain(|session| now < session.until);
        if let Some(job) = self.job.as_mut().filter(|j| j.stage == CameraStage::Looking && now >= j.until) {
            job.fail(Refusal {
                reasons: job.reasons.iter().map(|r| r.name().to_owned()).collect(),
                ..Refusal::new(
                    Code::FaceQuality,
                    "nobody who could be enrolled stood before the camera in time",
                )
            });
        }
    }

    /// The oldest session that is not finished sees the look.
    fn attend(&mut self, look: &Look, live: Option<&Embedding>, calibration: &Calibration) {
        let Some(session) = self.sessions.iter_mut().find(|s| !s.finished) else { return };
        let Some((track, _)) = look.subject else { return };
        if session.track != Some(track) {
            (session.track, session.misses) = (Some(track), 0);
        }
        match (&look.verdict, live) {
            (LookVerdict::Matched(_), Some(live)) => {
                let reached = MatchLevel::reached(calibration, live.cosine(&session.template));
                if reached.is_some_and(|level| level >= session.level) {
                    session.finished = true;
                    session.match_level = reached.map_or(0, MatchLevel::number);
                    return;
                }
                session.match_level = session.match_level.max(reached.map_or(0, MatchLevel::number));
                session.missed(1);
            }
            (LookVerdict::Spoof, _) => session.missed(LOOKS_OF_AN_ATTEMPT),
            (
                LookVerdict::Matched(_)
                | LookVerdict::Still
                | LookVerdict::Nobody
                | LookVerdict::Refused(_)
                | LookVerdict::Unsure,
                _,
            ) => {}
        }
    }
}

impl Session {
    /// So many looks were somebody else's; an attempt is used up once a track.
    fn missed(&mut self, looks: u8) {
        let before = self.misses;
        self.misses = self.misses.saturating_add(looks);
        if before < LOOKS_OF_AN_ATTEMPT && self.misses >= LOOKS_OF_AN_ATTEMPT {
            self.attempts_left = self.attempts_left.saturating_sub(1);
            self.finished = self.attempts_left == 0;
        }
    }

    fn view(&self) -> SessionView {
        SessionView {
            id: self.id.clone(),
            nonce: self.nonce.clone(),
            finished: self.finished,
            attempts_left: self.attempts_left,
            matched: self.finished && self.match_level >= self.level.number(),
            match_level: self.match_level,
            expires: self.expires,
        }
    }
}

impl Job {
    fn is_running(&self) -> bool {
        matches!(self.stage, CameraStage::Looking | CameraStage::Writing)
    }

    fn fail(&mut self, why: Refusal) {
        self.stage = CameraStage::Failed;
        self.shots.clear();
        self.outcome = Some(Err(why));
    }

    /// Takes the look where it is one, and says what the person should do.
    fn look(&mut self, vision: &mut Vision, frame: Frame<'_>, look: &Look, now: Mono) -> Guidance {
        match (&look.verdict, look.subject) {
            (LookVerdict::Matched(_), Some((track, _))) => {
                if self.track != Some(track) {
                    // Somebody else, or who can tell: begin again.
                    self.track = Some(track);
                    self.shots.clear();
                    self.count = 0;
                }
                if now.since(self.last) >= APART {
                    self.last = now;
                    self.take(vision, frame);
                }
            }
            (LookVerdict::Refused(reasons), _) => self.reasons = *reasons,
            (LookVerdict::Spoof, _) => {
                self.fail(Refusal::new(
                    Code::LivenessFailed,
                    "what stood before the camera is no living person",
                ));
            }
            (LookVerdict::Unsure, _) => self.reasons = QualityReasons::default(),
            (LookVerdict::Still | LookVerdict::Nobody | LookVerdict::Matched(_), _) => {
                return Guidance::LookHere;
            }
        }
        self.reasons.iter().next().map_or(Guidance::HoldStill, Guidance::from)
    }

    fn take(&mut self, vision: &mut Vision, frame: Frame<'_>) {
        let examined = match vision.examine(frame, Purpose::Enrol) {
            Ok(examined) => examined,
            Err(error) => {
                tracing::error!(%error, "a look of an enrolment could not be examined");
                return;
            }
        };
        self.reasons = examined.reasons;
        let same = |embedding: &Embedding| {
            let least = MatchLevel::DEFAULT.threshold(vision.calibration());
            self.shots
                .iter()
                .filter_map(|(shot, _)| shot.embedding.as_ref())
                .all(|other| other.cosine(embedding) >= least)
        };
        let usable = examined.reasons.is_empty() && examined.embedding.as_ref().is_some_and(same);
        let rgb = frame.rgb().to_vec();
        if let (true, Ok(picture)) = (usable, Picture::new(frame.width(), frame.height(), rgb)) {
            self.shots.push((Box::new(examined), picture));
            self.count += 1;
        }
    }

    fn progress(&self) -> CameraProgress {
        let (enrolled, refusal) = match &self.outcome {
            None => (None, None),
            Some(Ok(enrolled)) => (Some(enrolled.clone()), None),
            Some(Err(refusal)) => (None, Some(refusal.clone())),
        };
        CameraProgress {
            person: self.put.id.clone().unwrap_or_default(),
            stage: self.stage,
            taken: self.count,
            wanted: self.wanted,
            reasons: self.reasons.iter().map(|r| r.name().to_owned()).collect(),
            enrolled,
            refusal,
        }
    }
}

fn nobody() -> Refusal {
    Refusal::new(Code::NotFound, "nobody is being enrolled at the camera")
}

#[cfg(test)]
mod tests;
