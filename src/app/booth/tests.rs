//! Enrolments and sessions at the camera, look by look.

use super::*;
use crate::domain::{Anchor, Cosine, Detection, Match};

fn embedding(seed: i16) -> Embedding {
    let raw: Vec<f32> = (0..64_i16).map(|i| f32::from((i * 37 + seed * 101) % 89) - 44.0).collect();
    Embedding::from_float(&raw).unwrap()
}

fn calibration() -> Calibration {
    let at = |log10_fmr, cosine| Anchor { log10_fmr, cosine };
    Calibration::new(&[at(-2.0, 0.6), at(-4.0, 0.8), at(-6.0, 0.95)]).unwrap()
}

fn look(track: u32, verdict: LookVerdict) -> Look {
    let subject = Some((TrackId(track), Detection::default()));
    Look { captured: Mono(0), frame_seq: 0, subject, faces: 1, verdict }
}

fn matched() -> LookVerdict {
    LookVerdict::Matched(Match::Unknown { score: Cosine::new(0.0) })
}

fn open(booth: &Booth, attempts: u8) {
    let names = ("s".to_owned(), "n".to_owned());
    booth.open_session(names, embedding(1), MatchLevel::Three, attempts, Now::default()).unwrap();
}

#[test]
fn a_session_ends_with_the_right_face_or_with_its_attempts() {
    let (booth, _taken) = Booth::new();
    open(&booth, 2);
    assert!(booth.is_active());
    let attend = |track, verdict, live: Option<&Embedding>| {
        booth.state().attend(&look(track, verdict), live, &calibration());
    };
    let (right, wrong) = (embedding(1), embedding(2));
    for _ in 0..20 {
        attend(1, matched(), Some(&wrong));
    }
    let view = booth.session("s", Mono(0)).unwrap();
    assert_eq!((view.finished, view.attempts_left), (false, 1), "one track is one attempt");
    attend(2, matched(), Some(&wrong));
    attend(2, matched(), Some(&right));
    let view = booth.session("s", Mono(0)).unwrap();
    assert!(view.finished && view.matched && view.match_level == 5, "{view:?}");
}

#[test]
fn strangers_and_attacks_use_the_attempts_up() {
    let (booth, _taken) = Booth::new();
    open(&booth, 2);
    let wrong = embedding(2);
    let attend = |track, verdict, live: Option<&Embedding>| {
        booth.state().attend(&look(track, verdict), live, &calibration());
    };
    for _ in 0..5 {
        attend(1, LookVerdict::Spoof, None);
        attend(1, LookVerdict::Unsure, None);
    }
    assert_eq!(booth.session("s", Mono(0)).unwrap().attempts_left, 1);
    for _ in 0..3 {
        attend(2, matched(), Some(&wrong));
    }
    let view = booth.session("s", Mono(0)).unwrap();
    assert!(view.finished && !view.matched, "{view:?}");
    attend(3, matched(), Some(&embedding(1)));
    assert!(!booth.session("s", Mono(0)).unwrap().matched, "finished is finished");
}

#[test]
fn nothing_of_a_session_is_left_after_ten_minutes_and_eight_are_enough() {
    let (booth, _taken) = Booth::new();
    for _ in 0..MAX_SESSIONS {
        open(&booth, 1);
    }
    let names = ("t".to_owned(), "n".to_owned());
    let more = booth.open_session(names, embedding(1), MatchLevel::One, 1, Now::default());
    assert_eq!(more.unwrap_err().code, Code::Conflict);
    assert!(booth.session("s", Mono(SESSION_TIME.0 - 1)).is_ok());
    assert_eq!(booth.session("s", Mono(SESSION_TIME.0)).unwrap_err().code, Code::NotFound);
    assert!(booth.state().sessions.is_empty());
}

#[test]
fn an_enrolment_is_alone_and_ends_by_time_or_by_word() {
    let (booth, _taken) = Booth::new();
    let begin = |now| booth.enrol(Caller::board(), PersonPut::default(), 3, Millis::secs(60), Mono(now));
    assert_eq!(booth.progress(Mono(0)).unwrap_err().code, Code::NotFound);
    begin(0).unwrap();
    assert_eq!(begin(1).unwrap_err().code, Code::Conflict);
    assert_eq!(booth.progress(Mono(59_999)).unwrap().stage, CameraStage::Looking);
    let late = booth.progress(Mono(60_000)).unwrap();
    assert_eq!((late.stage, late.refusal.unwrap().code), (CameraStage::Failed, Code::FaceQuality));
    begin(60_001).unwrap();
    assert_eq!(booth.cancel().unwrap().stage, CameraStage::Failed);
    begin(60_002).unwrap();
}
