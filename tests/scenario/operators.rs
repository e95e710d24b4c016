//! What operators and schedules order.
//!
//! Owns: stories of overrides and their priority. Does not own: who may give orders.

use ostiary::access::{DoorState, Input, Operator};
use ostiary::domain::{EventKind, GrantCause, Screen};

use crate::world::{World, person, seconds};

#[test]
fn a_hold_ends_by_itself() {
    let mut w = World::new();
    w.order(Operator::Unlock(seconds(3_600)));
    assert_eq!((w.state(), w.relay), (DoorState::UnlockedHold, Some(GrantCause::Operator)));
    w.opens();
    w.pass(3_598_000);
    assert_eq!((w.relay, w.count(EventKind::HeldOpen)), (Some(GrantCause::Operator), 0), "a delivery");
    w.pass(2_000);
    assert_eq!((w.state(), w.relay), (DoorState::OpenAuthorized, None));
    w.pass(20_000);
    assert_eq!(w.state(), DoorState::HeldWarn, "from now on somebody should shut it");
}

#[test]
fn a_hold_without_end_waits_for_its_release() {
    let mut w = World::new();
    w.order(Operator::Unlock(seconds(0)));
    w.pass(30 * 86_400_000);
    assert_eq!(w.relay, Some(GrantCause::Operator));
    w.order(Operator::Release);
    assert_eq!((w.relay, w.events()), (None, vec!["door_unlocked", "door_locked"]));
}

#[test]
fn opening_once_is_like_a_grant() {
    let mut w = World::new();
    w.order(Operator::Open);
    assert_eq!(w.relay, Some(GrantCause::Operator));
    w.pass(5_000);
    assert_eq!((w.relay, w.events()), (None, vec!["door_unlocked", "door_locked"]));
}

#[test]
fn lock_means_now() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.order(Operator::Lock);
    assert_eq!(w.relay, None);
    w.feed(Input::Schedule(true));
    assert_eq!(w.relay, Some(GrantCause::Schedule));
    w.order(Operator::Lock);
    assert_eq!((w.relay, w.state()), (None, DoorState::Locked), "an operator outranks a schedule");
    w.looks(2, 2, &person("bert"));
    assert_eq!(w.relay, Some(GrantCause::Face), "and faces still open");
}

#[test]
fn schedule_under_operator_under_emergency() {
    let mut w = World::with(|s| s.fire_unlocks = true);
    w.feed(Input::Schedule(true));
    w.order(Operator::Unlock(seconds(60)));
    w.wire(ostiary::domain::wires::Input::Fire, true);
    w.pass(60);
    w.wire(ostiary::domain::wires::Input::Fire, false);
    w.pass(60);
    w.pass(60_000);
    w.feed(Input::Schedule(false));
    let causes: Vec<_> = w.log.iter().filter_map(|e| e.cause).map(GrantCause::name).collect();
    let wanted = ["schedule", "operator", "fire", "operator", "schedule"];
    assert_eq!((causes.as_slice(), w.relay), (&wanted[..], None));
    assert_eq!(w.count(EventKind::DoorLocked), 1);
}

#[test]
fn lockdown_stops_what_is_under_way_and_ends_by_itself() {
    let mut w = World::new();
    w.looks(2, 1, &person("anna"));
    w.order(Operator::Lockdown(seconds(1)));
    assert_eq!((w.state(), w.relay), (DoorState::Lockdown, None));
    w.pass(1_000);
    assert_eq!((w.state(), w.relay), (DoorState::Locked, None), "what was under way does not come back");
    assert_eq!(w.count(EventKind::Lockdown), 2);
}

#[test]
fn only_a_release_ends_a_lockdown() {
    let mut w = World::new();
    w.order(Operator::Lockdown(seconds(0)));
    for order in [Operator::Open, Operator::Unlock(seconds(60)), Operator::Lock] {
        w.order(order);
        assert_eq!((w.state(), w.relay), (DoorState::Lockdown, None), "{order:?}");
    }
    assert_eq!(w.events(), ["lockdown", "access_denied", "access_denied"]);
    w.order(Operator::Release);
    assert_eq!((w.state(), w.relay), (DoorState::Locked, None), "what was refused does not come after all");
}

#[test]
fn the_way_out_stays_open_in_lockdown() {
    let mut w = World::new();
    w.order(Operator::Lockdown(seconds(0)));
    w.presses_exit();
    assert_eq!((w.state(), w.relay), (DoorState::Lockdown, Some(GrantCause::Rex)));
    w.pass(5_000);
    assert_eq!(w.relay, None);
}

#[test]
fn the_idle_screen_knows_the_hour_the_link_and_the_queue() {
    let mut w = World::new();
    w.feed(Input::Link { up: Some(true), queued: 3 });
    let Some(Screen::Idle { time: Some(first), link_up: Some(true), queued: 3 }) = w.screen else {
        panic!("{:?}", w.screen)
    };
    w.pass(60_000);
    let Some(Screen::Idle { time: Some(next), .. }) = w.screen else { panic!("{:?}", w.screen) };
    assert_eq!((first.0 % 60_000, next.0 - first.0), (0, 60_000));
    w.feed(Input::Link { up: Some(false), queued: 4 });
    w.feed(Input::Link { up: Some(false), queued: 5 });
    w.feed(Input::Link { up: Some(true), queued: 0 });
    assert_eq!(w.events(), ["link_up", "link_down", "link_up"]);
    assert_eq!(w.relay, None);
}
