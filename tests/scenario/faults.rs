//! What breaks, and how the door stands meanwhile.
//!
//! Owns: stories of cameras, wires, disks and clocks that fail. Does not own: finding the fault (`app`, `device`).

use ostiary::access::{DoorState, Input, Operator, Part};
use ostiary::domain::{ClockTrust, DenyReason, EventKind, GrantCause, LookVerdict, Screen, Utc};

use crate::world::{World, person, text};

/// As the pipeline names them.
const CAMERA_FAULTS: [&str; 5] = [
    "/dev/video0 is gone: plug the camera in",
    "the same picture for 2 s: the camera is frozen",
    "the picture is black: is the lens covered?",
    "the picture is white: too much light",
    "the camera delivers garbage",
];

#[test]
fn a_camera_that_fails_locks_the_door_and_says_why() {
    for what in CAMERA_FAULTS {
        let mut w = World::new();
        w.looks(2, 1, &person("anna"));
        w.camera_fails(what);
        assert_eq!((w.relay, w.state()), (None, DoorState::Locked), "{what}");
        assert!(matches!(&w.screen, Some(Screen::Fault { what: shown }) if what.starts_with(shown.as_str())));
        assert_eq!(w.gate.fault(), Some(what));
        assert_eq!(w.events(), ["access_granted", "door_unlocked", "camera_fault", "door_locked"]);
        // What still trickles in is not believed.
        w.looks(30, 2, &person("bert"));
        assert_eq!((w.relay, w.count(EventKind::AccessGranted)), (None, 1));
        w.camera_fails(what);
        w.feed(Input::CameraBack);
        assert_eq!(w.count(EventKind::CameraFault), 2, "once when it fails, once when it is back");
        assert!(matches!(w.screen, Some(Screen::Idle { .. })));
        w.looks(2, 3, &person("bert"));
        assert_eq!(w.relay, Some(GrantCause::Face));
    }
}

#[test]
fn an_attempt_does_not_go_on_across_a_fault() {
    let mut w = World::new();
    w.look(1, person("anna"));
    w.camera_fails("gone");
    w.feed(Input::CameraBack);
    w.look(1, person("anna"));
    assert_eq!(w.relay, None);
}

#[test]
fn who_is_inside_gets_out_while_the_camera_is_gone() {
    let mut w = World::new();
    w.camera_fails("gone");
    w.presses_exit();
    assert_eq!(w.relay, Some(GrantCause::Rex));
    w.pass(6_000);
    w.order(Operator::Open);
    assert_eq!(w.relay, Some(GrantCause::Operator));
}

#[test]
fn wires_that_do_not_obey_release_the_relay_whatever_holds_it() {
    let mut w = World::with(|s| s.fire_unlocks = true);
    w.order(Operator::Unlock(crate::world::seconds(0)));
    w.wire(ostiary::domain::wires::Input::Fire, true);
    w.pass(60);
    w.feed(Input::Fault(Part::Wires, text("gpiochip0 line 17: input/output error")));
    assert_eq!((w.state(), w.relay), (DoorState::Fault, None));
    w.presses_exit();
    w.order(Operator::Open);
    w.looks(2, 1, &person("anna"));
    assert_eq!((w.relay, w.last_decision()), (None, Some(Err(DenyReason::Lockdown))));
    w.feed(Input::FaultCleared(Part::Wires));
    assert_eq!(w.relay, Some(GrantCause::Fire), "the fire still burns, and it is logged again");
}

#[test]
fn a_grant_does_not_survive_a_fault() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.feed(Input::Fault(Part::Wires, text("line 17")));
    w.feed(Input::FaultCleared(Part::Wires));
    assert_eq!(w.relay, None);
    w.presses_exit();
    w.feed(Input::Fault(Part::Wires, text("line 17")));
    w.feed(Input::FaultCleared(Part::Wires));
    assert_eq!(w.relay, None, "nor does a press of the button");
    w.looks(2, 2, &person("bert"));
    w.feed(Input::Fault(Part::Board, text("the vision loop stands still")));
    assert_eq!(w.relay, None);
    assert!(matches!(&w.screen, Some(Screen::Fault { what }) if what == "the vision loop stands still"));
    w.feed(Input::FaultCleared(Part::Board));
    assert_eq!(w.relay, None);
}

#[test]
fn a_full_disk_changes_no_decision_and_opens_nothing() {
    let mut w = World::new();
    w.feed(Input::Fault(Part::Store, text("the disk is full; free some space in /var/lib/ostiary")));
    assert_eq!((w.relay, w.events()), (None, vec![]));
    assert!(w.gate.fault().is_some_and(|what| what.contains("disk")));
    assert!(matches!(w.screen, Some(Screen::Idle { .. })), "no business of a visitor's");
    w.looks(3, 1, &crate::world::stranger());
    assert_eq!(w.last_decision(), Some(Err(DenyReason::UnknownFace)));
    w.looks(2, 2, &person("anna"));
    assert_eq!(w.relay, Some(GrantCause::Face));
    w.feed(Input::FaultCleared(Part::Store));
    assert_eq!((w.gate.fault(), w.relay), (None, Some(GrantCause::Face)));
}

#[test]
fn several_faults_end_one_by_one() {
    let mut w = World::new();
    w.camera_fails("gone");
    w.feed(Input::Fault(Part::Board, text("the vision loop stands still")));
    w.feed(Input::CameraBack);
    w.looks(2, 1, &person("anna"));
    assert_eq!((w.relay, w.last_decision()), (None, Some(Err(DenyReason::Lockdown))));
    w.feed(Input::FaultCleared(Part::Board));
    w.pass(2_000);
    w.looks(2, 1, &person("anna"));
    assert_eq!(w.relay, Some(GrantCause::Face));
}

#[test]
fn a_clock_that_steps_back_moves_no_deadline() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.now.utc = Utc(w.now.utc.0 - 7 * 86_400_000);
    w.feed(Input::ClockStep { by_ms: -7 * 86_400_000 });
    w.pass(4_000);
    assert_eq!(w.relay, Some(GrantCause::Face));
    w.pass(1_000);
    assert_eq!(w.relay, None);
    let step = w.log.iter().find(|e| e.kind == EventKind::ClockStep).unwrap();
    assert_eq!(step.detail, "-604800000 ms");
}

#[test]
fn a_clock_that_runs_backwards_stands_still() {
    let mut w = World::new();
    w.now.mono.0 -= 4_000;
    w.order(Operator::Open);
    w.now.mono.0 += 4_000 + 4_999;
    w.feed(Input::Tick);
    assert_eq!(w.relay, Some(GrantCause::Operator), "counted from the latest time known");
    w.now.mono.0 += 1;
    w.feed(Input::Tick);
    assert_eq!(w.relay, None);
}

#[test]
fn an_untrusted_clock_is_not_shown() {
    let mut w = World::new();
    assert!(matches!(w.screen, Some(Screen::Idle { time: Some(_), .. })));
    w.now.trust = ClockTrust::Untrusted;
    w.feed(Input::Tick);
    assert!(matches!(w.screen, Some(Screen::Idle { time: None, .. })));
    assert_eq!(w.gate.poll_timeout(), None, "an idle door with no clock waits for the world alone");
}

#[test]
fn a_process_held_up_for_hours_locks_first_of_all() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.opens();
    w.stall(5 * 3_600_000);
    w.look(2, LookVerdict::Unsure);
    assert_eq!((w.relay, w.state()), (None, DoorState::HeldAlarm));
    assert_eq!(w.count(EventKind::HeldOpen), 2);
}
