//! Three doors on disks that fail and with a broker that forgets: they converge all the same.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use proptest::prelude::*;

use super::*;

/// What survives the end of a program.
#[derive(Default)]
struct Disk {
    people: BTreeMap<String, u8>,
    /// Who was changed, in order.
    journal: Vec<String>,
    rows: BTreeMap<u32, Row>,
    /// Writes until the program dies at one.
    lives: Option<u8>,
}

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Disk>>);

impl Paper {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// A write, or the end.
    fn write(&self, change: impl FnOnce(&mut Disk)) -> Result<(), RollError> {
        let mut disk = self.disk();
        if disk.lives == Some(0) {
            return Err(RollError("dead".into()));
        }
        disk.lives = disk.lives.map(|n| n - 1);
        change(&mut disk);
        Ok(())
    }

    fn set(&self, id: &str, content: Option<u8>) -> Result<(), RollError> {
        self.write(|disk| {
            match content {
                Some(content) => disk.people.insert(id.into(), content),
                None => disk.people.remove(id),
            };
            disk.journal.push(id.into());
        })
    }
}

fn member(id: &str, content: u8) -> Member {
    Member { id: id.into(), rev: 0, gone: false, profile: content.to_string(), looks: Vec::new() }
}

impl Roll for Paper {
    fn ids(&self) -> Result<Vec<String>, RollError> {
        Ok(self.disk().people.keys().cloned().collect())
    }

    fn member(&self, id: &str) -> Result<Option<Member>, RollError> {
        Ok(self.disk().people.get(id).map(|content| member(id, *content)))
    }

    fn adopt(&self, member: &Member) -> Result<(), RollError> {
        if !member.gone {
            // In two steps, as a gallery does it: a crash between them leaves neither.
            self.set(&member.id, Some(255))?;
        }
        self.set(&member.id, if member.gone { None } else { member.profile.parse().ok() })
    }

    fn rows(&self) -> Result<Vec<Row>, RollError> {
        Ok(self.disk().rows.values().cloned().collect())
    }

    fn keep(&self, row: &Row) -> Result<(), RollError> {
        self.write(|disk| drop(disk.rows.insert(row.slot, row.clone())))
    }

    fn changed(&self, since: u64) -> Result<(Option<Vec<String>>, u64), RollError> {
        let disk = self.disk();
        let from = usize::try_from(since).unwrap_or(usize::MAX).min(disk.journal.len());
        Ok((Some(disk.journal[from..].to_vec()), disk.journal.len() as u64))
    }
}

const PREFIX: &str = "ostiary/fleet/hq/person/";

struct Door {
    disk: Paper,
    group: Option<Group>,
    online: bool,
    inbox: VecDeque<(String, Vec<u8>)>,
    receipts: VecDeque<Token>,
}

impl Door {
    fn new() -> Self {
        let mut door = Self {
            disk: Paper::default(),
            group: None,
            online: false,
            inbox: VecDeque::new(),
            receipts: VecDeque::new(),
        };
        door.start();
        door
    }

    fn start(&mut self) {
        self.disk.disk().lives = None;
        let key = GroupKey::new(&[7; 32], "hq");
        self.group = Some(Group::open(key, PREFIX.into(), Box::new(self.disk.clone())).unwrap());
        self.cut();
    }

    fn cut(&mut self) {
        self.online = false;
        self.inbox.clear();
        self.receipts.clear();
    }

    /// Does something; a disk that fails is the end of the program, which then starts again.
    fn does<T>(&mut self, what: impl FnOnce(&mut Group) -> Result<T, RollError>) -> Option<T> {
        let done = what(self.group.as_mut().unwrap());
        if done.is_err() {
            self.start();
        }
        done.ok()
    }
}

#[derive(Default)]
struct Broker {
    retained: BTreeMap<String, Vec<u8>>,
    carried: usize,
}

fn connect(door: &mut Door, broker: &Broker) {
    if !door.online {
        door.cut();
        door.online = true;
        door.inbox = broker.retained.iter().map(|(t, p)| (t.clone(), p.clone())).collect();
        door.group.as_mut().unwrap().connected();
    }
}

fn say(doors: &mut [Door; 3], d: usize, broker: &mut Broker) -> bool {
    if !doors[d].online {
        return false;
    }
    doors[d].does(Group::look);
    if !doors[d].online {
        return true;
    }
    let Some(Some(said)) = doors[d].does(Group::next_to_say) else { return false };
    broker.carried += 1;
    broker.retained.insert(said.topic.clone(), said.sealed.clone());
    for door in doors.iter_mut().filter(|door| door.online) {
        door.inbox.push_back((said.topic.clone(), said.sealed.clone()));
    }
    doors[d].receipts.push_back(said.token);
    true
}

fn hear(door: &mut Door) -> bool {
    if let Some(token) = door.receipts.pop_front() {
        door.does(|g| g.said(&token));
        return true;
    }
    let Some((topic, payload)) = door.inbox.pop_front() else { return false };
    door.does(|g| g.hear(&topic, &payload));
    true
}

#[derive(Clone, Debug)]
enum Step {
    Edit(usize, u8, Option<u8>),
    Connect(usize),
    Cut(usize),
    Say(usize),
    Hear(usize),
    /// The program dies at one of its next writes.
    Die(usize, u8),
    Restart(usize),
    /// The broker loses everything, or somebody removes one message.
    Wipe(bool),
    Forge(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let door = 0_usize..3;
    prop_oneof![
        4 => (door.clone(), 0_u8..3, prop::option::weighted(0.7, 0_u8..200)).prop_map(|(d, p, c)| Step::Edit(d, p, c)),
        3 => door.clone().prop_map(Step::Connect),
        1 => door.clone().prop_map(Step::Cut),
        6 => door.clone().prop_map(Step::Say),
        8 => door.clone().prop_map(Step::Hear),
        2 => (door.clone(), 0_u8..4).prop_map(|(d, n)| Step::Die(d, n)),
        1 => door.clone().prop_map(Step::Restart),
        1 => any::<bool>().prop_map(Step::Wipe),
        1 => (door, any::<u8>()).prop_map(|(d, b)| Step::Forge(d, b)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn doors_that_crash_and_brokers_that_forget_converge(steps in proptest::collection::vec(step(), 0..80)) {
        let mut doors = [Door::new(), Door::new(), Door::new()];
        let mut broker = Broker::default();
        for step in steps {
            match step {
                Step::Edit(d, p, content) => {
                    let (id, door) = (p.to_string(), &mut doors[d]);
                    if content.is_some() || door.disk.disk().people.contains_key(&id) {
                        // The gallery answers when it is on the disk, and not otherwise.
                        let edited = door.disk.set(&id, content);
                        door.does(|_| edited);
                    }
                }
                Step::Connect(d) => connect(&mut doors[d], &broker),
                Step::Cut(d) => doors[d].cut(),
                Step::Say(d) => { say(&mut doors, d, &mut broker); }
                Step::Hear(d) => { hear(&mut doors[d]); }
                Step::Die(d, n) => doors[d].disk.disk().lives = Some(n),
                Step::Restart(d) => doors[d].start(),
                Step::Wipe(true) => broker.retained.clear(),
                Step::Wipe(false) => {
                    if let Some((topic, _)) = broker.retained.pop_first() {
                        for door in doors.iter_mut().filter(|door| door.online) {
                            door.inbox.push_back((topic.clone(), Vec::new()));
                        }
                    }
                }
                Step::Forge(d, b) => {
                    let topic = format!("{PREFIX}{}", GroupKey::new(&[7; 32], "hq").pseudonym("0"));
                    doors[d].inbox.push_back((topic, vec![1, b, b, b]));
                }
            }
        }
        for door in &mut doors {
            door.start();
            connect(door, &broker);
        }
        let before = broker.carried;
        for round in 0..2 {
            let mut moved = true;
            while moved {
                moved = false;
                for d in 0..3 {
                    moved |= say(&mut doors, d, &mut broker);
                    moved |= hear(&mut doors[d]);
                }
                prop_assert!(broker.carried - before < 2_000, "the doors never come to rest");
            }
            if round == 0 {
                for door in &mut doors {
                    door.does(Group::settled);
                }
            }
        }
        let held = doors.each_ref().map(|d| d.disk.disk().people.clone());
        prop_assert!(held[0] == held[1] && held[1] == held[2], "{:?}", held);
        // Whoever joins now learns all of it from the broker.
        let mut late = Door::new();
        connect(&mut late, &broker);
        while hear(&mut late) {}
        prop_assert_eq!(&late.disk.disk().people, &held[0]);
        // Of whoever is gone no id is left.
        for door in &doors {
            for row in door.disk.disk().rows.values() {
                prop_assert!(!row.gone || row.id.is_none(), "{row:?}");
            }
        }
    }
}

#[test]
fn a_deletion_reaches_a_door_that_was_away_and_leaves_no_id() {
    let (mut a, mut b) = (Door::new(), Door::new());
    let mut broker = Broker::default();
    let mut carry = |a: &mut Door, b: &mut Door| {
        for _ in 0..20 {
            for door in [&mut *a, &mut *b].iter_mut().filter(|d| d.online) {
                door.does(Group::look);
                while let Some(Some(said)) = door.does(Group::next_to_say) {
                    broker.retained.insert(said.topic.clone(), said.sealed);
                    door.receipts.push_back(said.token);
                }
                while hear(door) {}
            }
        }
        for door in [&mut *a, &mut *b].iter_mut().filter(|d| d.online) {
            door.inbox.extend(broker.retained.iter().map(|(t, p)| (t.clone(), p.clone())));
            while hear(door) {}
        }
    };
    (a.online, b.online) = (true, true);
    a.disk.set("ada", Some(1)).unwrap();
    carry(&mut a, &mut b);
    assert_eq!(b.disk.disk().people.get("ada"), Some(&1));
    b.online = false;
    a.disk.set("ada", None).unwrap();
    carry(&mut a, &mut b);
    b.online = true;
    carry(&mut a, &mut b);
    assert!(b.disk.disk().people.is_empty());
    for door in [&a, &b] {
        let disk = door.disk.disk();
        let row = disk.rows.values().next().unwrap();
        assert!(row.gone && row.id.is_none() && row.rev == 2, "{row:?}");
    }
}
