//! What the door leaf, the exit button, the housing and the fire alarm do.
//!
//! Owns: stories of wires. Does not own: debounce in itself (beside the code).

use ostiary::access::{DoorState, Input};
use ostiary::domain::screen::AlarmKind;
use ostiary::domain::wires::{self, InputEdge};
use ostiary::domain::{EventKind, GrantCause, Mono, Screen};

use crate::world::{World, person, seconds};

#[test]
fn a_tailgater_holds_the_door() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.opens();
    let opened = w.now.mono;
    w.nobody(19_000);
    assert_eq!((w.state(), w.relay), (DoorState::OpenAuthorized, None), "locked, though open");
    w.pass(1_500);
    assert_eq!((w.state(), w.screen.clone()), (DoorState::HeldWarn, Some(Screen::Alarm(AlarmKind::Held))));
    w.pass(10_000);
    assert_eq!(w.state(), DoorState::HeldAlarm);
    let held: Vec<_> = w.log.iter().filter(|e| e.kind == EventKind::HeldOpen).collect();
    assert_eq!(held.iter().map(|e| e.detail.as_str()).collect::<Vec<_>>(), ["warning", "alarm"]);
    assert_eq!(held[1].at.mono.since(held[0].at.mono).0, 10_000);
    assert!(held[0].at.mono.since(opened).0 <= 20_000);
    w.pass(3_600_000);
    assert_eq!(w.count(EventKind::HeldOpen), 2, "said once");
    w.shuts();
    assert_eq!(w.state(), DoorState::Locked);
    assert!(matches!(w.screen, Some(Screen::Idle { .. })));
}

#[test]
fn the_accessible_profile_waits_ten_seconds_longer() {
    let mut w = World::with(|s| s.accessible = true);
    w.looks(2, 1, &person("anna"));
    w.pass(14_800);
    assert_eq!(w.relay, Some(GrantCause::Face));
    w.opens();
    w.pass(29_000);
    assert_eq!(w.count(EventKind::HeldOpen), 0);
    w.pass(1_500);
    assert_eq!(w.state(), DoorState::HeldWarn);
}

#[test]
fn a_forced_door_alarms_at_once_and_until_it_is_shut() {
    let mut w = World::new();
    w.opens();
    assert_eq!(
        (w.state(), w.screen.clone()),
        (DoorState::ForcedAlarm, Some(Screen::Alarm(AlarmKind::Forced)))
    );
    assert_eq!(w.events(), ["door_opened", "forced_open"]);
    w.looks(2, 1, &person("anna"));
    w.pass(60_000);
    assert_eq!(w.state(), DoorState::ForcedAlarm, "a grant does not undo it");
    w.shuts();
    assert_eq!(w.state(), DoorState::Locked);
}

#[test]
fn a_hand_already_on_the_handle_is_not_force() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.pass(4_970);
    assert_eq!(w.relay, None, "just locked");
    w.opens();
    assert_eq!(w.count(EventKind::ForcedOpen), 0);
    w.shuts();
    w.pass(1_000);
    w.opens();
    assert_eq!(w.count(EventKind::ForcedOpen), 1, "a second later it is");
}

#[test]
fn a_door_that_rebounds_is_not_forced() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.opens();
    w.shuts();
    w.pass(200);
    w.opens();
    assert_eq!((w.state(), w.relay), (DoorState::OpenAuthorized, None));
}

#[test]
fn a_door_found_open_is_unknown_not_forced_and_is_watched() {
    let mut w = World::bare(|_| {});
    w.wire(wires::Input::Contact, true);
    w.pass(100);
    assert_eq!(w.log[0].kind, EventKind::DoorOpened);
    assert_eq!((w.log[0].detail.as_str(), w.count(EventKind::ForcedOpen)), ("opened_unknown", 0));
    w.pass(31_000);
    assert_eq!(w.state(), DoorState::HeldAlarm);
}

#[test]
fn without_a_contact_time_alone_locks() {
    let mut w = World::bare(|_| {});
    assert_eq!(w.gate.contact(), None);
    w.looks(2, 1, &person("anna"));
    assert_eq!((w.state(), w.relay), (DoorState::Unlocking, Some(GrantCause::Face)));
    w.pass(5_000);
    assert_eq!((w.state(), w.relay), (DoorState::Locked, None));
}

#[test]
fn the_exit_button_opens_and_shunts() {
    let mut w = World::new();
    w.presses_exit();
    assert_eq!(w.relay, Some(GrantCause::Rex));
    assert_eq!(w.events(), ["rex", "door_unlocked"]);
    w.opens();
    w.shuts();
    assert_eq!((w.relay, w.count(EventKind::ForcedOpen)), (None, 0));
}

#[test]
fn an_exit_button_that_only_shunts_leaves_the_relay_alone() {
    let mut w = World::with(|s| s.rex_unlocks = false);
    w.presses_exit();
    assert_eq!((w.relay, w.events()), (None, vec!["rex"]));
    w.pass(4_000);
    w.opens();
    assert_eq!(w.state(), DoorState::OpenAuthorized, "opened from inside by the handle");
    w.shuts();
    w.pass(2_000);
    w.opens();
    assert_eq!(w.state(), DoorState::ForcedAlarm, "five seconds are over");
}

#[test]
fn a_button_jammed_since_before_the_start_opens_nothing() {
    let mut w = World::bare(|_| {});
    w.wire(wires::Input::Rex, true);
    w.pass(10_000);
    assert_eq!((w.relay, w.count(EventKind::Rex)), (None, 0));
    w.wire(wires::Input::Rex, false);
    w.pass(100);
    w.presses_exit();
    assert_eq!(w.relay, Some(GrantCause::Rex));
}

#[test]
fn a_button_held_down_is_one_press() {
    let mut w = World::new();
    w.wire(wires::Input::Rex, true);
    w.pass(60_000);
    assert_eq!((w.relay, w.count(EventKind::Rex)), (None, 1));
}

#[test]
fn a_press_noticed_too_late_opens_nothing() {
    let mut w = World::new();
    let pressed = w.now.mono;
    w.stall(3_000);
    w.feed(Input::Edge(InputEdge { input: wires::Input::Rex, active: true, at: pressed }));
    w.feed(Input::Tick);
    assert_eq!((w.relay, w.events()), (None, vec!["rex"]));
}

#[test]
fn a_spark_on_a_wire_is_nothing() {
    let mut w = World::with(|s| s.fire_unlocks = true);
    for input in [wires::Input::Contact, wires::Input::Rex, wires::Input::Tamper, wires::Input::Fire] {
        w.wire(input, true);
        w.pass(49);
        w.wire(input, false);
        w.pass(1_000);
    }
    assert_eq!((w.events(), w.relay), (vec![], None));
}

#[test]
fn fire_frees_the_door_where_configured_and_above_all_else() {
    let mut w = World::with(|s| s.fire_unlocks = true);
    w.order(ostiary::access::Operator::Lockdown(seconds(0)));
    w.wire(wires::Input::Fire, true);
    w.pass(60);
    assert_eq!((w.state(), w.relay), (DoorState::EmergencyRelease, Some(GrantCause::Fire)));
    assert_eq!(w.screen, Some(Screen::Alarm(AlarmKind::Fire)));
    w.opens();
    w.pass(3_600_000);
    assert_eq!((w.relay, w.count(EventKind::HeldOpen)), (Some(GrantCause::Fire), 0));
    w.wire(wires::Input::Fire, false);
    w.pass(60);
    assert_eq!((w.state(), w.relay), (DoorState::Lockdown, None));
    assert_eq!(w.events(), ["lockdown", "fire", "door_unlocked", "door_opened", "fire", "door_locked"],);
}

#[test]
fn fire_is_shown_and_logged_even_where_it_frees_nothing() {
    let mut w = World::new();
    w.wire(wires::Input::Fire, true);
    w.pass(60);
    assert_eq!((w.relay, w.events()), (None, vec!["fire"]));
    assert_eq!(w.screen, Some(Screen::Alarm(AlarmKind::Fire)));
}

#[test]
fn an_opened_housing_is_told_and_shown() {
    let mut w = World::new();
    w.wire(wires::Input::Tamper, true);
    w.pass(60);
    assert_eq!(w.screen, Some(Screen::Alarm(AlarmKind::Tamper)));
    w.wire(wires::Input::Tamper, false);
    w.pass(60);
    assert_eq!(w.events(), ["tamper", "tamper"]);
}

#[test]
fn a_pulse_read_late_in_one_go_is_not_lost() {
    let mut w = World::new();
    let at = |ms| Mono(w.now.mono.0 + ms);
    let edges = [(true, at(0)), (false, at(300))];
    w.stall(500);
    for (active, at) in edges {
        w.feed(Input::Edge(InputEdge { input: wires::Input::Rex, active, at }));
    }
    w.feed(Input::Tick);
    assert_eq!(w.relay, Some(GrantCause::Rex));
}
