//! The door's state as retained topics.
//!
//! Owns: SPEC 4's words for the states of SPEC 5, and what changed since it was last said. Does not own: the states.

use super::super::wire::DoorStatus;

/// What was said last over this connection.
#[derive(Default)]
pub(super) struct DoorTopics {
    said: Vec<(&'static str, &'static str)>,
}

impl DoorTopics {
    /// Topics below the device's and their new text.
    pub(super) fn changes(&mut self, door: &DoorStatus) -> Vec<(&'static str, &'static str)> {
        let now = words(door);
        let changed: Vec<_> = now.iter().filter(|word| !self.said.contains(word)).copied().collect();
        self.said = now;
        changed
    }
}

fn words(door: &DoorStatus) -> Vec<(&'static str, &'static str)> {
    let state = door.state.as_str();
    let lock = match state {
        "locked" | "lockdown" | "held_warn" | "held_alarm" | "forced_alarm" if !door.relay => "LOCKED",
        "unlocking" => "UNLOCKING",
        "fault" => "JAMMED",
        _ => "UNLOCKED",
    };
    let on = |yes| if yes { "ON" } else { "OFF" };
    let mut words = vec![
        ("door/1/state", lock),
        ("tamper", on(door.tampered)),
        ("alarm/forced", on(state == "forced_alarm")),
        ("alarm/held", on(matches!(state, "held_warn" | "held_alarm"))),
        ("alarm/fire", on(state == "emergency_release")),
        ("alarm/lockdown", on(state == "lockdown")),
        ("alarm/camera", on(door.camera_fault.is_some())),
        ("alarm/storage", on(!door.journal_ok)),
    ];
    // Without a contact nothing is said: "shut" would be a guess.
    if let Some(open) = door.open {
        words.push(("door/1/contact", on(open)));
    }
    words
}
