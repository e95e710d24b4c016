//! Many doors at one broker: 1,000 with `make fleet-load` (`OSTIARY_DOORS`), 30 otherwise.
//!
//! Each door is the program's own link (`link/mqtt`) with its threads, its window and its persistent session; its camera
//! and its disk are simulated: events lie in memory, and the clock of an event starts when it is committed there. One
//! receiver (`mosquitto_sub`) takes all events, acknowledges each, and drops duplicates by number. Then every door is
//! asked a question, then the broker is killed while events go on, and then all are counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ostiary::device::clock_os::{OsClock, pause};
use ostiary::domain::Millis;
use ostiary::link::mqtt::{Committed, Confirm, Mqtt, MqttConfig, Nudge, Outbox, OutboxError, Topics, World};
use ostiary::link::wire::{Moment, Operations};
use ostiary::ports::Clock;
use serde_json::json;

use crate::broker::{Broker, Ear, need_broker, within};
use crate::house::{FakeDoor, House};
use crate::own::{connect, packet};

/// Each door commits an event so often.
const EVERY_MS: u64 = 10_000;

/// Events of one door, in memory.
#[derive(Default)]
struct Memory {
    events: Mutex<Vec<Committed>>,
    acked: AtomicU64,
}

impl Outbox for Memory {
    fn read(&self, from: u64, max: usize) -> Result<Vec<Committed>, OutboxError> {
        let events = self.events.lock().unwrap();
        Ok(events.iter().filter(|e| e.seq >= from).take(max).cloned().collect())
    }

    fn acked(&self) -> u64 {
        self.acked.load(Ordering::SeqCst)
    }

    fn newest(&self) -> u64 {
        self.events.lock().unwrap().len() as u64
    }

    fn confirm(&self, upto: u64) -> Result<(), OutboxError> {
        self.acked.fetch_max(upto, Ordering::SeqCst);
        Ok(())
    }
}

struct Door {
    outbox: Arc<Memory>,
    nudge: Nudge,
    _link: Mqtt,
}

struct Fleet {
    clock: Arc<OsClock>,
    doors: Vec<Door>,
    /// When each event was committed, by door and number.
    committed: BTreeMap<(usize, u64), u64>,
}

impl Fleet {
    fn start(doors: usize, port: u16) -> Self {
        let clock = Arc::new(OsClock::new());
        let doors = (0..doors)
            .map(|n| {
                let device = format!("d{n:04}");
                let config = MqttConfig {
                    topics: Topics::new(&device).unwrap(),
                    device,
                    keep_alive_s: 60,
                    confirm: Confirm::Receiver,
                    ..House::config(port)
                };
                let (outbox, nudge) = (Arc::new(Memory::default()), Nudge::default());
                let world = World {
                    operations: Arc::new(FakeDoor::default()) as Arc<dyn Operations>,
                    outbox: Arc::clone(&outbox) as Arc<dyn Outbox>,
                    clock: Arc::clone(&clock) as Arc<dyn Clock>,
                    fleet: None,
                };
                let link = Mqtt::start(config, world, &nudge).unwrap();
                Door { outbox, nudge, _link: link }
            })
            .collect();
        Self { clock, doors, committed: BTreeMap::new() }
    }

    fn up(&self) -> usize {
        self.doors.iter().filter(|d| d.nudge.up()).count()
    }

    fn commit(&mut self, door: usize) {
        let Door { outbox, nudge, .. } = &self.doors[door];
        let mut events = outbox.events.lock().unwrap();
        let seq = events.len() as u64 + 1;
        let now = self.clock.now();
        events.push(Committed {
            seq,
            kind: "access_granted",
            time: Moment(now.utc.0).text(),
            boot: "0000000000000001".into(),
            prev_hash: "0".repeat(64),
            json: json!({ "seq": seq, "event": "access_granted", "person": "somebody", "door": 1 })
                .to_string(),
        });
        drop(events);
        self.committed.insert((door, seq), now.mono.0);
        nudge.committed();
    }

    /// Every door commits every ten seconds, at its own moment, for so long; `each` is called meanwhile.
    fn work(&mut self, ms: u64, mut each: impl FnMut(&Self, u64)) {
        let begun = self.clock.now().mono.0;
        let mut due: Vec<u64> =
            (0..self.doors.len()).map(|n| begun + n as u64 * EVERY_MS / self.doors.len() as u64).collect();
        loop {
            let now = self.clock.now().mono.0;
            if now >= begun + ms {
                return;
            }
            for (door, due) in due.iter_mut().enumerate() {
                if *due <= now {
                    *due += EVERY_MS;
                    self.commit(door);
                }
            }
            each(self, now - begun);
            pause(Millis(2));
        }
    }
}

/// What the receiver has.
#[derive(Default)]
struct Receiver {
    seen: BTreeMap<(usize, u64), u64>,
    again: usize,
    answers: BTreeMap<usize, u64>,
    to_acknowledge: Vec<(usize, u64)>,
}

impl Receiver {
    fn take(&mut self, ear: &Ear, clock: &OsClock) {
        for heard in ear.drain() {
            let now = clock.now().mono.0;
            let mut words = heard.topic.split('/');
            let door = words.nth(1).and_then(|d| d.strip_prefix('d')?.parse::<usize>().ok());
            let (Some(door), Some(kind)) = (door, words.next()) else { continue };
            if kind == "rsp" {
                self.answers.entry(door).or_insert(now);
            } else if let Some(seq) = heard.json()["seq"].as_u64() {
                match self.seen.entry((door, seq)) {
                    Entry::Occupied(_) => self.again += 1,
                    Entry::Vacant(place) => {
                        place.insert(now);
                    }
                }
                self.to_acknowledge.push((door, seq));
            }
        }
    }

    fn acknowledge(&mut self, manager: &mut Option<TcpStream>) {
        let Some(stream) = manager else { return };
        let mut bytes = Vec::new();
        for (door, seq) in &self.to_acknowledge {
            bytes.extend(said(&format!("ostiary/d{door:04}/events/ack"), &format!("{{\"upto\":{seq}}}")));
        }
        if stream.write_all(&bytes).is_ok() {
            self.to_acknowledge.clear();
        } else {
            *manager = None;
        }
    }
}

fn said(topic: &str, payload: &str) -> Vec<u8> {
    let mut body = vec![0, topic.len() as u8];
    body.extend(topic.as_bytes());
    body.extend(payload.as_bytes());
    packet(0x30, &body)
}

/// Median, 95, 99 of a hundred, and the longest.
fn percentiles(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |of: usize| times[(times.len() * of / 100).min(times.len() - 1)];
    format!("p50 {} ms, p95 {} ms, p99 {} ms, max {} ms", at(50), at(95), at(99), at(100))
}

#[test]
fn a_fleet_of_doors_at_one_broker_loses_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<usize>().ok());
    let doors = number("OSTIARY_DOORS").unwrap_or(30);
    let ms = number("OSTIARY_LOAD_S").map_or(6_000, |s| s as u64 * 1_000);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = (doors as u64 * 8 + 256).max(files.current.unwrap_or(0));
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: Some(wanted), maximum: files.maximum },
    )
    .unwrap();
    let mut broker: Broker = need_broker!();
    let ear =
        broker.listen(&["-t", "ostiary/+/events/access_granted", "-t", "ostiary/+/rsp/#", "-i", "hq", "-c"]);
    let mut manager = Some(connect(broker.port, "manager"));
    let begun = OsClock::new().now().mono.0;
    let mut fleet = Fleet::start(doors, broker.port);
    within(180_000, "every door is connected", || (fleet.up() == doors).then_some(()));
    let clock = Arc::clone(&fleet.clock);
    let connected = clock.now().mono.0 - begun;
    let mut receiver = Receiver::default();
    // Everybody's first words are over.
    pause(Millis(3_000));

    fleet.work(ms, |fleet, _| {
        receiver.take(&ear, &fleet.clock);
        receiver.acknowledge(&mut manager);
    });
    within(60_000, "every event arrives", || {
        receiver.take(&ear, &clock);
        receiver.acknowledge(&mut manager);
        (receiver.seen.len() == fleet.committed.len()).then_some(())
    });
    let late = |fleet: &Fleet, receiver: &Receiver| {
        receiver.seen.iter().map(|(key, at)| at.saturating_sub(fleet.committed[key])).collect::<Vec<_>>()
    };
    let (events, latency, again) = (receiver.seen.len(), late(&fleet, &receiver), receiver.again);

    // A question to each, all at once.
    let asked = clock.now().mono.0;
    for door in 0..doors {
        let question = said(&format!("ostiary/d{door:04}/cmd/door.state"), "{\"req_id\":\"q\"}");
        manager.as_mut().unwrap().write_all(&question).unwrap();
    }
    within(60_000, "every door answers", || {
        receiver.take(&ear, &clock);
        (receiver.answers.len() == doors).then_some(())
    });
    let answered = receiver.answers.values().map(|at| at.saturating_sub(asked)).collect();

    // The broker is killed, and comes back four seconds later.
    let before = receiver.again;
    let mut back = None;
    let mut dead = false;
    fleet.work(ms.max(12_000), |fleet, at| {
        if at > 1_000 && !dead && back.is_none() {
            broker.kill();
            manager = None;
            dead = true;
        }
        if at > 5_000 && dead {
            broker.revive();
            manager = Some(connect(broker.port, "manager"));
            dead = false;
            back = Some((clock.now().mono.0, None));
        }
        if let Some((since, all @ None)) = &mut back
            && fleet.up() == fleet.doors.len()
        {
            *all = Some(clock.now().mono.0 - *since);
        }
        receiver.take(&ear, &fleet.clock);
        receiver.acknowledge(&mut manager);
    });
    within(240_000, "every event arrives after all", || {
        receiver.take(&ear, &clock);
        receiver.acknowledge(&mut manager);
        (receiver.seen.len() == fleet.committed.len() && fleet.up() == doors).then_some(())
    });
    let returned = back.and_then(|(_, all)| all);
    // Nothing waits any more: every acknowledgement has come, too.
    within(120_000, "every outbox is empty", || {
        receiver.take(&ear, &clock);
        receiver.acknowledge(&mut manager);
        fleet.doors.iter().all(|d| d.outbox.acked() == d.outbox.newest()).then_some(())
    });
    let report = format!(
        "{doors} doors, all connected after {connected} ms\n\
         events: {events} in {} s, commit to receiver: {}; lost 0, twice {again}\n\
         a question to all at once: {}\n\
         broker killed for 4 s: all doors back after {returned:?} ms; {} events in all, lost 0, twice {}\n",
        ms / 1_000,
        percentiles(latency),
        percentiles(answered),
        fleet.committed.len(),
        receiver.again - before,
    );
    std::io::stderr().write_all(report.as_bytes()).unwrap();
}
