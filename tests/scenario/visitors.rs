//! Who comes to the door, and what becomes of it.
//!
//! Owns: stories of faces. Does not own: stories of wires, orders and faults (beside).

use ostiary::access::{DoorState, Operator, UntrustedClock};
use ostiary::domain::{
    ClockTrust, Decision, DenyReason, Detection, EventKind, GrantCause, Guidance, LookVerdict, Mono,
    PersonStatus, QualityReason, Screen, Standing, TrackId, Utc, VisitorReason,
};

use crate::world::{FRAME_MS, World, lookalike, person, person_with, poor, stranger};

#[test]
fn a_visitor_comes_in_and_the_door_locks_behind() {
    let mut w = World::new();
    w.looks(3, 1, &LookVerdict::Unsure);
    assert_eq!(w.screen, Some(Screen::Look { face: None, guidance: Guidance::HoldStill }));
    let first_good = w.now.mono;
    w.looks(2, 1, &person("anna"));
    assert_eq!(w.relay, Some(GrantCause::Face));
    assert!(matches!(&w.screen, Some(Screen::Welcome { name }) if name == "Name of anna"));
    assert!(matches!(w.decisions[0], (_, Decision::Grant { since, .. }) if since == first_good));
    assert_eq!(w.events(), ["access_granted", "door_unlocked"]);
    w.pass(1_000);
    w.opens();
    assert_eq!((w.state(), w.relay), (DoorState::OpenAuthorized, Some(GrantCause::Face)));
    w.pass(2_000);
    w.shuts();
    assert_eq!((w.state(), w.relay), (DoorState::Locked, None));
    assert_eq!(w.events(), ["door_opened", "door_closed", "door_locked"]);
    w.nobody(5_000);
    assert!(matches!(w.screen, Some(Screen::Idle { .. })));
}

#[test]
fn who_does_not_walk_in_finds_it_locked_after_five_seconds() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    let unlocked = w.log.iter().find(|e| e.kind == EventKind::DoorUnlocked).unwrap().at.mono;
    w.pass(10_000);
    let locked = w.log.iter().find(|e| e.kind == EventKind::DoorLocked).unwrap();
    assert_eq!((locked.at.mono.since(unlocked).0, locked.detail.as_str()), (5_000, "time"));
}

#[test]
fn one_frame_is_never_enough() {
    let mut w = World::new();
    for (track, id) in (1..50).zip(["anna", "bert"].into_iter().cycle()) {
        w.look(track, person(id));
    }
    w.looks(1, 60, &person("anna"));
    w.looks(1, 60, &person("bert"));
    w.looks(1, 60, &person("anna"));
    assert_eq!((w.decisions.len(), w.relay), (0, None), "one look each, or two that disagree");
}

#[test]
fn the_same_frame_twice_is_one_frame_and_an_old_frame_is_none() {
    let mut w = World::new();
    let look = |w: &World, seq| {
        let subject = Some((TrackId(1), Detection::default()));
        let (captured, verdict) = (w.now.mono, person("anna"));
        ostiary::domain::Look { captured, frame_seq: seq, subject, faces: 1, verdict }
    };
    let first = look(&w, 7);
    for _ in 0..10 {
        w.feed(ostiary::access::Input::Look(first.clone()));
    }
    let late = look(&w, 8);
    w.pass(1_201);
    w.feed(ostiary::access::Input::Look(late));
    assert_eq!(w.relay, None);
    w.pass(1_000);
    w.feed(ostiary::access::Input::Look(look(&w, 9)));
    assert_eq!(w.relay, None, "the first look is too long ago");
    w.pass(50);
    let second = look(&w, 10);
    w.pass(1_200);
    w.feed(ostiary::access::Input::Look(second));
    assert_eq!(w.relay, Some(GrantCause::Face), "1,200 ms are just in time");
}

#[test]
fn a_stranger_stays_out_and_learns_nothing() {
    let mut w = World::new();
    w.looks(2, 1, &stranger());
    assert_eq!(w.decisions.len(), 0);
    w.look(1, stranger());
    assert_eq!(w.last_decision(), Some(Err(DenyReason::UnknownFace)));
    assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::NotRecognised }));
    assert_eq!((w.events(), w.relay), (vec!["unknown_face"], None));
    w.looks(300, 1, &stranger());
    assert_eq!(w.count(EventKind::UnknownFace), 1, "whoever stays for ten seconds fills no log");
}

#[test]
fn a_resident_whose_first_looks_failed_still_gets_in() {
    let mut w = World::new();
    w.looks(3, 1, &stranger());
    w.pass(2_000);
    w.looks(2, 1, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn twins_are_told_nothing_but_no() {
    let mut w = World::new();
    w.looks(3, 1, &lookalike());
    assert_eq!(w.last_decision(), Some(Err(DenyReason::LowMargin)));
    assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::NotRecognised }));
    assert_eq!(w.events(), ["access_denied"]);
}

#[test]
fn a_photo_ends_the_attempt_for_good() {
    let mut w = World::new();
    w.look(1, person("anna"));
    w.look(1, LookVerdict::Spoof);
    assert_eq!(w.last_decision(), Some(Err(DenyReason::Spoof)));
    assert_eq!(
        w.screen,
        Some(Screen::Denied { reason: VisitorReason::NotRecognised }),
        "it does not say why"
    );
    // The attacker keeps at it for minutes: not silently tried again, not logged again.
    w.looks(3_000, 1, &person("anna"));
    assert_eq!((w.decisions.len(), w.relay), (1, None));
    assert_eq!(w.events(), ["spoof"]);
    // The real Anna steps up: another track.
    w.looks(2, 2, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn five_photos_lock_the_reader_for_thirty_seconds() {
    let mut w = World::new();
    for track in 1..=5 {
        w.pass(1_000);
        w.look(track, LookVerdict::Spoof);
    }
    assert!(w.gate.locked_out());
    assert_eq!(w.events(), ["spoof", "spoof", "spoof", "spoof", "spoof", "access_denied"]);
    w.pass(2_000);
    w.looks(2, 9, &person("anna"));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::PinLocked)));
    assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::Wait }));
    w.pass(28_000);
    assert!(!w.gate.locked_out());
    w.looks(2, 10, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn a_hundred_strangers_lock_nothing() {
    let mut w = World::new();
    for track in 0..100 {
        w.looks(3, track, &stranger());
    }
    assert_eq!((w.count(EventKind::UnknownFace), w.gate.locked_out()), (100, false));
}

#[test]
fn twenty_photos_later_the_first_is_still_an_attack() {
    let mut w = World::with(|s| (s.lockout_failures, s.spoof_pause_ms) = (20, 0));
    for track in 1..=40 {
        w.look(track, LookVerdict::Spoof);
        w.pass(400_000);
    }
    for track in 1..=40 {
        w.looks(3, track, &person("anna"));
        assert_eq!(w.last_decision(), Some(Err(DenyReason::Spoof)), "{track}");
    }
    w.looks(3, 41, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn two_people_side_by_side_are_two_attempts() {
    let mut w = World::with(|s| s.consistent_frames = 3);
    for _ in 0..2 {
        w.look(1, person("anna"));
        w.look(2, person("bert"));
    }
    assert_eq!(w.decisions.len(), 0);
    w.look(1, person("anna"));
    w.look(2, person("bert"));
    assert_eq!(w.count(EventKind::AccessGranted), 2);
}

#[test]
fn a_second_grant_extends_and_does_not_stack() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.pass(3_000);
    w.looks(2, 2, &person("bert"));
    let second = w.log.iter().filter(|e| e.kind == EventKind::DoorUnlocked).nth(1).unwrap().at.mono;
    w.pass(20_000);
    let locked = w.log.iter().find(|e| e.kind == EventKind::DoorLocked).unwrap().at.mono;
    assert_eq!(locked, Mono(second.0 + 5_000));
}

#[test]
fn who_lingers_is_let_in_again_only_after_a_while() {
    let mut w = World::new();
    w.looks((14_000 / FRAME_MS) as usize, 1, &person("anna"));
    assert_eq!(w.count(EventKind::AccessGranted), 1);
    w.looks((3_000 / FRAME_MS) as usize, 1, &person("anna"));
    assert_eq!(w.count(EventKind::AccessGranted), 2);
}

#[test]
fn looks_that_lie_too_far_apart_do_not_add_up() {
    let mut w = World::new();
    w.look(1, person("anna"));
    w.pass(2_500);
    w.look(1, person("anna"));
    assert_eq!(w.relay, None);
    w.look(1, person("anna"));
    assert_eq!(w.relay, Some(GrantCause::Face));
}

#[test]
fn looks_passed_over_in_a_pause_separate_those_around_it() {
    let mut w = World::new();
    w.look(1, person("bert"));
    w.look(2, LookVerdict::Spoof);
    w.look(1, person("anna"));
    w.pass(1_000);
    w.look(1, person("bert"));
    assert_eq!(w.relay, None);
    w.look(1, person("bert"));
    assert_eq!(w.last_decision(), Some(Ok("bert".into())));
}

#[test]
fn standing_decides_after_the_face() {
    let day = 86_400_000;
    let today = World::new().now.utc.0;
    let off = Standing { status: PersonStatus::Inactive, ..Standing::default() };
    let from = |days: i64| Standing { valid_from: Some(Utc(today + days * day)), ..Standing::default() };
    let until = |days: i64| Standing { valid_until: Some(Utc(today + days * day)), ..Standing::default() };
    for (standing, reason) in
        [(off, DenyReason::Disabled), (from(1), DenyReason::NotYetValid), (until(-1), DenyReason::Expired)]
    {
        let mut w = World::new();
        w.looks(2, 1, &person_with("anna", standing));
        assert_eq!((w.last_decision(), w.relay), (Some(Err(reason)), None));
        assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::NotAllowed }));
        let denied = w.log.iter().find(|e| e.kind == EventKind::AccessDenied).unwrap();
        assert_eq!(denied.person.as_ref().map(ostiary::domain::PersonId::as_str), Some("anna"));
    }
    for standing in [from(-1), until(1)] {
        let mut w = World::new();
        w.looks(2, 1, &person_with("anna", standing));
        assert_eq!(w.last_decision(), Some(Ok("anna".into())));
    }
}

#[test]
fn a_clock_that_nobody_set_refuses_guests_and_not_residents() {
    let guest = Standing { valid_until: Some(Utc(i64::MAX)), ..Standing::default() };
    let mut w = World::new();
    w.now.trust = ClockTrust::Untrusted;
    w.looks(2, 1, &person_with("guest", guest));
    assert_eq!(w.last_decision(), Some(Err(DenyReason::Expired)));
    w.looks(2, 2, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
    let mut w = World::with(|s| s.untrusted_clock = UntrustedClock::IgnoreLimits);
    w.now.trust = ClockTrust::Untrusted;
    w.looks(2, 1, &person_with("guest", guest));
    assert_eq!(w.last_decision(), Some(Ok("guest".into())));
}

#[test]
fn lockdown_beats_a_grant() {
    let mut w = World::new();
    w.order(Operator::Lockdown(crate::world::seconds(0)));
    assert_eq!(w.screen, Some(Screen::Denied { reason: VisitorReason::Closed }));
    w.looks(2, 1, &person("anna"));
    assert_eq!((w.last_decision(), w.relay), (Some(Err(DenyReason::Lockdown)), None));
    w.order(Operator::Release);
    w.pass(2_000);
    w.looks(2, 1, &person("anna"));
    assert_eq!(w.last_decision(), Some(Ok("anna".into())));
}

#[test]
fn advice_follows_the_picture() {
    let mut w = World::new();
    for (reason, guidance) in [
        (QualityReason::TooSmall, Guidance::Closer),
        (QualityReason::Dark, Guidance::MoreLight),
        (QualityReason::MultipleFaces, Guidance::OneAtATime),
    ] {
        w.look(1, poor(reason));
        assert_eq!(w.screen, Some(Screen::Look { face: None, guidance }));
    }
    w.nobody(2_000);
    assert!(matches!(w.screen, Some(Screen::Idle { .. })), "{:?}", w.screen);
}

#[test]
fn who_never_shows_a_usable_face_is_noted_once() {
    let mut w = World::new();
    w.looks((40_000 / FRAME_MS) as usize, 1, &poor(QualityReason::Occluded));
    assert_eq!(w.events(), ["no_face_timeout"]);
    assert_eq!(w.log[0].detail, "occluded");
    let mut w = World::with(|s| s.no_face_timeout_ms = 0);
    w.looks((40_000 / FRAME_MS) as usize, 1, &poor(QualityReason::Occluded));
    assert_eq!(w.events(), [""; 0]);
}
