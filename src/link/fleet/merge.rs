//! Which of two states of a person is the later one, and what a door does about it.
//!
//! Owns: the order, the ledger, the answers. Does not own: contents, transport, storage. Pure.
//!
//! Each person has one register: the state with the greatest stamp wins. A stamp is (revision, deleted, content). An
//! edit takes the greatest revision its door knows, plus one; so an edit made after hearing of another beats it, and of
//! two made without hearing of each other a deletion beats a change, and the hash of the content decides the rest: the
//! same on every door. A broker keeps one message a topic, and that may be an old one from a door that was away; so a
//! door that hears an older state than its own says its own again.

use std::collections::BTreeMap;

/// When a state was made, relative to others of the same person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Counts changes; from 1.
    pub rev: u64,
    /// A tombstone.
    pub gone: bool,
    /// BLAKE3 of the content.
    pub digest: [u8; 32],
}

/// What to do with a state that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the later one: take it over.
    Adopt,
    /// It is known.
    Known,
    /// The own one is later: say it again.
    Answer,
}

/// What a door knows of everybody's state. Keys are person ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    stamps: BTreeMap<String, Stamp>,
}

impl Ledger {
    /// A ledger with what was kept of it.
    #[must_use]
    pub const fn new(stamps: BTreeMap<String, Stamp>) -> Self {
        Self { stamps }
    }

    /// Everybody's stamp, tombstones with them.
    #[must_use]
    pub const fn stamps(&self) -> &BTreeMap<String, Stamp> {
        &self.stamps
    }

    /// A change made at this door; `None` when the content is what is known already.
    pub fn edit(&mut self, person: &str, gone: bool, digest: [u8; 32]) -> Option<Stamp> {
        let stamp = self.next(person, gone, digest)?;
        self.adopted(person, stamp);
        Some(stamp)
    }

    /// The stamp that such a change would get; nothing is noted yet.
    #[must_use]
    pub fn next(&self, person: &str, gone: bool, digest: [u8; 32]) -> Option<Stamp> {
        let known = self.stamps.get(person).copied();
        if known.is_some_and(|k| k.gone == gone && k.digest == digest) || known.is_none() && gone {
            return None;
        }
        // The last revision is never passed: whoever could forge it holds the group's key anyway.
        let rev = known.map_or(0, |k| k.rev).saturating_add(1);
        Some(Stamp { rev, gone, digest })
    }

    /// What follows from a state that was heard. `Adopt` changes nothing yet: the door takes it over first.
    #[must_use]
    pub fn judge(&self, person: &str, theirs: Stamp) -> Verdict {
        match self.stamps.get(person) {
            Some(own) if theirs == *own => Verdict::Known,
            Some(own) if theirs < *own => Verdict::Answer,
            Some(_) | None => Verdict::Adopt,
        }
    }

    /// Notes that the door has taken a state over.
    pub fn adopted(&mut self, person: &str, theirs: Stamp) {
        let own = self.stamps.entry(person.to_owned()).or_default();
        *own = theirs.max(*own);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A door with its ledger, what it has still to say, and what the broker has still to deliver to it.
    #[derive(Default)]
    struct Door {
        ledger: Ledger,
        people: BTreeMap<String, (Stamp, u8)>,
        online: bool,
        to_say: VecDeque<Said>,
        inbox: VecDeque<Said>,
    }

    type Said = (String, Stamp, u8);

    /// Keeps the last message of each topic, whatever is in it.
    #[derive(Default)]
    struct Broker {
        retained: BTreeMap<String, Said>,
        carried: usize,
    }

    fn digest(content: u8) -> [u8; 32] {
        *blake3::hash(&[content]).as_bytes()
    }

    impl Door {
        fn edit(&mut self, person: &str, content: Option<u8>) {
            let (gone, value) = (content.is_none(), content.unwrap_or(0));
            if gone && self.people.get(person).is_none_or(|(stamp, _)| stamp.gone) {
                return;
            }
            let hash = if gone { [0; 32] } else { digest(value) };
            if let Some(stamp) = self.ledger.edit(person, gone, hash) {
                self.people.insert(person.to_owned(), (stamp, value));
                self.to_say.push_back((person.to_owned(), stamp, value));
            }
        }

        fn hear(&mut self, (person, stamp, value): Said) {
            match self.ledger.judge(&person, stamp) {
                Verdict::Known => {}
                Verdict::Adopt => {
                    self.people.insert(person.clone(), (stamp, value));
                    self.ledger.adopted(&person, stamp);
                }
                Verdict::Answer => {
                    let (own, value) = self.people[&person];
                    self.to_say.push_back((person, own, value));
                }
            }
        }
    }

    struct World {
        doors: [Door; 3],
        broker: Broker,
    }

    impl World {
        fn new() -> Self {
            Self { doors: Default::default(), broker: Broker::default() }
        }

        fn connect(&mut self, d: usize) {
            if !self.doors[d].online {
                self.doors[d].online = true;
                self.doors[d].inbox = self.broker.retained.values().cloned().collect();
            }
        }

        /// One message out of door `d` to the broker and on to whoever listens.
        fn say(&mut self, d: usize) -> bool {
            if !self.doors[d].online {
                return false;
            }
            let Some(said) = self.doors[d].to_say.pop_front() else { return false };
            self.broker.carried += 1;
            self.broker.retained.insert(said.0.clone(), said.clone());
            for door in self.doors.iter_mut().filter(|door| door.online) {
                door.inbox.push_back(said.clone());
            }
            true
        }

        /// One message into door `d`.
        fn hear(&mut self, d: usize) -> bool {
            if !self.doors[d].online {
                return false;
            }
            let Some(said) = self.doors[d].inbox.pop_front() else { return false };
            self.doors[d].hear(said);
            true
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Edit(usize, u8, u8),
        Delete(usize, u8),
        Connect(usize),
        /// What was to be delivered is lost with the connection; what was to be said stays on the disk.
        Cut(usize),
        Say(usize),
        Hear(usize),
        /// The broker gives out an old message again, or a door's message arrives twice.
        Repeat(usize, prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let door = 0_usize..3;
        prop_oneof![
            3 => (door.clone(), 0_u8..3, any::<u8>()).prop_map(|(d, p, c)| Step::Edit(d, p, c)),
            2 => (door.clone(), 0_u8..3).prop_map(|(d, p)| Step::Delete(d, p)),
            2 => door.clone().prop_map(Step::Connect),
            2 => door.clone().prop_map(Step::Cut),
            5 => door.clone().prop_map(Step::Say),
            5 => door.clone().prop_map(Step::Hear),
            1 => (door, any::<prop::sample::Index>()).prop_map(|(d, i)| Step::Repeat(d, i)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn three_doors_converge_after_any_interleaving(steps in proptest::collection::vec(step(), 0..80)) {
            let mut world = World::new();
            let mut all: Vec<Said> = Vec::new();
            for step in steps {
                match step {
                    Step::Edit(d, p, c) => world.doors[d].edit(&p.to_string(), Some(c)),
                    Step::Delete(d, p) => world.doors[d].edit(&p.to_string(), None),
                    Step::Connect(d) => world.connect(d),
                    Step::Cut(d) => {
                        world.doors[d].online = false;
                        world.doors[d].inbox.clear();
                    }
                    Step::Say(d) => { world.say(d); }
                    Step::Hear(d) => { world.hear(d); }
                    Step::Repeat(d, i) => {
                        if world.doors[d].online && !all.is_empty() {
                            let old = i.get(&all).clone();
                            world.doors[d].inbox.push_back(old);
                        }
                    }
                }
                for door in &world.doors {
                    all.extend(door.to_say.back().cloned());
                }
            }
            for d in 0..3 {
                world.connect(d);
            }
            let before = world.broker.carried;
            let mut moved = true;
            while moved {
                moved = false;
                for d in 0..3 {
                    moved |= world.say(d);
                    moved |= world.hear(d);
                }
                prop_assert!(world.broker.carried - before < 2_000, "the doors never come to rest");
            }
            for person in ["0", "1", "2"] {
                let held = world.doors.each_ref().map(|d| d.people.get(person).copied());
                prop_assert!(held[0] == held[1] && held[1] == held[2], "{person}: {held:?}");
                // The winner is the greatest of all states that were ever made, and the broker keeps it.
                let best = all.iter().filter(|s| s.0 == person).map(|s| s.1).max();
                prop_assert_eq!(held[0].map(|h| h.0), best);
                prop_assert_eq!(world.broker.retained.get(person).map(|s| s.1), best);
            }
        }
    }

    #[test]
    fn a_later_edit_wins_and_of_two_at_once_the_deletion() {
        let (mut a, mut b) = (Ledger::default(), Ledger::default());
        let first = a.edit("x", false, digest(1)).unwrap();
        assert_eq!(a.edit("x", false, digest(1)), None, "nothing changed");
        assert_eq!(b.edit("x", true, [0; 32]), None, "nobody to delete");
        assert_eq!(b.judge("x", first), Verdict::Adopt);
        b.adopted("x", first);
        let (edit, deletion) = (a.edit("x", false, digest(2)).unwrap(), b.edit("x", true, [0; 32]).unwrap());
        assert_eq!(a.judge("x", deletion), Verdict::Adopt);
        assert_eq!(b.judge("x", edit), Verdict::Answer);
        assert_eq!(b.judge("x", deletion), Verdict::Known);
        a.adopted("x", deletion);
        let again = a.edit("x", false, digest(3)).unwrap();
        assert_eq!(b.judge("x", again), Verdict::Adopt, "whoever is enrolled anew after a deletion is there");
    }
}
